"""What was sent of an upload that is not finished: notes for who goes on after a kill.

One small file for each upload, in a folder of this machine: its first line says what the upload is
(a JSON object), each further one what arrived (a JSON list). A note is a hint and no proof: whoever
goes on compares it with the server and with the bytes that are to be sent. It is flushed never,
locked while in use, and may be lost or cut anywhere.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time

from pannier.core.errors import DiskError
from pannier.core.hashes import md5
from pannier.core.typed import Any
from pannier.disk import fsio

_SIZE_MAX = 8 << 20
_OLD_S = 24 * 3600


class Note:
    """Of one upload; locked. head: {} when nothing was noted. For several threads."""

    def __init__(self, path: str, fd: int) -> None:
        self._path, self._fd = path, fd
        self._lock = threading.Lock()
        self.head, self.rows = self._read()

    def __enter__(self) -> Note:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def begin(self, head: dict[str, Any]) -> None:
        """Forgets what was noted, and starts anew."""
        fsio.empty_fd(self._fd, self._path)
        self.head, self.rows = head, []
        self._add(head)

    def add(self, row: list[Any]) -> None:
        self._add(row)

    def drop(self) -> None:
        """The upload is finished, or given up."""
        with contextlib.suppress(OSError):
            fsio.unlink(self._path)

    def _add(self, line: object) -> None:
        data = json.dumps(line).encode() + b"\n"
        with self._lock, contextlib.suppress(OSError):  # it is no more than a note
            fsio.write_all(self._fd, data, self._path)

    def _read(self) -> tuple[dict[str, Any], list[list[Any]]]:
        """Leaves the file's place behind the last whole line."""
        lines = os.pread(self._fd, _SIZE_MAX, 0).split(b"\n")[:-1]
        head: dict[str, Any] = {}
        rows: list[list[Any]] = []
        good = 0
        for number, line in enumerate(lines):
            try:
                value = json.loads(line)
            except ValueError:
                break
            if number and isinstance(value, list):
                rows.append(value)
            elif not number and isinstance(value, dict):
                head = value
            else:
                break
            good += len(line) + 1
        os.lseek(self._fd, good, os.SEEK_SET)
        return head, rows


def open_note(folder: str, place: str, key: str) -> Note | None:
    """The note of the upload of one key to a place. None where there can be none, or while
    somebody else uploads the same."""
    if not folder:
        return None
    path = _path_of(folder, place, key)
    fd = -1
    sweep_notes(folder)
    try:
        fsio.make_dirs(folder)
        fd = fsio.open_again(path) if os.path.lexists(path) else fsio.create_new(path, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_nlink == 1:
            return Note(path, fd)
    except (OSError, DiskError):
        pass
    if fd >= 0:
        os.close(fd)
    return None


def is_noted(folder: str, place: str, key: str) -> bool:
    """Whether there is a note of that."""
    return bool(folder) and os.path.lexists(_path_of(folder, place, key))


def _path_of(folder: str, place: str, key: str) -> str:
    named = md5(f"{place} {key}".encode(errors="surrogateescape")).hexdigest()
    return f"{folder}/{named}"


def sweep_notes(folder: str) -> None:
    """Removes notes that nobody added to for a day: their uploads are given up by then."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if entry.stat(follow_symlinks=False).st_mtime < time.time() - _OLD_S:
                fsio.remove_if_there(entry.path)
