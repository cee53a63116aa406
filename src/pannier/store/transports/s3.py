"""S3 and what speaks like it (Backblaze B2, Ceph, Swift, MinIO, ...): data through obstore.

Every body is signed with its SHA-256, so the server refuses what was changed on the way.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

from pannier.core.errors import NotThere, PannierError, TransportError, Unreachable
from pannier.core.typed import Any
from pannier.store.remote_config import RemoteConfig
from pannier.store.transport import Entry, Facts, Moved, OnBytes, Version, split_version
from pannier.store.transports.object_store import ObjectTransport, checksum_of
from pannier.store.transports.s3_bodies import Sink
from pannier.store.transports.s3_client import Connection, connect
from pannier.store.transports.s3_config import read_options
from pannier.store.transports.s3_credentials import Signed, explain_answer, make_client
from pannier.store.transports.s3_errors import explain, not_s3
from pannier.store.transports.s3_listing import OddListing
from pannier.store.transports.s3_odd_keys import OddKeys, is_odd
from pannier.store.transports.s3_parts import S3Asker
from pannier.store.transports.threads import interruptibly
from pannier.store.transports.xml_parts import XmlParts, give_up_stale

R = TypeVar("R")


def _facts(size: int, answer: dict[str, Any]) -> Facts:
    """Facts of what botocore uploaded."""
    return Facts(size, checksum_of(answer.get("ETag")), answer.get("VersionId"))


class S3Transport(ObjectTransport):
    """See Transport."""

    def __init__(self, config: RemoteConfig) -> None:
        self._options = read_options(config)
        super().__init__(config.url, self._options.bucket, self._options.prefix)
        self.scratch = config.scratch
        self._odd: OddKeys | None = None
        self._signed: Signed | None = None

    # -- keys that obstore takes, and those that it does not ----

    def stat(self, key: str) -> Entry | None:
        bare, version = split_version(key)
        full = self._prefix + bare
        if not is_odd(full):
            return super().stat(key)
        try:
            return Entry(key, self._call_odd(bare, lambda odd: odd.size_of(full, version)))
        except NotThere:
            return None

    def facts(self, key: str) -> Facts | None:
        """See Telling."""
        if not is_odd(self._prefix + key):
            return super().facts(key)
        entry = self.stat(key)
        return None if entry is None else Facts(entry.size_bytes)

    def read(self, key: str) -> bytes:
        bare, version = split_version(key)
        full = self._prefix + bare
        if not is_odd(full):
            return super().read(key)
        return self._call_odd(bare, lambda odd: odd.read(full, version))

    def read_range(self, key: str, start: int, end: int) -> bytes:
        bare, version = split_version(key)
        full = self._prefix + bare
        if not is_odd(full):
            return super().read_range(key, start, end)
        return self._call_odd(bare, lambda odd: odd.read_range(full, start, end, version))

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
            for path, size, etag in self._listed(full, after):
                after = path
                yield Entry(path[cut:], size, checksum_of(etag))
            return
        except OddListing:
            pass  # obstore gives up at such a key: go on after the last one it told
        try:
            for path, size, etag in self._odd_keys().listed(full, after):
                yield Entry(path[cut:], size, checksum_of(etag))
        except Exception as error:
            raise explain_answer(error, self._open().place, "") from None

    def _upload(
        self, path: str, key: str, expected: str, stop: threading.Event, on_bytes: OnBytes
    ) -> Moved:
        full = self._prefix + key
        if is_odd(full) or self._options.access:
            md5, size, answer = self._call_odd(key, lambda odd: odd.upload(full, path, expected))
            on_bytes(size)
            return md5, size, _facts(size, answer)
        return super()._upload(path, key, expected, stop, on_bytes)

    def _parted(self, full: str) -> XmlParts:
        return XmlParts(self._asker(), full)

    def _download(self, key: str, sink: Sink, expected: str) -> tuple[str, int]:
        bare, version = split_version(key)
        full = self._prefix + bare
        if is_odd(full):
            return self._call_odd(bare, lambda odd: odd.download(full, sink, expected, version))
        return super()._download(key, sink, expected)

    # -- versions ----

    def keeps_versions(self) -> bool | None:
        """See Versioning."""
        try:
            return self._call_odd("", lambda odd: odd.keeps_versions())
        except Unreachable:
            raise
        except TransportError:
            return None

    def versions(self, prefix: str) -> Iterator[Version]:
        """See Versioning."""
        cut = len(self._prefix)
        try:
            for key, size, etag, id_, latest in self._odd_keys().versions(self._prefix + prefix):
                yield Version(key[cut:], Facts(size, checksum_of(etag), id_), latest)
        except Exception as error:
            raise explain_answer(error, self._open().place, "") from None

    def close(self) -> None:
        super().close()
        with self._lock:
            self._odd, signed, self._signed = None, self._signed, None
        if signed is not None:
            signed.close()

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

    def give_up_uploads(self) -> int:
        """See Abandoning."""
        before = datetime.now(UTC) - self.stale_after
        return give_up_stale(self._asker(), self._prefix, before)

    def _asker(self) -> S3Asker:
        at = self._open()
        with self._lock:
            if self._signed is None:
                keys = at.credentials.keys if at.credentials is not None else None
                self._signed = Signed(at.settings, keys)
            return S3Asker(self._signed, at.settings, at.place, self._prefix)
