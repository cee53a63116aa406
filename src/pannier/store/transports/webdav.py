"""WebDAV: Nextcloud, ownCloud, Apache, and what else speaks it.

An upload goes to a name of its own and gets the right one by MOVE, when all of it arrived: not
every server takes back what a broken PUT left under a name.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from pannier.core.errors import NotThere, PannierError, TransportError
from pannier.store.remote_config import RemoteConfig
from pannier.store.transport import Entry, OnBytes
from pannier.store.transports import local_staging
from pannier.store.transports.bulk import Bulk
from pannier.store.transports.local_copies import is_bad
from pannier.store.transports.s3_bodies import Sink
from pannier.store.transports.web_bodies import BLOCK, receive, send
from pannier.store.transports.web_client import WebClient
from pannier.store.transports.web_errors import FolderGone, failed
from pannier.store.transports.web_options import read_webdav_options
from pannier.store.transports.webdav_folders import Folders

_WRITTEN = (200, 201, 204)


class WebdavTransport(Bulk):
    """See Transport."""

    jobs_default = 16

    def __init__(self, config: RemoteConfig) -> None:
        self._options = read_webdav_options(config)
        self.url = self._options.shown
        self._client = WebClient(self._options, "webdav")
        self.folders = Folders(self._client)

    def __repr__(self) -> str:
        return f"WebdavTransport({self.url!r})"

    def stat(self, key: str) -> Entry | None:
        if is_bad(key):
            return None
        found = self.folders.look(key)
        return None if found is None or found.is_folder else Entry(key, found.size_bytes)

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        folder, _, start = prefix.rpartition("/")
        if not folder or not is_bad(folder):
            yield from self._walk(folder, start)

    def _walk(self, folder: str, start: str) -> Iterator[Entry]:
        below = []
        cut = len(folder) + 1 if folder else 0
        for key, member in self.folders.members(folder):
            if not key[cut:].startswith(start):
                continue
            if not member.is_folder:
                yield Entry(key, member.size_bytes)
            elif not f"{key}/".startswith(local_staging.PREFIX):
                below.append(key)
        for key in below:
            yield from self._walk(key, "")

    def read(self, key: str) -> bytes:
        return self._client.call("GET", self._url(key), key)

    def write(self, key: str, data: bytes) -> None:
        url = self._url(key)
        staged = self.folders.staged()
        self._client.call("PUT", self.folders.url(staged), key, good=_WRITTEN, body=data)
        self._publish(staged, key, url)

    def delete(self, key: str) -> None:
        """Asks first: DELETE of a folder would take all that is in it."""
        if self.stat(key) is not None:
            with contextlib.suppress(NotThere):
                self._client.call("DELETE", self._url(key), key, good=_WRITTEN)

    def flush(self) -> None:
        """Nothing to do: the server said that it has the bytes, and there is no way to ask more."""

    def close(self) -> None:
        self.folders.close()
        self._client.close()

    # -- how ----

    def _begin(self) -> None:
        self._client.open()

    def _url(self, key: str) -> str:
        if is_bad(key):
            raise TransportError(f"{key!r} cannot be a name below '{self.url}'")
        return self.folders.url(key)

    def _upload(
        self, path: str, key: str, expected: str, stop: threading.Event, on_bytes: OnBytes
    ) -> tuple[str, int]:
        url = self._url(key)
        staged = self.folders.staged()
        at = self.folders.url(staged)
        try:
            md5, size = send(
                self._client, "PUT", at, key, (path, expected), _WRITTEN, stop, on_bytes
            )
        except FolderGone:
            self.folders.forget()
            raise
        if size > BLOCK:
            there = self.folders.look(staged)
            if there is None or there.size_bytes not in (size, None):
                raise TransportError(f"{self._options.server} did not keep all of '{key}'")
        self._publish(staged, key, url)
        return md5, size

    def _publish(self, staged: str, key: str, url: str) -> None:
        """Gives staged bytes their name, in one step at the server."""
        self.folders.make(key.rpartition("/")[0])
        headers = {"Destination": url, "Overwrite": "T"}
        try:
            self._client.call("MOVE", self.folders.url(staged), key, good=_WRITTEN, headers=headers)
        except FolderGone:
            self.folders.forget()
            raise

    def _download(self, key: str, sink: Sink, expected: str) -> tuple[str, int]:
        return receive(self._client, self._url(key), key, sink, expected)

    def _error(self, error: BaseException, key: str) -> PannierError:
        return failed(error, self._options)
