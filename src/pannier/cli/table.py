"""The commands as data: where they live, what they need, how their failures are told.

Importing this imports no command. Order is the order of the help.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pannier.project.project import Project

NOTHING = 0
PROJECT = 1
"""The command works in a project: it is opened before."""
LOCK = 2
"""The command changes the project: nobody else may while it runs."""


class Command(NamedTuple):
    """One command. module: below `pannier.cli.commands`, with `add_arguments(parser)` and
    `run(ctx, opts) -> int`; a module may also have a DESCRIPTION for its help.

    prefix, code: words before an error of the command and its exit code; a code of None leaves
    both to the error itself. "{targets}" in a prefix: those given, each after a blank. DVC
    answers so differently from command to command, and scripts look at it. level: it takes
    --global, --system, --project, --local. hidden: not in the help.
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
    "add": Command("add", "Track data files or directories with DVC.", PROJECT | LOCK, "", 1),
    "cache": Command("cache", "Manage cache settings."),
    "check-ignore": Command(
        "check_ignore",
        "Check whether files or directories are excluded due to `.dvcignore`.",
        PROJECT,
    ),
    "checkout": Command("checkout", "Checkout data files from cache.", PROJECT | LOCK),
    "commit": Command(
        "commit",
        "Record changes to files or directories tracked by DVC by storing the current versions"
        " in the cache.",
        PROJECT | LOCK,
        "failed to commit{targets} - ",
        1,
    ),
    "completion": Command("completion", "Generate shell tab completion."),
    "config": Command("config", "Get or set config options.", level=True),
    "pull": Command(
        "pull",
        "Download tracked files or directories from remote storage.",
        PROJECT | LOCK,
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
    "du": Command("du", "Show disk usage."),
    "git-hook": Command("git_hook", "Run GIT hook.", hidden=True),
    "init": Command(
        "init", "Initialize DVC repository.", prefix="failed to initiate DVC - ", code=1
    ),
    "install": Command(
        "install",
        "Install DVC git hooks into the repository.",
        prefix="failed to install DVC Git hooks - ",
        code=1,
    ),
    "list": Command(
        "list",
        "List repository contents, including files and directories tracked by DVC and by Git.",
        aliases=("ls",),
    ),
    "remote": Command("remote", "Set up and manage data remotes."),
    "root": Command("root", "Return the relative path to the root of the DVC project."),
    "version": Command(
        "version",
        "Display the DVC version and system/environment information.",
        aliases=("doctor",),
    ),
}

CLOUD_STATUS = Command("status_cloud", "Compare the cache with a remote.", PROJECT)
"""Not a command of its own: what `status --cloud` loads."""

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
