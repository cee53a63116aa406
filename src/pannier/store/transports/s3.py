"""S3 and what speaks like it (Backblaze B2, Ceph, Swift, MinIO, ...): data through obstore.

Threads, not asyncio: a request costs a third less of the processor that way, and the processor is
what limits many small objects. Every body is signed with its SHA-256, so the server refuses what
was changed on the way. ETags are never read as digests: they are not (multipart, encryption).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pannier.core.errors import (
    AccessDenied,
    CorruptObject,
    NotThere,
    PannierError,
    TransportError,
)
from pannier.store.transport import Entry, Facts, OnBytes, RemoteConfig, Result
from pannier.store.transports.s3_bodies import Parts, Sink, md5_checked, open_source, read_whole
from pannier.store.transports.s3_client import Connection, connect
from pannier.store.transports.s3_config import read_options
from pannier.store.transports.s3_credentials import explain_answer, make_client
from pannier.store.transports.s3_errors import explain, not_s3
from pannier.store.transports.s3_listing import OddListing, listed
from pannier.store.transports.s3_odd_keys import OddKeys, is_odd
from pannier.store.transports.threads import Stopped, Team, interruptibly

R = TypeVar("R")

_BLOCK = 1 << 20
_PART = 8 << 20
_PARTS_MAX = 9_000  # the protocol's limit is 10,000
_PARTS_AT_ONCE = 6
_BIG_AT_ONCE = 3
"""Files of several parts under way at a time: with the parts above, some 200 MB of memory."""

_WHOLE_AT_ONCE = 8
"""Uploads of more than a block but not more than a part lie in memory: so many at a time."""

_RANGED_ABOVE = 64 << 20


class S3Transport:
    """See Transport."""

    def __init__(self, config: RemoteConfig) -> None:
        self.url = config.url
        self.jobs_default = 64
        self._options = read_options(config)
        self._prefix = self._options.prefix
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._odd: OddKeys | None = None
        self._bucket_seen = False
        self._swept = False
        self.stale_after = timedelta(days=1)
        self._big = threading.BoundedSemaphore(_BIG_AT_ONCE)
        self._whole = threading.BoundedSemaphore(_WHOLE_AT_ONCE)

    def __repr__(self) -> str:
        return f"S3Transport({self.url!r})"

    # -- one key ----

    def stat(self, key: str) -> Entry | None:
        full = self._prefix + key
        try:
            if is_odd(full):
                return Entry(key, self._call_odd(key, lambda odd: odd.size_of(full)))
            return Entry(key, self._call(key, lambda: self._head(full)))
        except NotThere:
            return None

    def facts(self, key: str) -> Facts | None:
        """See Telling."""
        full = self._prefix + key
        if is_odd(full):
            entry = self.stat(key)
            return None if entry is None else Facts(entry.size_bytes)
        try:
            meta = self._call(key, lambda: self._meta(full))
        except NotThere:
            return None
        return Facts(int(meta["size"]), _checksum(meta["e_tag"]), meta.get("version"))

    def read(self, key: str) -> bytes:
        full = self._prefix + key
        if is_odd(full):
            return self._call_odd(key, lambda odd: odd.read(full))
        at = self._open()
        return self._call(key, lambda: bytes(at.obstore.get(at.store, full).bytes()))

    def write(self, key: str, data: bytes) -> None:
        full = self._prefix + key
        if is_odd(full) or self._options.access:
            md5 = hashlib.md5(data, usedforsecurity=False).digest()
            self._call_odd(key, lambda odd: odd.write(full, data, md5))
        else:
            self._call(key, lambda: self._put(full, data))

    def delete(self, key: str) -> None:
        full = self._prefix + key
        with contextlib.suppress(NotThere):
            if is_odd(full):
                self._call_odd(key, lambda odd: odd.delete(full))
            else:
                at = self._open()
                self._call(key, lambda: at.obstore.delete(at.store, full))

    # -- many keys ----

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        full = self._prefix + prefix
        after = self._prefix + start_after if start_after else ""
        cut = len(self._prefix)
        at = interruptibly(self._open)
        try:
            bucket = self._options.bucket
            for path, size, etag in listed(at.obstore, at.store, bucket, full, after):
                self._bucket_seen = True
                if size or not self._is_folder_mark(path):
                    after = path
                    yield Entry(path[cut:], size, _checksum(etag))
        except OddListing:
            pass  # obstore gives up at such a key: go on after the last one it told
        except Exception as error:
            raise self._error(error, "") from None
        else:
            if not self._bucket_seen:
                self._call("", self._check_server)
            return
        try:
            for path, size, etag in self._odd_keys().listed(full, after):
                yield Entry(path[cut:], size, _checksum(etag))
        except Exception as error:
            raise explain_answer(error, at.place, "") from None

    def _is_folder_mark(self, path: str) -> bool:
        """obstore tells of an empty object 'a/', as some programs mark folders, as of 'a'."""
        try:
            self._call(path, lambda: self._head(path))
        except NotThere:
            return True
        return False

    def _check_server(self) -> None:
        """obstore takes any page of a log-in portal for a listing of nothing: so an empty bucket
        must also be able to say of a key that it does not exist."""
        at = self._open()
        try:
            at.obstore.get(at.store, self._prefix + "files/md5/00/nothing")
        except FileNotFoundError:
            self._bucket_seen = True
        except Exception as error:
            if not isinstance(self._error(error, ""), AccessDenied):
                raise
        else:
            raise not_s3(at.place)

    def upload_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        interruptibly(self._open)

        def work(item: tuple[str, str, str]) -> Result:
            path, key, expected = item
            return self._result(key, lambda: self._upload(path, key, expected, team.stop, on_bytes))

        team = Team(work, jobs)
        yield from team.map(items)

    def download_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        interruptibly(self._open)

        def work(item: tuple[str, str, str]) -> Result:
            key, path, expected = item
            return self._result(
                key, lambda: self._download(key, path, expected, team.stop, on_bytes)
            )

        team = Team(work, jobs)
        yield from team.map(items)

    def flush(self) -> None:
        """Nothing to do: the server answered only when the bytes were safe there."""

    def close(self) -> None:
        with self._lock:
            self._connection = self._odd = None

    # -- how ----

    def _open(self) -> Connection:
        with self._lock:
            if self._connection is None:
                self._connection = connect(self._options, self.url)
            return self._connection

    def _call(self, key: str, work: Callable[[], R]) -> R:
        try:
            return interruptibly(work)
        except PannierError:
            raise
        except Exception as error:
            raise self._error(error, key) from None

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

    def _result(self, key: str, work: Callable[[], tuple[str, int]]) -> Result:
        try:
            md5, size = work()
        except Stopped:
            raise
        except CorruptObject as error:
            return Result(key, error, error.found)
        except PannierError as error:
            return Result(key, error)
        except Exception as error:
            return Result(key, self._error(error, key))
        return Result(key, None, md5, size)

    def _head(self, full: str) -> int:
        return int(self._meta(full)["size"])

    def _meta(self, full: str) -> Any:
        """Size and ETag. A HEAD's answer has no body to tell why it failed, or that the bucket is
        not there at all: then a GET is asked."""
        at = self._open()
        try:
            meta = at.obstore.head(at.store, full)
        except FileNotFoundError:
            if self._bucket_seen:
                raise
        except Exception as error:
            if "status code: 4" not in str(error):
                raise
        else:
            self._bucket_seen = True
            return meta
        try:
            return at.obstore.get(at.store, full).meta
        except FileNotFoundError as error:
            self._bucket_seen = "NoSuchBucket" not in str(error)
            raise

    def _put(self, full: str, data: bytes) -> None:
        at = self._open()
        store = at.slow if len(data) > _BLOCK else at.store
        at.obstore.put(store, full, data, use_multipart=False)

    def _upload(
        self, path: str, key: str, expected: str, stop: threading.Event, on_bytes: OnBytes
    ) -> tuple[str, int]:
        full = self._prefix + key
        if is_odd(full) or self._options.access:
            done = self._call_odd(key, lambda odd: odd.upload(full, path, expected))
            on_bytes(done[1])
            return done
        fd = open_source(path)
        try:
            size = os.fstat(fd).st_size
            if size > _PART:
                with self._big:
                    return self._upload_parts(fd, path, full, expected, stop, on_bytes)
            with self._whole if size > _BLOCK else contextlib.nullcontext():
                data = read_whole(fd, size, path)
                md5 = md5_checked(data, expected, path)
                self._put(full, data)
            on_bytes(size)
            return md5, size
        finally:
            os.close(fd)

    def _upload_parts(
        self,
        fd: int,
        path: str,
        full: str,
        expected: str,
        stop: threading.Event,
        on_bytes: OnBytes,
    ) -> tuple[str, int]:
        """Sends a big file in parts at the same time. What raises here aborts it on the server."""
        at = self._open()
        self._abort_stale()
        part_size = max(_PART, -(-os.fstat(fd).st_size // _PARTS_MAX))
        parts = Parts(fd, path, part_size, expected, stop, on_bytes)
        at.obstore.put(
            at.slow,
            full,
            parts,
            use_multipart=True,
            chunk_size=part_size,
            max_concurrency=_PARTS_AT_ONCE,
        )
        there = self._head(full)
        if there != parts.size:
            raise TransportError(
                f"{at.place.server} holds {there} of {parts.size} bytes of '{full}'"
            )
        return parts.md5, parts.size

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

    def _download(
        self, key: str, path: str, expected: str, stop: threading.Event, on_bytes: OnBytes
    ) -> tuple[str, int]:
        full = self._prefix + key
        if is_odd(full):
            return self._call_odd(
                key, lambda odd: odd.download(full, path, expected, stop, on_bytes)
            )
        at = self._open()
        answer = at.obstore.get(at.store, full)
        size = int(answer.meta["size"])
        with Sink(path, stop, on_bytes) as sink:
            if size <= _BLOCK:
                sink.add(answer.bytes())
            elif size <= _RANGED_ABOVE:
                for block in answer.stream(min_chunk_size=_BLOCK):
                    sink.add(block)
            else:
                etag = answer.meta["e_tag"]
                del answer
                with self._big:
                    for block in self._ranges(full, size, etag):
                        sink.add(block)
            return sink.finish(size, expected, f"'{self.url}/{key}'")

    def _ranges(self, full: str, size: int, etag: str | None) -> Iterator[Any]:
        """The bytes of a big object in order, several requests at a time."""
        at = self._open()

        def get(start: int) -> Any:
            part = (start, min(start + _PART, size))
            answer = at.obstore.get(at.store, full, options={"range": part})
            if answer.meta["size"] != size or answer.meta["e_tag"] != etag:
                error = TransportError(f"'{full}' changed while it was read")
                error.temporary = True
                raise error
            return answer.bytes()

        return Team(get, _PARTS_AT_ONCE).map_in_order(range(0, size, _PART))


def _checksum(etag: str | None) -> tuple[str, str] | None:
    """An ETag as DVC writes it down."""
    bare = (etag or "").removeprefix("W/").strip('"')
    return ("etag", bare) if bare else None
