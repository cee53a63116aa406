"""HTTP(S): objects read from any web server, and written to one that takes PUT or POST.

There is no listing: each object is asked for. A server that has a page for every name, as log-in
portals do, is found out before its word on what exists is taken.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from urllib.parse import quote

from pannier.core.errors import AccessDenied, NotThere, PannierError, TransportError, Unlistable
from pannier.core.typed import Any
from pannier.store.remote_config import RemoteConfig
from pannier.store.transport import Entry, OnBytes
from pannier.store.transports.bulk import Bulk
from pannier.store.transports.local_copies import is_bad
from pannier.store.transports.s3_bodies import Sink
from pannier.store.transports.web_bodies import receive, send
from pannier.store.transports.web_client import WebClient
from pannier.store.transports.web_errors import failed, not_there_at_all, refusal
from pannier.store.transports.web_options import read_http_options

_WRITTEN = (200, 201, 202, 204)
_NO_HEAD = (405, 501)
_FORBIDDEN = 403
"""What Amazon's public buckets say of an object that does not exist; DVC takes it so, too."""

_ANY = range(200, 300)


class HttpTransport(Bulk):
    """See Transport; `list` raises Unlistable."""

    jobs_default = 16

    def __init__(self, config: RemoteConfig) -> None:
        self._options = read_http_options(config)
        self.url = self._options.shown
        self._client = WebClient(self._options, "http")
        self._lock = threading.Lock()
        self._knows_what_is_missing = False
        self._head = "HEAD"

    def __repr__(self) -> str:
        return f"HttpTransport({self.url!r})"

    def stat(self, key: str) -> Entry | None:
        if is_bad(key):
            return None
        try:
            size = self._size_of(key)
        except NotThere:
            return None
        self._check_server()
        return Entry(key, size)

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        raise Unlistable(
            f"'{self.url}' cannot say what it holds",
            hint="push, fetch, pull and status work there; what needs a list of it does not",
        )

    def read(self, key: str) -> bytes:
        return self._client.call("GET", self._url(key), key)

    def write(self, key: str, data: bytes) -> None:
        try:
            self._client.call(self._options.method, self._url(key), key, good=_WRITTEN, body=data)
        except NotThere:
            raise refusal(405, self._options.method, key, self._options) from None
        self._check_written(key, len(data))

    def delete(self, key: str) -> None:
        """Asks first: some servers would take a folder with all that is in it."""
        if self.stat(key) is not None:
            with contextlib.suppress(NotThere):
                self._client.call("DELETE", self._url(key), key, good=_WRITTEN)

    def flush(self) -> None:
        """Nothing to do: the server said that it has the bytes, and there is no way to ask more."""

    def close(self) -> None:
        self._client.close()

    # -- how ----

    def _begin(self) -> None:
        self._client.open()

    def _url(self, key: str) -> str:
        if is_bad(key):
            raise TransportError(f"{key!r} cannot be a name below '{self.url}'")
        return f"{self._options.base}/{quote(key)}"

    def _size_of(self, key: str) -> int | None:
        """Asks by HEAD, by GET where that is not allowed. Raises NotThere."""
        url = self._url(key)
        if self._head == "HEAD":
            good = (200, _FORBIDDEN, *_NO_HEAD)
            with self._client.ask("HEAD", url, key, good=good) as answer:
                if answer.status_code == 200:
                    return _length(answer)
                if answer.status_code == _FORBIDDEN:
                    raise NotThere(key)
            self._head = "GET"
        with self._client.ask("GET", url, key) as answer:
            return _length(answer)

    def _check_server(self) -> None:
        """Once: a name that nobody gave must not exist."""
        with self._lock:
            if self._knows_what_is_missing:
                return
            url = f"{self._options.base}/files/md5/00/{os.urandom(15).hex()}"
            there = False
            with (
                contextlib.suppress(NotThere, AccessDenied),
                self._client.ask(self._head, url, good=_ANY),
            ):
                there = True
            if there:
                raise not_there_at_all(self._options)
            self._knows_what_is_missing = True

    def _upload(
        self, path: str, key: str, expected: str, stop: threading.Event, on_bytes: OnBytes
    ) -> tuple[str, int]:
        method, source = self._options.method, (path, expected)
        try:
            md5, size = send(
                self._client, method, self._url(key), key, source, _WRITTEN, stop, on_bytes
            )
        except NotThere:  # what nginx says when it does not take the method
            raise refusal(405, method, key, self._options) from None
        self._check_written(key, size)
        return md5, size

    def _check_written(self, key: str, size: int) -> None:
        """Any page answers a POST with 200: only what is there afterwards counts."""
        there = self.stat(key)
        if there is None or there.size_bytes not in (size, None):
            raise TransportError(
                f"{self._options.server} took '{key}' by {self._options.method},"
                " but does not have it",
                hint=self._options.modify(
                    "method", "POST" if self._options.method == "PUT" else "PUT"
                ),
            )

    def _download(self, key: str, sink: Sink, expected: str) -> tuple[str, int]:
        return receive(self._client, self._url(key), key, sink, expected)

    def _error(self, error: BaseException, key: str) -> PannierError:
        return failed(error, self._options)


def _length(answer: Any) -> int | None:
    text = answer.headers.get("content-length", "")
    return int(text) if text.isdigit() else None
