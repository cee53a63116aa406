"""Big uploads to object stores that go on after a kill: obstore forgets what it began.

The file is read from its beginning each time and hashed as a whole. A part that an earlier run
sent is left out only where it is proven to be these bytes. Where a server itself proves that, no
note is kept (azure_blocks). Elsewhere it has to list the part in the right size, and the note of
the earlier run to say that these bytes and no others were to be sent as this part. The note is
written before the part leaves, and holds SHA-256, which most processors have an instruction for.
An ETag would be an MD5 only where objects are not encrypted.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterator

from pannier.core.errors import CorruptObject, FileChanged, NotThere, TransportError
from pannier.core.record import dataclass
from pannier.core.typed import Any, Protocol
from pannier.disk import fsio
from pannier.store.notes import Note, open_note
from pannier.store.transport import OnBytes
from pannier.store.transports.threads import Stopped, Team

WORTH_CONTINUING = 24 << 20
"""Bytes; what is smaller is sent again after a kill."""

PART = 8 << 20
PARTS_MAX = 9_000  # the protocols' limits are 10,000 and, at Azure, 50,000
_AT_ONCE = 4

Sent = tuple[str, int, dict[str, Any]]
"""(MD5 hex, size in bytes, ETag and version as obstore tells them)."""


class CannotContinue(Exception):
    """Neither the server nor this machine keeps what a later run needs: the usual way, then."""


@dataclass(frozen=True, slots=True)
class BigFile:
    """One open file on its way. full: its key, with the URL's prefix. expected: MD5 hex or ""."""

    fd: int
    path: str
    full: str
    size: int
    expected: str
    stop: threading.Event
    on_bytes: OnBytes

    def part_size(self, least: int, parts_max: int) -> int:
        return max(least, -(-self.size // parts_max))


class Parted(Protocol):
    """One object that comes in parts, and what its server is asked. place: which object it is.

    Raises the errors of the transport contract: NotThere where the server knows no such upload.
    """

    @property
    def place(self) -> dict[str, str]: ...

    def begin(self) -> str:
        """The id of a new upload."""
        ...

    def listed(self, upload: str) -> dict[int, tuple[str, int]]:
        """Number -> (ETag, size) of the parts at the server."""
        ...

    def put(self, upload: str, number: int, data: bytes, sha256: str) -> str:
        """Returns the part's ETag. sha256: of data, in hex."""
        ...

    def complete(self, upload: str, parts: list[tuple[int, str]]) -> dict[str, Any]:
        """Makes the object of parts (number, ETag). Returns its ETag and version, as of Sent."""
        ...

    def give_up(self, upload: str) -> None: ...


@contextlib.contextmanager
def noted(scratch: str, place: str, full: str) -> Iterator[Note]:
    """The note of an upload. Raises CannotContinue where there can be none. One that says nothing
    in the end does not stay."""
    note = open_note(scratch, place, full)
    if note is None:
        raise CannotContinue
    with note:
        try:
            yield note
        finally:
            if not note.head:
                note.drop()


class PartsUpload:
    """One big file in parts that a note tells of.

    Raises CannotContinue, what the server's side raises, CorruptObject, FileChanged, Stopped. Only
    for the two before the last the upload is given up; else the next call goes on.
    """

    def __init__(self, parted: Parted, note: Note) -> None:
        self._parted, self._note = parted, note

    def send(self, file: BigFile) -> Sent:
        part_size = file.part_size(PART, PARTS_MAX)
        before = self._go_on(file, part_size)
        upload = self._note.head["upload"]
        done: dict[int, str] = {}

        def is_there(number: int, data: bytes) -> bool:
            etag, noted = before.get(number, ("", set()))
            if not noted or noted != {hashlib.sha256(data).hexdigest()}:
                return False
            done[number] = etag
            return True

        def send_one(number: int, data: bytes) -> None:
            sha256 = hashlib.sha256(data).hexdigest()
            self._note.add([number, sha256])
            done[number] = self._parted.put(upload, number, data, sha256)

        try:
            md5 = send_parts(file, part_size, is_there, send_one)
            told = self._parted.complete(upload, sorted(done.items()))
        except (CorruptObject, FileChanged):
            self._note.drop()
            self._parted.give_up(upload)
            raise
        except NotThere:
            # Somebody gave it up meanwhile, or it was completed and the answer got lost.
            self._note.drop()
            error = TransportError(f"the server gave up the upload of '{file.full}' meanwhile")
            error.temporary = True
            raise error from None
        self._note.drop()
        return md5, file.size, told

    def _go_on(self, file: BigFile, part_size: int) -> dict[int, tuple[str, set[str]]]:
        """Number -> (ETag, SHA-256 as noted) of what is there. The note has an upload after it."""
        told = {"size": file.size, "part": part_size, "md5": file.expected, **self._parted.place}
        head = self._note.head
        if head and {**head, "upload": ""} == {**told, "upload": ""}:
            there = self._there(str(head["upload"]))
            if there is not None:
                noted: dict[int, set[str]] = {}
                for row in self._note.rows:
                    if len(row) == 2:
                        noted.setdefault(row[0], set()).add(row[1])
                return {
                    number: (etag, noted.get(number, set()))
                    for number, (etag, count) in there.items()
                    if count == min(part_size, file.size - (number - 1) * part_size)
                }
        try:
            upload = self._parted.begin()
        except TransportError as error:
            if error.temporary:
                raise
            raise CannotContinue from None  # and the note keeps what it had
        self._note.begin({**told, "upload": upload})
        return {}

    def _there(self, upload: str) -> dict[int, tuple[str, int]] | None:
        """None where the server knows no such upload, or does not list its parts to who asks:
        the right to do so is one that not all who may send have."""
        try:
            return self._parted.listed(upload)
        except TransportError as error:
            if error.temporary:
                raise
            return None


def send_parts(
    file: BigFile,
    part_size: int,
    is_there: Callable[[int, bytes], bool],
    send: Callable[[int, bytes], None],
) -> str:
    """Reads a file once, in parts from number 1 on, and sends those that are not there, several
    at a time. Returns the MD5 hex of all of it. Raises CorruptObject, FileChanged, Stopped."""
    hasher = hashlib.md5(usedforsecurity=False)
    total = 0

    def missing() -> Iterator[tuple[int, bytes]]:
        nonlocal total
        for number, data in enumerate(_parts_of(file, part_size), 1):
            if file.stop.is_set():
                raise Stopped
            hasher.update(data)
            total += len(data)
            if not is_there(number, data):
                yield number, data

    def send_one(part: tuple[int, bytes]) -> None:
        send(*part)
        file.on_bytes(len(part[1]))

    team: Team[tuple[int, bytes], None] = Team(send_one, _AT_ONCE)
    for _ in team.map(missing()):
        pass
    md5 = hasher.hexdigest()
    if total != file.size:
        raise FileChanged(file.path)
    if file.expected and md5 != file.expected:
        raise CorruptObject(file.expected, found=md5, where=f"'{file.path}'")
    return md5


def _parts_of(file: BigFile, part_size: int) -> Iterator[bytes]:
    """An open file in parts, all of the same size but the last."""
    offset = 0
    while True:
        pieces, missing = [], part_size
        try:
            while missing and (piece := os.pread(file.fd, missing, offset)):
                pieces.append(piece)
                missing -= len(piece)
                offset += len(piece)
        except OSError as error:
            fsio.fail(error, file.path)
        if not pieces:
            return
        yield pieces[0] if len(pieces) == 1 else b"".join(pieces)
