"""Big uploads to S3 and Google that go on after a kill: obstore forgets what it began.

The file is read from its beginning each time and hashed as a whole. A part that an earlier run
sent is left out only if the server lists it in the right size, and the note of that run says that
these bytes and no others were to be sent as this part. The note is written before the part leaves,
and holds SHA-256, which most processors have an instruction for; S3's requests are signed with it,
so no server takes a damaged part. An ETag would be an MD5 only where objects are not encrypted.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator

from pannier.core.errors import CorruptObject, FileChanged
from pannier.core.typed import Any, Protocol
from pannier.disk import fsio
from pannier.store.notes import Note
from pannier.store.transport import OnBytes
from pannier.store.transports.threads import Stopped, Team

PART = 8 << 20
PARTS_MAX = 9_000  # the protocol's limit is 10,000
_AT_ONCE = 4


class Parted(Protocol):
    """One object that comes in parts, and what its server is asked. place: which object it is."""

    @property
    def place(self) -> dict[str, str]: ...

    def begin(self) -> str:
        """The id of a new upload."""
        ...

    def listed(self, upload: str) -> dict[int, tuple[str, int]] | None:
        """Number -> (ETag, size) of the parts at the server; None when it knows no such upload, or
        does not list them."""
        ...

    def put(self, upload: str, number: int, data: bytes) -> str:
        """Returns the part's ETag."""
        ...

    def complete(self, upload: str, parts: list[tuple[int, str]]) -> dict[str, Any]:
        """Makes the object of parts (number, ETag). Returns what the server told of it."""
        ...

    def give_up(self, upload: str) -> None: ...


class S3Parts:
    """See Parted. client: botocore's. extra, customer: of how the object is to be kept."""

    def __init__(
        self, client: Any, at: dict[str, str], extra: dict[str, Any], customer: dict[str, Any]
    ) -> None:
        self._client, self._extra, self._customer = client, extra, customer
        self.place = at

    def begin(self) -> str:
        given = {**self.place, **self._extra, **self._customer}
        return str(self._client.create_multipart_upload(**given)["UploadId"])

    def listed(self, upload: str) -> dict[int, tuple[str, int]] | None:
        pages = self._client.get_paginator("list_parts")
        try:
            return {
                part["PartNumber"]: (part["ETag"], part["Size"])
                for page in pages.paginate(**self.place, UploadId=upload)
                for part in page.get("Parts", ())
            }
        except Exception as error:
            if getattr(error, "response", None) is None:
                raise
            return None

    def put(self, upload: str, number: int, data: bytes) -> str:
        answer = self._client.upload_part(
            **self.place, UploadId=upload, PartNumber=number, Body=data, **self._customer
        )
        return str(answer["ETag"])

    def complete(self, upload: str, parts: list[tuple[int, str]]) -> dict[str, Any]:
        rows = [{"PartNumber": number, "ETag": etag} for number, etag in parts]
        answer: dict[str, Any] = self._client.complete_multipart_upload(
            **self.place, UploadId=upload, MultipartUpload={"Parts": rows}, **self._customer
        )
        return answer

    def give_up(self, upload: str) -> None:
        self._client.abort_multipart_upload(**self.place, UploadId=upload)


class PartsUpload:
    """One big file.

    Raises what the server's side raises, CorruptObject, FileChanged, Stopped. Only for the two in
    the middle the upload is given up; else the next call goes on.
    """

    def __init__(self, parted: Parted, note: Note) -> None:
        self._parted, self._note = parted, note

    def send(
        self, fd: int, path: str, expected: str, stop: threading.Event, on_bytes: OnBytes
    ) -> tuple[str, int, dict[str, Any]]:
        """Returns (md5 hex, size in bytes, the server's last answer)."""
        size = os.fstat(fd).st_size
        part_size = max(PART, -(-size // PARTS_MAX))
        before = self._go_on(size, part_size, expected)
        upload = self._note.head["upload"]
        done: dict[int, str] = {}
        hasher = hashlib.md5(usedforsecurity=False)
        total = 0

        def missing() -> Iterator[tuple[int, bytes]]:
            nonlocal total
            for number, data in enumerate(parts_of(fd, path, part_size), 1):
                if stop.is_set():
                    raise Stopped
                hasher.update(data)
                total += len(data)
                etag, noted = before.get(number, ("", set()))
                if noted and noted == {hashlib.sha256(data).hexdigest()}:
                    done[number] = etag
                else:
                    yield number, data

        def send_one(part: tuple[int, bytes]) -> None:
            number, data = part
            self._note.add([number, hashlib.sha256(data).hexdigest()])
            done[number] = self._parted.put(upload, number, data)
            on_bytes(len(data))

        team: Team[tuple[int, bytes], None] = Team(send_one, _AT_ONCE)
        for _ in team.map(missing()):
            pass
        md5 = hasher.hexdigest()
        if total != size or (expected and md5 != expected):
            self._give_up()
            if total != size:
                raise FileChanged(path)
            raise CorruptObject(expected, found=md5, where=f"'{path}'")
        answer = self._parted.complete(upload, sorted(done.items()))
        self._note.drop()
        return md5, size, answer

    def _go_on(self, size: int, part_size: int, expected: str) -> dict[int, tuple[str, set[str]]]:
        """Number -> (ETag, SHA-256 as noted) of what is there. The note has an upload after it."""
        told = {"size": size, "part": part_size, "md5": expected, **self._parted.place}
        head = self._note.head
        if head and {**head, "upload": ""} == {**told, "upload": ""}:
            there = self._parted.listed(str(head["upload"]))
            if there is not None:
                noted: dict[int, set[str]] = {}
                for row in self._note.rows:
                    if len(row) == 2:
                        noted.setdefault(row[0], set()).add(row[1])
                return {
                    number: (etag, noted.get(number, set()))
                    for number, (etag, count) in there.items()
                    if count == min(part_size, size - (number - 1) * part_size)
                }
        self._note.begin({**told, "upload": self._parted.begin()})
        return {}

    def _give_up(self) -> None:
        upload = self._note.head["upload"]
        self._note.drop()
        self._parted.give_up(upload)


def parts_of(fd: int, path: str, part_size: int) -> Iterator[bytes]:
    """An open file in parts, all of the same size but the last."""
    offset = 0
    while True:
        pieces, missing = [], part_size
        try:
            while missing and (piece := os.pread(fd, missing, offset)):
                pieces.append(piece)
                missing -= len(piece)
                offset += len(piece)
        except OSError as error:
            fsio.fail(error, path)
        if not pieces:
            return
        yield pieces[0] if len(pieces) == 1 else b"".join(pieces)
