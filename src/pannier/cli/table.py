"""The commands as data: where they live, what they need, how their failures are told.

Importing this imports no command. Order is the order of the help.
"""

from __future__ import annotations

from types import ModuleType

from pannier.core.record import dataclass
from pannier.core.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pannier.project.project import Project
    from pannier.project.recording import Recording

NOTHING = 0
PROJECT = 1
"""The command works in a project: it is opened before."""
LOCK = 2
"""The command changes the project: nobody else may while it runs."""
ANYWHERE = 8
"""With PROJECT: outside of any the Git repository, or the folder, is taken for one."""
LOGGED = 4
"""What the command changes is written to the operation log, for `undo`."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command. module: below `pannier.cli.commands`, with `add_arguments(parser)` and
    `run(ctx, opts) -> int`; a module may also have a DESCRIPTION for its help.

    prefix, code: words before an error of the command and its exit code; a code of None leaves
    both to the error itself. "{targets}" in a prefix: those given, each after a blank, or only the
    one that failed; "{target}": that one; "{opts.x}": an option. DVC answers so differently from
    command to command, and scripts look at it. level: it takes --global, --system, --project,
    --local. hidden: not in the help.
    """

    module: str
    summary: str
    needs: int = NOTHING
    prefix: str = ""
    code: int | None = None
    level: bool = False
    aliases: tuple[str, ...] = ()
    hidden: bool = False


COMMANDS: dict[str, Command] = {
    "add": Command(
        "add", "Track data files or directories with DVC.", PROJECT | LOCK | LOGGED, "", 1
    ),
    "artifacts": Command("artifacts", "DVC model registry artifact commands."),
    "cache": Command("cache", "Manage cache settings.", LOGGED),
    "check-ignore": Command(
        "check_ignore",
        "Check whether files or directories are excluded due to `.dvcignore`.",
        PROJECT,
    ),
    "checkout": Command("checkout", "Checkout data files from cache.", PROJECT | LOCK | LOGGED),
    "commit": Command(
        "commit",
        "Record changes to files or directories tracked by DVC by storing the current versions"
        " in the cache.",
        PROJECT | LOCK | LOGGED,
        "failed to commit{targets} - ",
        1,
    ),
    "completion": Command("completion", "Generate shell tab completion."),
    "config": Command("config", "Get or set config options.", LOGGED, level=True),
    "dag": Command("dag", "Visualize DVC project DAG.", PROJECT),
    "data": Command("data", "Commands related to data management.", PROJECT),
    "dataset": Command(
        "dataset",
        "Commands to name data elsewhere that stages depend on.",
        PROJECT | LOCK | LOGGED,
        aliases=("ds",),
    ),
    "pull": Command(
        "pull",
        "Download tracked files or directories from remote storage.",
        PROJECT | LOCK | LOGGED,
        "failed to pull data from the cloud - ",
        1,
    ),
    "push": Command(
        "push",
        "Upload tracked files or directories to remote storage.",
        PROJECT | LOCK,
        "failed to push data to the cloud - ",
        1,
    ),
    "fetch": Command(
        "fetch",
        "Download files or directories from remote storage to the cache.",
        PROJECT | LOCK,
        "failed to fetch data from the cloud - ",
        1,
    ),
    "status": Command(
        "status",
        "Show changed stages, compare local cache and a remote storage.",
        PROJECT,
        "",
        1,
    ),
    "destroy": Command(
        "destroy",
        "Remove DVC files, local DVC config and data cache.",
        PROJECT | LOCK,
        "failed to destroy DVC - ",
        1,
    ),
    "diff": Command(
        "diff",
        "Show added, modified, or deleted data between commits in the DVC repository, or between a"
        " commit and the workspace.",
        PROJECT,
        "failed to get diff - ",
        1,
    ),
    "du": Command("du", "Show disk usage."),
    "freeze": Command(
        "freeze",
        "Freeze stages or .dvc files.",
        PROJECT | LOCK | LOGGED,
        "failed to freeze '{target}' - ",
        1,
    ),
    "unfreeze": Command(
        "unfreeze",
        "Unfreeze stages or .dvc files.",
        PROJECT | LOCK | LOGGED,
        "failed to unfreeze '{target}' - ",
        1,
    ),
    "gc": Command(
        "gc", "Garbage collect unused objects from cache or remote storage.", PROJECT | LOGGED
    ),
    "get": Command("get", "Download file or directory tracked by DVC or by Git."),
    "get-url": Command("get_url", "Download or copy files from URL."),
    "import": Command(
        "import_",
        "Download file or directory tracked by DVC or by Git into the workspace, and track it.",
        PROJECT | LOCK | LOGGED,
    ),
    "import-db": Command(
        "import_db",
        "Snapshot a table or a SQL query result to a CSV/JSON format",
        PROJECT | LOCK | LOGGED,
    ),
    "import-url": Command(
        "import_url",
        "Download or copy file from URL and take it under DVC control.",
        PROJECT | LOCK | LOGGED,
        "failed to import {opts.url}. You could also try downloading it manually, and adding it"
        " with `dvc add`. - ",
        1,
    ),
    "init": Command(
        "init", "Initialize DVC repository.", prefix="failed to initiate DVC - ", code=1
    ),
    "install": Command(
        "install",
        "Install DVC git hooks into the repository.",
        LOGGED,
        prefix="failed to install DVC Git hooks - ",
        code=1,
    ),
    "list": Command(
        "list",
        "List repository contents, including files and directories tracked by DVC and by Git.",
        aliases=("ls",),
    ),
    "list-url": Command("list_url", "List directory contents from URL.", aliases=("ls-url",)),
    "metrics": Command("metrics", "Commands to display and compare metrics.", PROJECT | ANYWHERE),
    "move": Command(
        "move",
        "Rename or move a DVC controlled data file or a directory.",
        PROJECT | LOCK | LOGGED,
        "failed to move '{opts.src}' -> '{opts.dst}' - ",
        1,
        aliases=("mv",),
    ),
    "params": Command("params", "Commands to display params.", PROJECT | ANYWHERE),
    "plots": Command(
        "plots", "Commands to visualize and compare plot data.", PROJECT | ANYWHERE | LOGGED
    ),
    "remote": Command("remote", "Set up and manage data remotes.", LOGGED),
    "remove": Command(
        "remove",
        "Remove stages from dvc.yaml and/or stop tracking files or directories.",
        PROJECT | LOCK | LOGGED,
        "",
        1,
        aliases=("rm",),
    ),
    "repro": Command(
        "repro",
        "Reproduce complete or partial pipelines by executing their stages.",
        PROJECT | LOGGED,
    ),
    "root": Command("root", "Return the relative path to the root of the DVC project."),
    "stage": Command("stage", "Commands to list and create stages.", PROJECT | LOGGED),
    "unprotect": Command(
        "unprotect",
        "Unprotect tracked files or directories (when hardlinks or symlinks have been enabled"
        " with `dvc config cache.type`).",
        PROJECT | LOCK,
    ),
    "update": Command(
        "update",
        "Update data artifact imported (via dvc import or dvc import-url) from an external DVC"
        " repository or URL.",
        PROJECT | LOCK | LOGGED,
        "failed update data - ",
        1,
    ),
    "version": Command(
        "version",
        "Display the DVC version and system/environment information.",
        aliases=("doctor",),
    ),
    "git-hook": Command("git_hook", "Run GIT hook.", hidden=True),
    "op": Command("op", "Show the log of what commands changed.", PROJECT),
    "undo": Command(
        "undo", "Put back what the last command changed.", PROJECT | LOCK | LOGGED, "", 1
    ),
}

CLOUD_STATUS = Command("status_cloud", "Compare the cache with a remote.", PROJECT)
"""Not a command of its own: what `status --cloud` loads."""

SOURCE_STATUS = Command("status_sources", "Ask the sources of imports.", PROJECT)
"""What `status`, `repro` and `commit` load for imports, and for URLs that commands read."""
FETCH_IMPORTS = Command("fetch_imports", "Bring what imports name from their sources.", PROJECT)
"""What `fetch` and `pull` load when the data of imports is not in the cache."""
VERSIONS = Command("versions", "Move files at remotes with cloud versions.", PROJECT)
"""What `push`, `fetch` and `pull` load when there are such."""

ADD_ELSEWHERE = Command("add_elsewhere", "Bring data from elsewhere, or send it on.", PROJECT)
"""What `add` loads for `--out` and `--to-remote`."""
RUN_STAGE = Command("run_stage", "Run one stage.", PROJECT)
"""What `stage add --run` loads."""
PULL_DATA = Command("pull_data", "Bring data that is missing.", PROJECT)
"""What `repro --pull` loads."""
RUN_RECORDS = Command("run_records", "Move the run cache.", PROJECT)
"""What `push`, `fetch` and `pull` load for `--run-cache`."""

CACHE_VERIFY = Command("cache_verify", "Read the cache and compare it with its names.", PROJECT)
REMOTE_VERIFY = Command("remote_verify", "Read a remote and compare it with its names.", PROJECT)
"""What `cache verify` and `remote verify` load."""
REMOTE_SYNC = Command("remote_sync", "Copy from one remote to another.", PROJECT)
"""What `remote sync` loads."""
CACHE_MIGRATE = Command(
    "cache_migrate", "Give old objects their new names.", PROJECT | LOCK | LOGGED
)
MERGE_DRIVER = Command("merge_driver", "Merge two versions of a pointer or lock file.")
"""What `cache migrate` and `git-hook merge-driver` load."""
PLOTS_SHOW = Command("plots_show", "Draw plots.", PROJECT)
PLOTS_PICTURES = Command("plots_pictures", "Draw plots as pictures.", PROJECT)
PLOTS_MODIFY = Command("plots_modify", "Change a plot's properties.", PROJECT | LOCK | LOGGED)
"""What `plots show`, `plots diff` and `plots modify` load."""
TABLE_DIFF = Command("diff_data", "Compare tables row by row.", PROJECT)
"""Not a command of its own: what `diff --data` loads."""

NAMES: dict[str, str] = {
    spoken: name for name, command in COMMANDS.items() for spoken in (name, *command.aliases)
}
"""Every name that can be typed, in the order of the help, to the command's own name."""


def load(command: Command) -> ModuleType:
    """The module of one command."""
    from importlib import import_module

    return import_module(f"pannier.cli.commands.{command.module}")


def open_project(start: str) -> Project:
    """Opens the project that start lies in; only commands that need one pay for the import."""
    from pannier.project import project

    return project.open_project(start)


def open_folder(start: str) -> Project:
    """The same for what is no project."""
    from pannier.project import project

    return project.open_folder(start)


def open_recording(
    start: str, argv: Sequence[str], warn: Callable[[str], None], opened: Project | None
) -> Recording:
    """The entry in the operation log of a command that is logged; the others import none of it."""
    from pannier.project import recording

    settings = opened.settings if opened is not None else None
    return recording.Recording(start, argv, warn, settings)
