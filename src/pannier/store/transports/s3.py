"""S3 and what speaks like it (Backblaze B2, Ceph, Swift, MinIO, ...): data through obstore.

Every body is signed with its SHA-256, so the server refuses what was changed on the way.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from pannier.core.errors import NotThere, PannierError
from pannier.store.remote_config import RemoteConfig
from pannier.store.transport import Entry, Facts, OnBytes
from pannier.store.transports.object_store import ObjectTransport
from pannier.store.transports.s3_client import Connection, connect
from pannier.store.transports.s3_config import read_options
from pannier.store.transports.s3_credentials import explain_answer, make_client
from pannier.store.transports.s3_errors import explain, not_s3
from pannier.store.transports.s3_listing import OddListing
from pannier.store.transports.s3_odd_keys import OddKeys, is_odd
from pannier.store.transports.threads import interruptibly

R = TypeVar("R")


class S3Transport(ObjectTransport):
    """See Transport."""

    def __init__(self, config: RemoteConfig) -> None:
        self._options = read_options(config)
        super().__init__(config.url, self._options.bucket, self._options.prefix)
        self._odd: OddKeys | None = None
        self._swept = False
        self.stale_after = timedelta(days=1)

    # -- keys that obstore takes, and those that it does not ----

    def stat(self, key: str) -> Entry | None:
        full = self._prefix + key
        if not is_odd(full):
            return super().stat(key)
        try:
            return Entry(key, self._call_odd(key, lambda odd: odd.size_of(full)))
        except NotThere:
            return None

    def facts(self, key: str) -> Facts | None:
        """See Telling."""
        if not is_odd(self._prefix + key):
            return super().facts(key)
        entry = self.stat(key)
        return None if entry is None else Facts(entry.size_bytes)

    def read(self, key: str) -> bytes:
        full = self._prefix + key
        if not is_odd(full):
            return super().read(key)
        return self._call_odd(key, lambda odd: odd.read(full))

    def read_range(self, key: str, start: int, end: int) -> bytes:
        full = self._prefix + key
        if not is_odd(full):
            return super().read_range(key, start, end)
        return self._call_odd(key, lambda odd: odd.read_range(full, start, end))

    def write(self, key: str, data: bytes) -> None:
        full = self._prefix + key
        if is_odd(full) or self._options.access:
            md5 = hashlib.md5(data, usedforsecurity=False).digest()
            self._call_odd(key, lambda odd: odd.write(full, data, md5))
        else:
            super().write(key, data)

    def delete(self, key: str) -> None:
        full = self._prefix + key
        if not is_odd(full):
            super().delete(key)
            return
        with contextlib.suppress(NotThere):
            self._call_odd(key, lambda odd: odd.delete(full))

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        full = self._prefix + prefix
        after = self._prefix + start_after if start_after else ""
        cut = len(self._prefix)
        try:
            for path, size in self._listed(full, after):
                after = path
                yield Entry(path[cut:], size)
            return
        except OddListing:
            pass  # obstore gives up at such a key: go on after the last one it told
        try:
            for path, size in self._odd_keys().listed(full, after):
                yield Entry(path[cut:], size)
        except Exception as error:
            raise explain_answer(error, self._open().place, "") from None

    def _upload(
        self, path: str, key: str, expected: str, stop: threading.Event, on_bytes: OnBytes
    ) -> tuple[str, int]:
        full = self._prefix + key
        if is_odd(full) or self._options.access:
            done = self._call_odd(key, lambda odd: odd.upload(full, path, expected))
            on_bytes(done[1])
            return done
        return super()._upload(path, key, expected, stop, on_bytes)

    def _download(
        self, key: str, path: str, expected: str, stop: threading.Event, on_bytes: OnBytes
    ) -> tuple[str, int]:
        full = self._prefix + key
        if is_odd(full):
            return self._call_odd(
                key, lambda odd: odd.download(full, path, expected, stop, on_bytes)
            )
        return super()._download(key, path, expected, stop, on_bytes)

    def close(self) -> None:
        super().close()
        with self._lock:
            self._odd = None

    # -- how ----

    def _connect(self) -> Connection:
        return connect(self._options, self.url)

    def _open(self) -> Connection:
        opened = super()._open()
        assert isinstance(opened, Connection)
        return opened

    def _call_odd(self, key: str, work: Callable[[OddKeys], R]) -> R:
        try:
            return interruptibly(lambda: work(self._odd_keys()))
        except PannierError:
            raise
        except Exception as error:
            raise explain_answer(error, self._open().place, key) from None

    def _odd_keys(self) -> OddKeys:
        at = self._open()
        with self._lock:
            if self._odd is None:
                self._odd = OddKeys(make_client(at.settings), self._options)
            return self._odd

    def _error(self, error: BaseException, key: str) -> PannierError:
        at = self._open()
        if at.credentials is not None and at.credentials.failure is not None:
            return at.credentials.failure
        return explain(error, at.place, key)

    def _no_server(self) -> PannierError:
        return not_s3(self._open().place)

    def _before_parts(self) -> None:
        self._abort_stale()

    def _abort_stale(self) -> None:
        """Before the first big upload: gives up those that a killed push left a day ago or more.

        Not every server can list them, and not every key may: then they stay.
        """
        with self._lock:
            if self._swept:
                return
            self._swept = True
        with contextlib.suppress(Exception):
            self._odd_keys().abort_stale(self._prefix, datetime.now(UTC) - self.stale_after)
