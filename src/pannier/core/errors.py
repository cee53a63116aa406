"""Every exception of the program, and its words.

    PannierError                 255  anything below; `hint` is a line that can be typed
    +-- NotInProject             253
    +-- UsageError               254  the command line itself is wrong
    +-- ConfigError              251
    |   +-- NoRemote                  no remote named, no default set
    |   +-- UnknownRemote
    |   +-- UnsupportedScheme         a URL whose kind is not there (yet)
    +-- LockBusy                      another process works in the project
    +-- PathBusy                      a running DVC stage holds this path
    +-- BadPath                       a path that the path rule refuses
    +-- BadTarget                     a target that names nothing
    +-- InvalidFile                   a pointer, pipeline or lock file that cannot be read
    |   +-- IgnoredOutput             an output that `.dvcignore` leaves out
    +-- OutputMissing                 data named by the user is not there
    +-- OutsideProject
    +-- TrackedByGit                  data that Git already keeps
    +-- PointerIgnored                a pointer that Git would ignore
    +-- Overlap                       two outputs claim one path
    +-- UnstorableEntries             names or kinds that no manifest can hold
    +-- FileChanged                   a file kept changing while it was read
    +-- UnsavedChanges                work that would be lost
    +-- CheckoutFailed                data that is nowhere in the cache
    +-- CommitDeclined
    +-- MergeConflict                 changes of two sides that exclude each other
    +-- CorruptObject                 bytes that are not what their name says
    +-- MissingObject
    +-- DiskError                     the operating system refused: full, read-only, ...
    |   +-- NoSpace
    +-- GitError
    +-- SourceError                   another project's repository cannot be reached
    +-- ListMissing                   the list of files of a directory is nowhere
    +-- TransferFailed                some objects did not arrive
    +-- TransportError                one request to a remote failed for good
    |   +-- NotThere                  no object of that name
    |   +-- Unlistable                a place that cannot say what it holds
    |   +-- AccessDenied              wrong or expired credentials, no rights
    |   +-- Unreachable               no such host, refused, timed out (temporary)
    +-- Interrupted              252

More of it: core/source_errors.py (data from elsewhere), core/reading_errors.py (the API),
core/pipeline_errors.py, core/undo_errors.py. Lower layers raise facts as fields; the words stand
here; `cli` adds a command's prefix and picks the exit code that DVC uses for the command.
"""

from __future__ import annotations

from collections.abc import Sequence


class PannierError(Exception):
    """A failure with a sentence for the user. exit_code: unless the command maps it.

    about: the target that failed, as typed, when it is one of several.
    """

    exit_code = 255
    about: str | None = None

    def __init__(self, message: str = "", *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class NotInProject(PannierError):
    exit_code = 253

    def __init__(self, checked_up_to: str = "/") -> None:
        super().__init__(
            f"you are not inside of a DVC repository (checked up to mount point '{checked_up_to}')",
            hint="start one here with 'dvc init', or name one with 'dvc --cd <path> ...'",
        )


class UsageError(PannierError):
    exit_code = 254


class ConfigError(PannierError):
    """A setting that is wrong. Words after `config file error: `, as DVC has them."""

    exit_code = 251

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"config file error: {message}", hint=hint)


class NoRemote(ConfigError):
    def __init__(self, root: str) -> None:
        super().__init__(
            f"no remote specified in {root}. Create a default remote with\n"
            "    dvc remote add -d <remote name> <remote url>"
        )


class UnknownRemote(ConfigError):
    def __init__(self, name: str, known: Sequence[str] = ()) -> None:
        super().__init__(
            f"remote '{name}' doesn't exist",
            hint="the remotes here are: " + ", ".join(sorted(known)) if known else None,
        )
        self.name = name


class UnsupportedScheme(ConfigError):
    def __init__(self, url: str, scheme: str) -> None:
        super().__init__(
            f"remotes of the kind '{scheme}://' are not supported yet (URL '{url}')",
            hint="docs/remotes.md has the kinds that can be used in this version",
        )


class LockBusy(PannierError):
    def __init__(self, holder: str = "") -> None:
        super().__init__(
            "Unable to acquire lock. Most likely another DVC process is running or was "
            "terminated abruptly. Check the page "
            "<https://dvc.org/doc/user-guide/troubleshooting#lock-issue> for other possible "
            "reasons and to learn how to resolve this."
            + (f"\nIt is held by {holder}." if holder else ""),
            hint="wait for it with 'dvc --wait-for-lock ...'",
        )


class PathBusy(PannierError):
    def __init__(self, path: str, holders: Sequence[tuple[int, str]], lock_file: str) -> None:
        lines = "\n".join(f"  (PID {pid}): {cmd}" for pid, cmd in holders)
        super().__init__(
            f"'{path}' is busy, it is being blocked by:\n{lines}\n\n"
            "If there are no processes with such PIDs, you can manually remove "
            f"'{lock_file}' and try again."
        )


class BadPath(PannierError):
    def __init__(self, path: str, reason: str, where: str, hint: str | None = None) -> None:
        super().__init__(f"the path {path!r} in {where} is not allowed: {reason}", hint=hint)
        self.path, self.reason, self.where = path, reason, where


class BadTarget(PannierError):
    """target names nothing. reason: DVC's own words for it, without quotes around."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)


class InvalidFile(PannierError):
    """A file of the project that cannot be read as what it is.

    path: as shown to the user. line, column: 1-based, of the first fault, when known.
    """

    def __init__(
        self,
        path: str,
        reason: str,
        *,
        line: int | None = None,
        column: int | None = None,
        text: str | None = None,
        hint: str | None = None,
    ) -> None:
        where = f", line {line}" if line else ""
        where += f", column {column}" if line and column else ""
        shown = f"\n  {line} | {text.rstrip()}" if line and text else ""
        super().__init__(f"'{path}' is invalid: {reason}{where}{shown}", hint=hint)
        self.path, self.reason, self.line, self.column = path, reason, line, column


class IgnoredOutput(InvalidFile):
    """An output that `.dvcignore` leaves out: a folder would be recorded as empty."""

    def __init__(self, file: str, shown: str, pattern: str) -> None:
        super().__init__(file, "", hint=f"take it out of '{file}', or the pattern out of its file")
        self.message = f"Path '{shown}' is ignored by {pattern}"


class OutputMissing(PannierError):
    def __init__(self, shown: str, absolute: str = "") -> None:
        why = f": [Errno 2] No such file or directory: '{absolute}'" if absolute else ""
        super().__init__(f"output '{shown}' does not exist{why}")


class OutsideProject(PannierError):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"Cached output(s) outside of DVC project: {path}. See "
            "<https://dvc.org/doc/user-guide/data-management/importing-external-data> "
            "for more info."
        )


class TrackedByGit(PannierError):
    def __init__(self, path: str) -> None:
        super().__init__(
            f" output '{path}' is already tracked by SCM (e.g. Git).\n"
            "    You can remove it from Git, then add to DVC.\n"
            "        To stop tracking from Git:\n"
            f"            git rm -r --cached '{path}'\n"
            f'            git commit -m "stop tracking {path}" '
        )


class PointerIgnored(PannierError):
    def __init__(self, path: str) -> None:
        super().__init__(f"bad DVC file name '{path}' is git-ignored.")


class Overlap(PannierError):
    """Two outputs claim one place. message: DVC's words for the case."""


class UnstorableEntries(PannierError):
    """Entries of a directory that cannot be tracked, all of them at once.

    problems: (path as shown, why).
    """

    def __init__(
        self,
        problems: Sequence[tuple[str, str]],
        hint: str = "remove or rename them, or list them in .dvcignore",
    ) -> None:
        shown = "\n".join(f"  {path!r}: {why}" for path, why in problems[:20])
        more = f"\n  ... and {len(problems) - 20} more" if len(problems) > 20 else ""
        super().__init__(
            f"{len(problems)} "
            + (
                "entry cannot be tracked:\n"
                if len(problems) == 1
                else "entries cannot be tracked:\n"
            )
            + shown
            + more,
            hint=hint,
        )
        self.problems = list(problems)


class FileChanged(PannierError):
    def __init__(self, path: str) -> None:
        super().__init__(
            f"'{path}' kept changing while it was read",
            hint="stop the program that writes it, then repeat the command",
        )


class UnsavedChanges(PannierError):
    """paths: absolute, of files whose content is nowhere else. kept: for undo, with --force."""

    def __init__(self, paths: Sequence[str], *, kept: bool = False) -> None:
        back = " ('dvc undo' brings them back)" if kept else ""
        super().__init__(
            "Can't remove the following unsaved files without confirmation. "
            "Use `--force` to force.\n" + "\n".join(paths),
            hint=f"keep them with 'dvc commit', or give them up with '--force'{back}",
        )
        self.paths = list(paths)


class CheckoutFailed(PannierError):
    """targets: outputs that could not be brought back; the rest was done."""

    def __init__(self, targets: Sequence[str], *, hint: str | None = None) -> None:
        super().__init__(
            "Checkout failed for following targets:\n"
            + "\n".join(targets)
            + "\nIs your cache up to date?\n<https://error.dvc.org/missing-files>",
            hint=hint,
        )
        self.targets = list(targets)


class CommitDeclined(PannierError):
    def __init__(self, stage: str) -> None:
        super().__init__(f"unable to commit changed stage: '{stage}'. Use `-f|--force` to force.")


class MergeConflict(PannierError):
    """names: of what both sides changed, each in its own way; paths, stages or keys."""

    def __init__(self, message: str, names: Sequence[str] = (), *, hint: str | None = None) -> None:
        super().__init__("\n".join([message, *names]), hint=hint)
        self.names = list(names)


class CorruptObject(PannierError):
    """Bytes that are not what their name says. name: hex of the object."""

    def __init__(self, name: str, *, reason: str = "", found: str = "", where: str = "") -> None:
        why = reason or (f"its bytes have the digest {found}" if found else "its bytes differ")
        at = f" in {where}" if where else ""
        super().__init__(
            f"object {name}{at} is corrupt: {why}",
            hint="'dvc fetch' brings a good copy from the remote, 'dvc commit' from the workspace",
        )
        self.name, self.reason, self.found = name, reason, found

    def put_aside(self, place: str | None) -> None:
        """Says where the bytes are now: somebody may have written them through a link."""
        if place is not None:
            self.message += f"; they lie in '{place}' now"


class MissingObject(PannierError):
    def __init__(self, name: str) -> None:
        super().__init__(f"object {name} is not in the cache", hint="bring it with 'dvc fetch'")
        self.name = name


class DiskError(PannierError):
    """The operating system refused. path: what was being worked on; errno: its number."""

    def __init__(self, path: str, errno: int, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"'{path}': {reason}", hint=hint)
        self.path, self.errno = path, errno


class NoSpace(DiskError):
    """need_bytes, free_bytes: 0 when it was found out by writing."""

    def __init__(self, path: str, errno: int, need_bytes: int = 0, free_bytes: int = 0) -> None:
        detail = f" ({need_bytes} bytes needed, {free_bytes} free)" if need_bytes else ""
        super().__init__(
            path,
            errno,
            f"no space left on the disk{detail}",
            hint="nothing was lost; free some space and repeat the command",
        )


class GitError(PannierError):
    pass


class SourceError(PannierError):
    """url: of the repository. why: in Git's words, or ours."""

    def __init__(self, url: str, why: str, *, hint: str | None = None) -> None:
        super().__init__(f"SCM error: Failed to clone repo '{url}': {why}", hint=hint)
        self.url = url


class ListMissing(PannierError):
    """The list of files of a directory is neither in the cache nor at the remote. path: of it."""

    def __init__(self, path: str, why: str, *, hint: str | None = None) -> None:
        super().__init__(f"failed to load directory '{path}': {why}", hint=hint)
        self.path = path


class TransferFailed(PannierError):
    """count objects did not arrive. failures: (object or path, reason), a sample or all. missing:
    (algorithm, digest, path) of what was not tried, because it is on neither side."""

    def __init__(
        self,
        count: int,
        verb: str,
        failures: Sequence[tuple[str, str]],
        missing: Sequence[tuple[str, str, str]] = (),
    ) -> None:
        super().__init__(f"{count} files failed to {verb}")
        self.count, self.failures, self.missing = count, list(failures), list(missing)


class TransportError(PannierError):
    """One request to a remote failed for good. temporary: worth another try."""

    temporary = False


class NotThere(TransportError):
    pass


class Unlistable(TransportError):
    pass


class AccessDenied(TransportError):
    pass


class Unreachable(TransportError):
    temporary = True


class Interrupted(PannierError):
    exit_code = 252

    def __init__(self) -> None:
        super().__init__("interrupted by the user")
