"""One big file on its way into a folder remote; after a kill it goes on.

The staged file of such an upload lies in a folder of its own, and a note on this machine says
which. What is there counts only as far as it is, byte by byte, the beginning of the file here.
"""

from __future__ import annotations

import contextlib
import os

from pannier.disk import continuing, copying, fsio
from pannier.disk.hashing import OnBytes
from pannier.store.notes import Note, open_note
from pannier.store.transports.local_staging import Staging

WORTH_A_NOTE = 24 << 20
"""Bytes; what is smaller is copied again after a kill."""


class BigCopy:
    """path: of the staged file, once `copy` was called. notes: the folder for notes, or ""."""

    def __init__(self, staging: Staging, notes: str, place: str, key: str) -> None:
        self._staging, self._notes, self._place, self._key = staging, notes, place, key
        self._note: Note | None = None
        self.path = ""

    def copy(self, source: str, expected: str, mode: int, on_bytes: OnBytes) -> copying.Copied:
        """See copying.copy_object."""
        size = _size_of(source)
        if size >= WORTH_A_NOTE:
            self._note = open_note(self._notes, self._place, self._key)
        if self._note is None:
            self.path = self._staging.new_path()
            return copying.copy_object(source, self.path, expected, mode, on_bytes)
        told = {"size": size, "md5": expected}
        head = self._note.head
        begun = str(head.get("staged", ""))
        same = {**head, "staged": ""} == {**told, "staged": ""} and self._staging.is_own(begun)
        if same and continuing.can_go_on(begun):
            self.path = begun
        else:
            if same:
                _discard(begun)
            self.path = self._staging.own_path()
            self._note.begin({**told, "staged": self.path})
        return continuing.copy_on(source, self.path, expected, mode, on_bytes)

    def end(self, *, keep: bool = False) -> None:
        """keep: what came is for the next run."""
        note, self._note = self._note, None
        if note is None:
            return
        with note:
            if not keep:
                note.drop()
                with contextlib.suppress(OSError):
                    fsio.rmdir(os.path.dirname(self.path))


def _discard(staged: str) -> None:
    """As far as it is there."""
    with contextlib.suppress(OSError):
        fsio.remove_if_there(staged)
        fsio.rmdir(os.path.dirname(staged))


def _size_of(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0  # that is told when it is opened
