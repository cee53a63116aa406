"""What S3, Azure Blob Storage, Google Cloud Storage and Aliyun OSS have in common, through obstore.

Threads, not asyncio: a request costs a third less of the processor that way, and the processor is
what limits many small objects. ETags are never read as digests: they are not (multipart,
encryption).
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from pannier.core.errors import (
    AccessDenied,
    NotThere,
    PannierError,
    TransportError,
)
from pannier.core.typed import Any, Protocol
from pannier.store.transport import Entry, Facts, Moved, OnBytes, split_version
from pannier.store.transports.bulk import Bulk
from pannier.store.transports.s3_bodies import Parts, Sink, md5_checked, open_source, read_whole
from pannier.store.transports.s3_listing import OddListing, listed
from pannier.store.transports.threads import Team, interruptibly

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


class Client(Protocol):
    """obstore: the module. store: for what is answered soon; slow: for big bodies out."""

    @property
    def obstore(self) -> Any: ...
    @property
    def store(self) -> Any: ...
    @property
    def slow(self) -> Any: ...


def checksum_of(etag: str | None) -> tuple[str, str] | None:
    """An ETag as DVC writes it down: without its quotes."""
    bare = (etag or "").removeprefix("W/").strip('"')
    return ("etag", bare) if bare else None


class ObjectTransport(Bulk):
    """See Transport. Of one bucket; a subclass says how to connect and what errors mean."""

    jobs_default = 64
    bucket_missing = "NoSuchBucket"
    """The code in an answer that says so; a HEAD's answer has none."""

    def __init__(self, url: str, bucket: str, prefix: str) -> None:
        self.url = url
        self._bucket, self._prefix = bucket, prefix
        self._bucket_seen = False
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._big = threading.BoundedSemaphore(_BIG_AT_ONCE)
        self._whole = threading.BoundedSemaphore(_WHOLE_AT_ONCE)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    # -- what a subclass says ----

    def _connect(self) -> Client:
        """Called once, before the first request. Raises what is wrong with the settings."""
        raise NotImplementedError

    def _no_server(self) -> PannierError:
        """The error for who answers, but not as a server of this kind."""
        raise NotImplementedError

    def _check_key(self, full: str) -> None:
        """Raises for a key that obstore would change or refuse."""

    def _before_parts(self) -> None:
        """Called before a big upload."""

    # -- one key ----

    def stat(self, key: str) -> Entry | None:
        full, options = self._asked(key)
        try:
            self._check_key(full)
            return Entry(key, self._call(key, lambda: self._head(full, options)))
        except NotThere:
            return None

    def _checksum(self, etag: str | None) -> tuple[str, str] | None:
        """An ETag as DVC writes it down for this store."""
        return checksum_of(etag)

    def _facts(self, size: int, told: Any) -> Facts:
        """told: by obstore, of what is there or was uploaded."""
        return Facts(size, self._checksum(told.get("e_tag")), told.get("version"))

    def facts(self, key: str) -> Facts | None:
        """See Telling; of a key of `key_of_version`, too."""
        full, options = self._asked(key)
        self._check_key(full)
        try:
            meta = self._call(key, lambda: self._meta(full, options))
        except NotThere:
            return None
        return self._facts(int(meta["size"]), meta)

    def read(self, key: str) -> bytes:
        full, options = self._asked(key)
        self._check_key(full)
        get, store = self._open().obstore.get, self._open().store
        return self._call(key, lambda: bytes(get(store, full, options=options).bytes()))

    def read_range(self, key: str, start: int, end: int) -> bytes:
        full, options = self._asked(key)
        self._check_key(full)
        return self._call(key, lambda: self._get_range(full, options, start, end))

    def write(self, key: str, data: bytes) -> None:
        full = self._prefix + key
        self._check_key(full)
        self._call(key, lambda: self._put(full, data))

    def delete(self, key: str) -> None:
        full = self._prefix + key
        at = self._open()
        with contextlib.suppress(NotThere):
            self._check_key(full)
            self._call(key, lambda: at.obstore.delete(at.store, full))

    # -- many keys ----

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        after = self._prefix + start_after if start_after else ""
        cut = len(self._prefix)
        try:
            for path, size, etag in self._listed(self._prefix + prefix, after):
                yield Entry(path[cut:], size, self._checksum(etag))
        except OddListing:
            raise TransportError(
                f"'{self.url}' holds a key that cannot be listed, with '//' or '..' in it",
                hint="give the remote a folder of its own in the URL",
            ) from None

    def _listed(self, full: str, after: str) -> Iterator[tuple[str, int, str | None]]:
        """Yields (full key, size in bytes, ETag). Raises OddListing where obstore gives up."""
        at = interruptibly(self._open)
        try:
            for path, size, etag in listed(at.obstore, at.store, self._bucket, full, after):
                self._bucket_seen = True
                if size or not self._is_folder_mark(path):
                    yield path, size, etag
        except (OddListing, PannierError):
            raise
        except Exception as error:
            raise self._error(error, "") from None
        if not self._bucket_seen:
            self._call("", self._check_server)

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
            raise self._no_server()

    def flush(self) -> None:
        """Nothing to do: the server answered only when the bytes were safe there."""

    def close(self) -> None:
        with self._lock:
            self._client = None

    # -- how ----

    def _asked(self, key: str) -> tuple[str, dict[str, Any]]:
        """(full key, obstore's options for the version that is meant)."""
        bare, version = split_version(key)
        return self._prefix + bare, {"version": version} if version else {}

    def _begin(self) -> Client:
        return self._open()

    def _open(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _call(self, key: str, work: Callable[[], R]) -> R:
        try:
            return interruptibly(work)
        except PannierError:
            raise
        except Exception as error:
            raise self._error(error, split_version(key)[0]) from None

    def _head(self, full: str, options: dict[str, Any] | None = None) -> int:
        return int(self._meta(full, options or {})["size"])

    def _meta(self, full: str, options: dict[str, Any]) -> Any:
        """Size and ETag. A HEAD's answer has no body to tell why it failed, or that the bucket is
        not there at all: then a GET is asked."""
        at = self._open()
        try:
            meta = at.obstore.get(at.store, full, options=options | {"head": True}).meta
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
            return at.obstore.get(at.store, full, options=options).meta
        except FileNotFoundError as error:
            self._bucket_seen = self.bucket_missing not in str(error)
            raise

    def _get_range(self, full: str, options: dict[str, Any], start: int, end: int) -> bytes:
        at = self._open()
        if start >= end:
            return b""
        part = {**options, "range": (start, end)}
        try:
            return bytes(at.obstore.get(at.store, full, options=part).bytes())
        except FileNotFoundError:
            raise
        except Exception as error:
            if "non-partial response" in str(error):  # a server that knows no ranges
                return bytes(at.obstore.get(at.store, full, options=options).bytes())[start:end]
            # Servers and obstore have several words for a range that begins beyond the end.
            if self._head(full, options) <= start:
                return b""
            raise

    def _put(self, full: str, data: bytes) -> Any:
        """Returns the ETag and the version, as obstore tells them."""
        at = self._open()
        store = at.slow if len(data) > _BLOCK else at.store
        return at.obstore.put(store, full, data, use_multipart=False)

    def _upload(
        self, path: str, key: str, expected: str, stop: threading.Event, on_bytes: OnBytes
    ) -> Moved:
        full = self._prefix + key
        self._check_key(full)
        fd = open_source(path)
        try:
            size = os.fstat(fd).st_size
            if size > _PART:
                with self._big:
                    return self._upload_parts(fd, path, full, expected, stop, on_bytes)
            with self._whole if size > _BLOCK else contextlib.nullcontext():
                data = read_whole(fd, size, path)
                md5 = md5_checked(data, expected, path)
                told = self._put(full, data)
            on_bytes(size)
            return md5, size, self._facts(size, told)
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
    ) -> Moved:
        """Sends a big file in parts at the same time. What raises here aborts it on the server."""
        at = self._open()
        self._before_parts()
        part_size = max(_PART, -(-os.fstat(fd).st_size // _PARTS_MAX))
        parts = Parts(fd, path, part_size, expected, stop, on_bytes)
        told = at.obstore.put(
            at.slow,
            full,
            parts,
            use_multipart=True,
            chunk_size=part_size,
            max_concurrency=_PARTS_AT_ONCE,
        )
        return parts.md5, parts.size, self._arrived(full, self._facts(parts.size, told))

    def _arrived(self, full: str, facts: Facts) -> Facts:
        """Raises TransportError for another size. Not every server says with the last part which
        version it became; the answer to a question counts if it has the same ETag."""
        meta = self._meta(full, {})
        now, size = self._facts(int(meta["size"]), meta), facts.size_bytes
        if now.size_bytes != size:
            raise TransportError(f"'{self.url}' holds {now.size_bytes} of {size} bytes of '{full}'")
        return now if facts.version_id is None and facts.checksum == now.checksum else facts

    def _download(self, key: str, sink: Sink, expected: str) -> tuple[str, int]:
        full, options = self._asked(key)
        self._check_key(full)
        where = f"'{self.url}/{split_version(key)[0]}'"
        if sink.size:
            size = self._go_on(full, sink, options)
            if size is not None:
                return sink.finish(size, expected, where)
            sink.restart()
        at = self._open()
        answer = at.obstore.get(at.store, full, options=options)
        size = int(answer.meta["size"])
        if size <= _BLOCK:
            sink.add(answer.bytes())
        elif size <= _RANGED_ABOVE:
            for block in answer.stream(min_chunk_size=_BLOCK):
                sink.add(block)
        else:
            etag = answer.meta["e_tag"]
            del answer
            with self._big:
                for block in self._big_blocks(full, size, etag, options):
                    sink.add(block)
        return sink.finish(size, expected, where)

    def _go_on(self, full: str, sink: Sink, options: dict[str, Any]) -> int | None:
        """Brings what a sink does not hold yet; the object's size. None where that cannot be."""
        at = self._open()
        meta = at.obstore.get(at.store, full, options=options | {"head": True}).meta
        size = int(meta["size"])
        if size <= sink.size:
            return None
        try:
            with self._big:
                for block in self._ranges(full, size, meta["e_tag"], options, sink.size):
                    sink.add(block)
        except Exception as error:
            if "NotPartial" not in str(error):
                raise
            return None
        return size

    def _big_blocks(
        self, full: str, size: int, etag: str | None, options: dict[str, Any]
    ) -> Iterator[Any]:
        try:
            yield from self._ranges(full, size, etag, options, 0)
            return
        except Exception as error:
            # Not every server keeps to ranges, nor does Google's when it unpacks what it holds.
            if "NotPartial" not in str(error):
                raise
        at = self._open()
        yield from at.obstore.get(at.store, full, options=options).stream(min_chunk_size=_BLOCK)

    def _ranges(
        self, full: str, size: int, etag: str | None, options: dict[str, Any], begin: int
    ) -> Iterator[Any]:
        """A big object's bytes from begin on, in order, several requests at a time."""
        at = self._open()

        def get(start: int) -> Any:
            part = (start, min(start + _PART, size))
            answer = at.obstore.get(at.store, full, options={**options, "range": part})
            if answer.meta["size"] != size or answer.meta["e_tag"] != etag:
                error = TransportError(f"'{full}' changed while it was read")
                error.temporary = True
                raise error
            return answer.bytes()

        return Team(get, _PARTS_AT_ONCE).map_in_order(range(begin, size, _PART))
