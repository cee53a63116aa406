"""Bodies to and from a web server: a file on its way out, an answer on its way into a file."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterator

from pannier.core.errors import CorruptObject, FileChanged, TransportError, Unreachable
from pannier.core.typed import Any
from pannier.disk import fsio
from pannier.store.transport import OnBytes
from pannier.store.transports.s3_bodies import Sink, md5_checked, open_source, read_whole
from pannier.store.transports.threads import Stopped
from pannier.store.transports.web_client import WebClient

BLOCK = 1 << 20
_RESUMES_MAX = 20
_BEYOND = 416
"""What a server says of a range that begins behind the end."""

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class Outgoing:
    """An open file as a body that can be sent anew. After the last block md5 is known.

    The last block is held back until the digest is known to be the expected one: else the request
    ends without it, and what a server took is no object. Raises CorruptObject, FileChanged.
    """

    def __init__(
        self,
        fd: int,
        path: str,
        size: int,
        expected: str,
        stop: threading.Event,
        on_bytes: OnBytes,
    ) -> None:
        self.md5 = ""
        self._fd, self._path, self._size = fd, path, size
        self._expected, self._stop, self._on_bytes = expected, stop, on_bytes
        self._told = 0

    def __iter__(self) -> Iterator[bytes]:
        hasher = hashlib.md5(usedforsecurity=False)
        at, held = 0, b""
        while block := self._read(at):
            if self._stop.is_set():
                raise Stopped
            if held:
                yield from self._out(held, at)
            hasher.update(block)
            at += len(block)
            held = block
        if at != self._size:
            raise FileChanged(self._path)
        found = hasher.hexdigest()
        if self._expected and found != self._expected:
            raise CorruptObject(self._expected, found=found, where=f"'{self._path}'")
        self.md5 = found
        yield from self._out(held, at)

    def _read(self, at: int) -> bytes:
        try:
            return os.pread(self._fd, BLOCK, at)
        except OSError as error:
            fsio.fail(error, self._path)

    def _out(self, block: bytes, end: int) -> Iterator[bytes]:
        """What is sent a second time is told once."""
        yield block
        if end > self._told:
            self._on_bytes(end - self._told)
            self._told = end


def send(
    client: WebClient,
    method: str,
    url: str,
    key: str,
    source: tuple[str, str],
    good: tuple[int, ...],
    stop: threading.Event,
    on_bytes: OnBytes,
) -> tuple[str, int]:
    """Sends a file, source: (path, expected md5 or ""). Returns (md5 hex, size)."""
    path, expected = source
    fd = open_source(path)
    try:
        size = os.fstat(fd).st_size
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        client.prove()
        if size <= BLOCK:
            data = read_whole(fd, size, path)
            md5 = md5_checked(data, expected, path)
            client.call(method, url, key, good=good, headers=headers, body=data)
            on_bytes(size)
            return md5, size
        body = Outgoing(fd, path, size, expected, stop, on_bytes)
        client.call(method, url, key, good=good, headers=headers, body=body)
        return body.md5, size
    finally:
        os.close(fd)


def receive(client: WebClient, url: str, key: str, sink: Sink, expected: str) -> tuple[str, int]:
    """Fetches what a sink does not hold yet. Returns (md5 hex, size).

    A body that breaks off is asked for from there on, if the server can and it is still the same.
    """
    incoming = _Incoming(client, url, key, sink)
    for block in incoming.blocks():
        sink.add(block)
    total = sink.size if incoming.total is None else incoming.total
    return sink.finish(total, expected, f"'{client.options.shown}/{key}'")


class _Incoming:
    """total: what the server said there is, if it did."""

    def __init__(self, client: WebClient, url: str, key: str, sink: Sink) -> None:
        self._client, self._url, self._key, self._sink = client, url, key, sink
        self.total: int | None = None
        self._etag = ""
        self._ranges = bool(sink.size)
        self._begun = False

    def blocks(self) -> Iterator[Any]:
        for _ in range(_RESUMES_MAX):
            begun = self._sink.size
            try:
                yield from self._some()
                return
            except Unreachable:
                if not self._ranges or self._sink.size == begun:
                    raise
        raise Unreachable(
            f"the connection to {self._client.options.server} breaks off again and again"
        )

    def _some(self) -> Iterator[Any]:
        at = self._sink.size
        headers = {"Range": f"bytes={at}-"} if at else {}
        if at and self._begun:
            headers["If-Range"] = self._etag
        good = (200, 206) if self._begun else (200, 206, _BEYOND)
        with self._client.ask("GET", self._url, self._key, good=good, headers=headers) as answer:
            beyond = answer.status_code == _BEYOND
            if not beyond:
                self._begin(answer, at)
                yield from answer.iter_raw()  # unbuffered: what came counts when it breaks off
        if beyond:  # what was kept from an earlier run is longer than what is there
            self._sink.restart()
            yield from self._some()

    def _begin(self, answer: Any, at: int) -> None:
        """Looks at what an answer is the beginning, or the rest, of."""
        said = _RANGE.fullmatch(answer.headers.get("content-range", ""))
        rest = answer.status_code == 206 and said is not None
        if self._begun and at:
            if not (rest and said and self._is_rest(said, at) and int(said[3]) == self.total):
                raise self._changed()
            return
        if rest and said:
            if not self._is_rest(said, at):
                raise self._changed()
            self.total = int(said[3])
        elif answer.status_code == 206:
            raise self._changed()
        else:
            if at:
                self._sink.restart()
            length = answer.headers.get("content-length", "")
            self.total = int(length) if length.isdigit() else None
        etag = answer.headers.get("etag", "")
        self._etag = etag if etag.startswith('"') else ""
        takes = rest or answer.headers.get("accept-ranges") == "bytes"
        self._ranges = bool(self.total and self._etag) and takes
        self._begun = True

    @staticmethod
    def _is_rest(said: re.Match[str], at: int) -> bool:
        return int(said[1]) == at and int(said[2]) + 1 == int(said[3])

    def _changed(self) -> TransportError:
        error = TransportError(f"'{self._key}' changed while it was read")
        error.temporary = True
        return error
