"""Running git: one command, its answer as bytes, its complaint as one GitError."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from pannier.core.errors import GitError

# A repository that somebody handed over may name programs in its own config, and git would run
# them while it only reads (docs/durability.md, hostile input S1).
READ_ONLY = ("-c", "core.fsmonitor=", "-c", "core.hooksPath=/dev/null")

# Those that point git at a repository, an index or a store of objects: set inside hooks, and right
# for the hook's own repository only. `environment` puts back what still holds.
_PLACES = {
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_EXTERNAL_DIFF",
    "GIT_GLOB_PATHSPECS",
    "GIT_GRAFT_FILE",
    "GIT_ICASE_PATHSPECS",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NAMESPACE",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
}


def environment(
    inherited: Mapping[str, str], places: Mapping[str, str], *, lazy_fetch: bool
) -> dict[str, str]:
    """The environment of a git command: inherited without foreign places, no prompts, English.

    places: GIT_* variables that hold for this repository. lazy_fetch: a partial clone may ask its
    remote for a missing object; that runs whatever transport the repository's config names.
    """
    chosen = {name: value for name, value in inherited.items() if name not in _PLACES}
    chosen |= places
    chosen["GIT_TERMINAL_PROMPT"] = "0"
    chosen["GIT_OPTIONAL_LOCKS"] = "0"
    chosen["GIT_NO_LAZY_FETCH"] = "0" if lazy_fetch else "1"
    chosen["LC_ALL"] = "C"
    return chosen


def run(
    args: Sequence[str],
    *,
    cwd: str,
    env: Mapping[str, str],
    stdin: bytes | None = None,
    allowed: Collection[int] = (0,),
    overrides: Sequence[str] = READ_ONLY,
) -> tuple[int, bytes]:
    """Runs `git args` to its end: (exit status, standard output).

    Raises GitError, with git's own words in one line, for a status that is not allowed.
    """
    import subprocess

    try:
        done = subprocess.run(
            ["git", *overrides, *args],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL if stdin is None else None,
            input=stdin,
            capture_output=True,
        )
    except OSError as error:
        raise not_started(error, cwd) from None
    # git only warns of a damaged branch and leaves it out: what it needs would look unneeded.
    if done.returncode not in allowed or b"ignoring broken ref" in done.stderr:
        raise failure(next(word for word in args if not word.startswith("-")), done.stderr)
    return done.returncode, done.stdout


def not_started(error: OSError, cwd: str) -> GitError:
    """git could not be run at all: it is missing, or cwd is."""
    if error.filename == cwd:
        return GitError(f"git cannot be run in '{cwd}': {error.strerror}")
    return GitError(
        f"git cannot be run: {error.strerror}",
        hint="install Git 2.36 or newer, and see that its folder is in PATH",
    )


def failure(verb: str, stderr: bytes) -> GitError:
    """What git said when it failed, as one line."""
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines()]
    said = [line for line in lines if line and not line.startswith("hint: ")]
    wrong = [line for line in said if line.startswith(("fatal: ", "error: "))]
    text = wrong[0].partition(": ")[2] if wrong else " ".join(said)[:500] or "it does not say why"
    if "dubious ownership" in text or "unsafe repository" in text:
        trust = [line for line in said if line.startswith("git config ")]
        return GitError(
            f"Git refuses to work here: {text}",
            hint=f"if you trust it: {trust[0]}" if trust else None,
        )
    if "from promisor remote" in text:
        return GitError(
            "the Git repository is a partial clone and lacks an object that is needed",
            hint="bring the rest of it with: git fetch --refetch --no-filter",
        )
    return GitError(f"git {verb} failed: {text}")
