"""Recording: the entry that the running command writes to the operation log.

It comes into being with the first change, is on disk before it, and is closed after the last; a
command that changes nothing leaves none. Files of metadata are recorded as they are written
(pannier.disk.watch), outputs by pannier.project.keeping. A log that cannot be written is a warning
and stops no work but such as destroys what is nowhere else, and undo: without its entry, the same
command once more would put back what another one did.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Sequence

from pannier.core.errors import ConfigError, DiskError, NotInProject, PannierError
from pannier.core.hashes import md5
from pannier.core.pattern import pattern
from pannier.disk import fsio, trees
from pannier.disk.beneath import has_link_parent
from pannier.disk.reading import read_regular
from pannier.formats import oplog
from pannier.formats.config_secrets import own_surely_holds_no_secret, surely_holds_no_secret
from pannier.project.config_files import find_root
from pannier.project.settings import Settings, load_settings

DAYS = 14
"""For so long a command can be undone, unless `pannier.undo_days` says otherwise."""

ENTRIES = 200
"""The log never holds more: the oldest go."""

_NUMBER = pattern(r"([0-9]+)(\.kept|\.ended)?\Z")


def folder_of(root: str) -> str:
    """The folder of a project's log. It holds `<number>`, an entry, `<number>.kept/`, and
    `<number>.ended` of a run."""
    return f"{root}/.dvc/tmp/pannier/ops"


def link_on_the_way(root: str) -> str | None:
    """A link that stands on the way to the folder of the log, root-relative.

    Then it is not used: what it leads to is a stranger's choice, and old entries are deleted.
    """
    return has_link_parent(root, ".dvc/tmp/pannier/ops/-")


def numbers_in(folder: str) -> dict[int, set[str]]:
    """Number -> names in the folder of a log ("7", "7.kept", "7.ended"), oldest first."""
    found: dict[int, set[str]] = {}
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            match = _NUMBER.match(name)
            if match is not None:
                found.setdefault(int(match[1]), set()).add(name)
    return dict(sorted(found.items()))


class Recording:
    """One command's entry. Use as a context manager around the command."""

    def __init__(
        self,
        start: str,
        argv: Sequence[str],
        warn: Callable[[str], None],
        settings: Settings | None = None,
    ) -> None:
        """start: where the command was given; outside of a project nothing is recorded. argv:
        without secrets. settings: the project's, where they are read already.
        """
        self._start, self._argv, self._warn = start, list(argv), warn
        self._settings = settings
        self._root: str | None = None
        self._fd = -1
        self._off = False
        self._undoes: int | None = None
        self._spare: set[int] = set()
        self._last: dict[str, str | None] = {}
        self._begun = self._changed = False
        self._unflushed = 0
        self._places = 0
        self._failure: DiskError | None = None
        self.number = 0

    # -- what is recorded ----

    def file_changes(self, path: str, data: bytes | None) -> None:
        """Called by pannier.disk before a small file is written or removed."""
        if not self._has_project() or not path.startswith(f"{self._root}/"):
            return
        inner = path[len(str(self._root)) + 1 :]
        if not oplog.is_metadata(inner):
            return
        was, mode = _read(path)
        if was == data:
            return
        if not all(_may_be_kept(inner, text) for text in (was, data) if text):
            self._changed |= (
                self._begin()
            )  # the entry shows the command; a secret is kept nowhere, so not here
            return
        now = None if data is None else _md5(data)
        if inner not in self._last:
            self._append(oplog.file_line(inner, was, mode, now))
        elif self._last[inner] != now:
            self._append(oplog.file_again_line(inner, now))
        self._last[inner] = now

    def output(self, change: oplog.OutputChange) -> None:
        """For the moment before data in the workspace changes.

        Raises DiskError when it is to say where bytes are kept and cannot be written.
        """
        keeps = any(row.kept for row in change.rows or ())
        self._append(oplog.output_line(change), flush=keeps)
        if keeps and self._failure is not None:
            raise self._failure

    def aside(self, change: oplog.AsideChange) -> None:
        """For the moment before what is no data goes aside. Raises DiskError when it cannot be
        written: then it must stay."""
        self._append(oplog.aside_line(change), flush=True)
        if self._failure is not None:
            raise self._failure

    def aside_back(self, change: oplog.AsideBack) -> None:
        """For the moment before it comes back."""
        self._append(oplog.aside_line(change))

    def hooks(self, change: oplog.HooksChange) -> None:
        self._append(oplog.hooks_line(change))

    def trash(self, mark: str) -> None:
        """For the moment before objects of the cache go to a folder of its trash."""
        self._append(oplog.trash_line(oplog.TrashChange(mark)))

    def trash_back(self, mark: str) -> None:
        """For the moment before they come back."""
        self._append(oplog.trash_back_line(oplog.TrashBack(mark)))

    def move(self, change: oplog.MoveChange) -> None:
        """For the moment before data gets another name."""
        self._append(oplog.move_line(change))

    def mark_path(self) -> str | None:
        """Where a run's witness says when its commands had ended; None where there is no log."""
        return f"{self._path}.ended" if self._begin() else None

    def making(self, change: oplog.Making) -> None:
        """For the moment before a command begins that makes outputs. It changes nothing yet."""
        self._append(oplog.making_line(change), is_change=False)

    def keep_folder(self) -> str | None:
        """The folder for bytes that this command takes away and nobody else has.

        None where nothing is to be kept: outside of a project, or as the settings have it. Raises
        DiskError when it cannot be made: then they must not be taken away.
        """
        if self._begin():
            folder = f"{folder_of(str(self._root))}/{self.number}.kept"
            try:
                if fsio.make_dir(folder, 0o700):
                    fsio.sync_dir(os.path.dirname(folder))
                return folder
            except OSError as error:
                fsio.fail(error, folder)
        if self._failure is not None:
            raise self._failure
        return None

    def next_place(self) -> str:
        """A name for one more file in it, as the entry says it."""
        self._places += 1
        return f"{self.number}.kept/{self._places - 1}"

    def undoing(self, number: int, again: oplog.Entry | None) -> None:
        """This entry puts back what entry number did. again: the entry of an undo that was killed
        half-way, which goes on in it.
        """
        self._undoes = number
        self._spare = {number}
        if again is None or not self._has_project():
            return
        folder = folder_of(str(self._root))
        path = f"{folder}/{again.number}"
        try:
            with open(path, "rb") as file:
                whole = file.read().rpartition(b"\n")[0] + b"\n"
            fsio.write_atomic(path, whole)
            self._fd, self._begun, self._changed = fsio.open_append(path), True, True
        except (OSError, DiskError) as error:
            self._give_up(error)
            return
        self.number = again.number
        self._last = {
            change.path: change.now[-1]
            for change in again.changes
            if isinstance(change, oplog.FileChange)
        }
        with contextlib.suppress(FileNotFoundError):
            kept = os.listdir(f"{folder}/{again.number}.kept")
            self._places = max((int(name) + 1 for name in kept if name.isdigit()), default=0)

    # -- the entry ----

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Closes the entry. One that was interrupted stays open: it may be half done."""
        if self._fd < 0:
            return
        if not self._changed:
            self._drop()
            return
        if kind is None or issubclass(kind, (PannierError, OSError)):
            self._end("done" if kind is None else "failed")
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _append(self, line: bytes, *, flush: bool = False, is_change: bool = True) -> None:
        """Writes one change. The first one is flushed, so that a power loss leaves an entry before
        it leaves a change; the others when the command is done, or when bytes depend on it.
        """
        if not self._begin():
            return
        try:
            fsio.write_all(self._fd, line, self._path)
            self._unflushed += 1
            self._changed |= is_change
            if flush or (is_change and not self._begun):
                self._flush()
        except OSError as error:
            self._give_up(error)

    def _drop(self) -> None:
        """A command that changed nothing leaves no entry."""
        os.close(self._fd)
        self._fd = -1
        with contextlib.suppress(OSError):
            fsio.unlink(self._path)

    def _flush(self) -> None:
        fsio.sync_fd(self._fd, self._path)
        self._unflushed, self._begun = 0, True

    def _end(self, ended: str) -> None:
        """The last line is not flushed: without it the entry says no less."""
        try:
            if self._unflushed:
                self._flush()
            fsio.write_all(self._fd, oplog.end_line(ended), self._path)
        except OSError as error:
            self._give_up(error, failed=ended == "failed")

    @property
    def _path(self) -> str:
        return f"{folder_of(str(self._root))}/{self.number}"

    def _has_project(self) -> bool:
        if self._root is None and not self._off:
            try:
                self._root = find_root(self._start)
            except NotInProject:
                self._off = True
        return not self._off

    def _begin(self) -> bool:
        """Makes the entry, unless it is there; tells whether there is one."""
        if self._fd >= 0:
            return True
        if not self._has_project():
            return False
        days = self._days()
        if days == 0:
            self._off = True
            return False
        root = str(self._root)
        folder, link = folder_of(root), link_on_the_way(root)
        try:
            if link is not None:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), f"{root}/{link}")
            if not os.path.isdir(folder):
                fsio.make_dirs(folder)
                fsio.sync_dir(os.path.dirname(folder))
                fsio.sync_dir(f"{self._root}/.dvc/tmp")
            known = numbers_in(folder)
            prune(folder, known, days, self._spare)
            self.number = max(known, default=0) + 1
            while self._fd < 0:
                with contextlib.suppress(FileExistsError):
                    self._fd = fsio.create_new(self._path, 0o600)
                    break
                self.number += 1
            head = oplog.head_line(time.time(), self._argv, self._undoes)
            fsio.write_all(self._fd, head, self._path)
            fsio.sync_dir(folder)
        except (OSError, DiskError) as error:
            self._give_up(error)
            return False
        return True

    def _days(self) -> int:
        try:
            if self._settings is None:
                self._settings = load_settings(f"{self._root}/.dvc", check=False)
            days = self._settings.own_integer("undo_days")
        except ConfigError:  # it may be just what the command is to mend
            days = None
        return DAYS if days is None else days

    def _give_up(self, error: OSError | DiskError, *, failed: bool = False) -> None:
        """Nothing more is written. failed: the command ends with an error of its own anyway.

        Raises the error in an undo: it must not go on unseen.
        """
        if isinstance(error, OSError):
            error = fsio.disk_error(error, error.filename or folder_of(str(self._root)))
        self._off, self._failure = True, error
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            if not self._begun:
                with contextlib.suppress(OSError):
                    fsio.unlink(self._path)
        if self._undoes is not None and not failed:
            raise error
        self._warn(f"'undo' will not know what this command changes: {error}")


def prune(folder: str, known: dict[int, set[str]], days: int, spare: set[int]) -> None:
    """Removes what is too old, with what it kept; never the newest entry, whose number counts on.

    What was kept without an entry (both are made by one command, the entry first) goes, too.
    """
    limit = time.time() - days * 86400
    numbers = list(known)
    for at, number in enumerate(numbers[:-1]):
        if number in spare:
            continue
        names = known[number]
        if at >= len(numbers) - ENTRIES and str(number) in names:
            try:
                if os.lstat(f"{folder}/{number}").st_mtime >= limit:
                    continue
            except FileNotFoundError:
                pass
        if f"{number}.ended" in names:
            fsio.remove_if_there(f"{folder}/{number}.ended")
        if f"{number}.kept" in names:
            kept = f"{folder}/{number}.kept"
            with contextlib.suppress(OSError, RecursionError):  # whatever commands left there
                (fsio.unlink if os.path.islink(kept) else trees.remove_filled)(kept)
        if not _is_folder(f"{folder}/{number}"):
            fsio.remove_if_there(f"{folder}/{number}")


def _is_folder(path: str) -> bool:
    """A folder in the place of an entry is not ours: it stays."""
    return os.path.isdir(path) and not os.path.islink(path)


def _read(path: str) -> tuple[bytes | None, int | None]:
    try:
        return read_regular(path), stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return None, None


def _md5(data: bytes) -> str:
    return md5(data).hexdigest()


def _may_be_kept(path: str, text: bytes) -> bool:
    """False for settings that may hold a secret. path: root-relative."""
    if oplog.is_config(path):
        return surely_holds_no_secret(text)
    return not oplog.is_own_config(path) or own_surely_holds_no_secret(text)
