"""Files on their way to Google Drive: small ones in one request, others in a session that goes on.

A session that broke off is asked what it has and goes on there, after a kill too; one that expired
begins anew. Until its last part arrives there is no file, and that part leaves only when the digest
of all is known to be right. Source: Google's description of the Drive API, "Upload file data".
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections.abc import Callable

from pannier.core.errors import CorruptObject, FileChanged, NotThere, PannierError, TransportError
from pannier.core.hashes import md5 as new_md5
from pannier.core.typed import Any
from pannier.disk import fsio
from pannier.store.notes import Note, open_note
from pannier.store.transport import OnBytes
from pannier.store.transports.gdrive_calls import DriveCalls
from pannier.store.transports.s3_bodies import md5_checked, open_source, read_whole
from pannier.store.transports.threads import Stopped

SMALL = 5 << 20
_CHUNK = 8 << 20
"""A multiple of 256 KiB, as Drive wants it."""

_SESSIONS = 3
_TRIES = 5
_UPLOAD = "/upload/drive/v3/files"
_TOLD = re.compile(r"bytes=0-(\d+)")
_GONE = (404, 410)
_FIELDS = "id,size,md5Checksum"


def put(calls: DriveCalls, ident: str | None, about: dict[str, Any], data: bytes, key: str) -> None:
    """A small file as a whole, in one request. ident: of a file whose bytes it replaces."""
    mark = f"pannier-{os.urandom(16).hex()}"
    head = json.dumps({} if ident else about)
    body = b"".join(
        [
            f"--{mark}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{head}\r\n".encode(),
            f"--{mark}\r\nContent-Type: application/octet-stream\r\n\r\n".encode(),
            data,
            f"\r\n--{mark}--\r\n".encode(),
        ]
    )
    made = calls.told(
        "PATCH" if ident else "POST",
        f"{_UPLOAD}/{ident}" if ident else _UPLOAD,
        key,
        headers={"Content-Type": f"multipart/related; boundary={mark}"},
        body=body,
        query=_query("multipart"),
    )
    _check(made, len(data), "", key)


def send(
    calls: DriveCalls,
    ident: str | None,
    about: dict[str, Any],
    source: tuple[str, str],
    key: str,
    stop: threading.Event,
    on_bytes: OnBytes,
) -> tuple[str, int]:
    """A file of any size, source: (path, expected md5 or ""). Returns (md5 hex, size).

    Of a big one that a killed run began only the rest travels, if its note is still there.
    """
    path, expected = source
    fd = open_source(path)
    try:
        size = os.fstat(fd).st_size
        if size <= SMALL:
            data = read_whole(fd, size, path)
            md5 = md5_checked(data, expected, path)
            put(calls, ident, about, data, key)
            on_bytes(size)
            return md5, size
        told = {"size": size, "md5": expected, "ident": ident, "about": about}
        note = open_note(calls.options.scratch, calls.options.shown, key) if size > _CHUNK else None
        with note or contextlib.nullcontext():
            return _send_big(_Upload(calls, told, key, note), fd, path, stop, on_bytes), size
    finally:
        os.close(fd)


def _send_big(upload: _Upload, fd: int, path: str, stop: threading.Event, on_bytes: OnBytes) -> str:
    furthest = 0

    def tell(at: int) -> None:
        nonlocal furthest
        if at > furthest:
            on_bytes(at - furthest)
            furthest = at

    for _ in range(_SESSIONS):
        session = upload.session(fd, path)
        furthest = max(furthest, session.at)
        md5 = session.send(fd, path, upload.expected, stop, tell)
        if md5:
            upload.done()
            return md5
        upload.begin_anew()
    error = TransportError(f"Google Drive forgets the upload of '{upload.key}' again and again")
    error.temporary = True
    raise error


class _Upload:
    """One big file, and the note of what was begun of it. told: what it is and where it goes."""

    def __init__(
        self, calls: DriveCalls, told: dict[str, Any], key: str, note: Note | None
    ) -> None:
        self._calls, self._told, self.key, self._note = calls, told, key, note
        self.expected = str(told["md5"])

    def session(self, fd: int, path: str) -> _Session:
        """The one that a killed run left, if it is alive and has what is to be sent; else new."""
        note = self._note
        if note is not None and note.head and {**note.head, "url": ""} == {**self._told, "url": ""}:
            url, sums = str(note.head["url"]), {row[0]: row[1] for row in note.rows}
            if url.startswith(f"{self._calls.options.server}/"):
                begun = _Session(self._calls, url, self._told["size"], self.key, note)
                if begun.go_on(fd, path, sums):
                    return begun
        url = self._begin()
        if note is not None:
            note.begin({**self._told, "url": url})
        return _Session(self._calls, url, self._told["size"], self.key, note)

    def begin_anew(self) -> None:
        if self._note is not None:
            self._note.head = {}

    def done(self) -> None:
        if self._note is not None:
            self._note.drop()

    def _begin(self) -> str:
        """The address of a new session."""
        calls, ident, about = self._calls, self._told["ident"], self._told["about"]
        with calls.ask(
            "PATCH" if ident else "POST",
            f"{_UPLOAD}/{ident}" if ident else _UPLOAD,
            self.key,
            headers={
                "Content-Type": "application/json; charset=UTF-8",
                "X-Upload-Content-Length": str(self._told["size"]),
                "X-Upload-Content-Type": "application/octet-stream",
            },
            body=json.dumps({} if ident else about).encode(),
            query=_query("resumable"),
        ) as answer:
            url = str(answer.headers.get("location", ""))
        if not url.startswith(f"{calls.options.server}/"):
            raise TransportError(f"{calls.options.server} does not answer as Drive does")
        return url


class _Session:
    """at: so many bytes are there. note: each chunk is noted before it leaves, with the digest of
    all bytes up to its end: what is there of it later is a part of these bytes."""

    def __init__(self, calls: DriveCalls, url: str, size: int, key: str, note: Note | None) -> None:
        self._calls, self._url, self._size, self._key = calls, url, size, key
        self._note = note
        self._hasher = new_md5()
        self.at = 0

    def go_on(self, fd: int, path: str, sums: dict[int, str]) -> bool:
        """False when the session is gone, or what it has is not the file's beginning."""
        try:
            status, found, _ = self._ask({"Content-Range": f"bytes */{self._size}"}, b"")
        except TransportError as error:
            if error.temporary:
                raise
            return False
        said = _TOLD.fullmatch(found)
        have = int(said[1]) + 1 if said else 0
        end = min((end for end in sums if end >= have), default=0)
        if status != 308 or have >= self._size or (have and not end):
            return False
        while self.at < have:
            data = _read(fd, min(_CHUNK, have - self.at), self.at, path)
            self._hasher.update(data)
            self.at += len(data)
        if have:
            hasher = self._hasher.copy()
            hasher.update(_read(fd, end - have, have, path))
            if hasher.hexdigest() != sums[end]:
                self._cancel()
                return False
        return True

    def send(
        self,
        fd: int,
        path: str,
        expected: str,
        stop: threading.Event,
        tell: Callable[[int], None],
    ) -> str:
        """The md5 of all, or "" when the session is gone. tell: how far it is."""
        hasher = self._hasher
        while self.at < self._size:
            if stop.is_set():
                if self._note is None:
                    self._cancel()
                raise Stopped
            chunk = _read(fd, min(_CHUNK, self._size - self.at), self.at, path)
            hasher.update(chunk)
            end = self.at + len(chunk)
            if end == self._size and expected and hasher.hexdigest() != expected:
                self._cancel()
                if self._note is not None:
                    self._note.drop()
                raise CorruptObject(expected, found=hasher.hexdigest(), where=f"'{path}'")
            if self._note is not None:
                self._note.add([end, hasher.hexdigest()])
            made = self._put(chunk, self.at)
            if made is None:
                return ""
            self.at = end
            tell(end)
        md5 = str(hasher.hexdigest())
        _check(made or {}, self._size, md5, self._key)
        return md5

    def _put(self, chunk: bytes, at: int) -> dict[str, Any] | None:
        """What Drive says of the file, {} while it is not complete, None for a dead session."""
        end, begun = at + len(chunk), at
        for attempt in range(_TRIES):
            headers = {"Content-Range": f"bytes {at}-{end - 1}/{self._size}"}
            try:
                status, found, data = self._ask(headers, chunk[at - begun :], 1)
            except TransportError as error:
                if not error.temporary or attempt == _TRIES - 1:
                    raise
                status, found, data = self._ask({"Content-Range": f"bytes */{self._size}"}, b"")
            if status in _GONE:
                return None
            if status in (200, 201):
                made: dict[str, Any] = json.loads(data)
                return made
            said = _TOLD.fullmatch(found)
            at = int(said[1]) + 1 if said else 0
            if at == end:
                return {}
            if not begun <= at < end:
                return None  # it has less than it said before, or more than was sent
        raise TransportError(f"Google Drive does not take '{self._key}' as a whole")

    def _ask(self, headers: dict[str, str], body: bytes, tries: int = 9) -> tuple[int, str, bytes]:
        good = (200, 201, 308, *_GONE)
        headers = {**headers, "Content-Length": str(len(body))}
        # After a failure the session is asked what it has, before anything is sent again.
        once = [body] if body else b""
        with self._calls.ask(
            "PUT", self._url, self._key, good=good, headers=headers, body=once, tries=tries
        ) as answer:
            data = b"".join(answer.iter_raw())
            return answer.status_code, answer.headers.get("range", ""), data

    def _cancel(self) -> None:
        try:
            with self._calls.ask("DELETE", self._url, good=(204, 499, *_GONE)):
                pass
        except (PannierError, NotThere):
            pass


def _read(fd: int, count: int, at: int, path: str) -> bytes:
    pieces = []
    try:
        while count and (piece := os.pread(fd, count, at)):
            pieces.append(piece)
            count, at = count - len(piece), at + len(piece)
    except OSError as error:
        fsio.fail(error, path)
    if count:
        raise FileChanged(path)
    return b"".join(pieces)


def _check(made: dict[str, Any], size: int, md5: str, key: str) -> None:
    """What Drive says that it has must be what was sent."""
    if str(made.get("size", size)) != str(size) or (md5 and made.get("md5Checksum", md5) != md5):
        raise TransportError(f"Google Drive did not keep all of '{key}'")


def _query(kind: str) -> dict[str, str]:
    return {"uploadType": kind, "fields": _FIELDS, "supportsAllDrives": "true"}
