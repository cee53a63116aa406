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
from datetime import timedelta
from typing import TypeVar

from pannier.core.errors import (
    AccessDenied,
    NotThere,
    PannierError,
    TransportError,
)
from pannier.core.typed import Any
from pannier.store.transport import Entry, Facts, Moved, OnBytes, split_version
from pannier.store.transports.big_uploads import (
    PART,
    WORTH_CONTINUING,
    BigFile,
    CannotContinue,
    Parted,
    PartsUpload,
    Sent,
    noted,
)
from pannier.store.transports.bulk import Bulk
from pannier.store.transports.object_bodies import (
    BLOCK,
    big_blocks,
    ranges,
    send_in_parts,
)
from pannier.store.transports.object_client import Client
from pannier.store.transports.s3_bodies import Sink, md5_checked, open_source, read_whole
from pannier.store.transports.s3_listing import OddListing, listed
from pannier.store.transports.threads import interruptibly

R = TypeVar("R")

_BIG_AT_ONCE = 3
"""Files of several parts under way at a time: with their parts, some 200 MB of memory."""

_WHOLE_AT_ONCE = 8
"""Uploads of more than a block but not more than a part lie in memory: so many at a time."""

_RANGED_ABOVE = 64 << 20


def checksum_of(etag: str | None) -> tuple[str, str] | None:
    """An ETag as DVC writes it down: without its quotes."""
    bare = (etag or "").removeprefix("W/").strip('"')
    return ("etag", bare) if bare else None


class ObjectTransport(Bulk):
    """See Transport. Of one bucket; a subclass says how to connect and what errors mean."""

    jobs_default = 64
    bucket_missing = "NoSuchBucket"
    """The code in an answer that says so; a HEAD's answer has none."""

    scratch = ""
    """As of RemoteConfig."""

    def __init__(self, url: str, bucket: str, prefix: str) -> None:
        self.url = url
        self._bucket, self._prefix = bucket, prefix
        self._bucket_seen = False
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._big = threading.BoundedSemaphore(_BIG_AT_ONCE)
        self._whole = threading.BoundedSemaphore(_WHOLE_AT_ONCE)
        self._swept = False
        self.stale_after = timedelta(days=1)

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
        store = at.slow if len(data) > BLOCK else at.store
        return at.obstore.put(store, full, data, use_multipart=False)

    def _upload(
        self, path: str, key: str, expected: str, stop: threading.Event, on_bytes: OnBytes
    ) -> Moved:
        full = self._prefix + key
        self._check_key(full)
        fd = open_source(path)
        try:
            size = os.fstat(fd).st_size
            if size > PART:
                file = BigFile(fd, path, full, size, expected, stop, on_bytes)
                with self._big:
                    return self._upload_big(file)
            with self._whole if size > BLOCK else contextlib.nullcontext():
                data = read_whole(fd, size, path)
                md5 = md5_checked(data, expected, path)
                told = self._put(full, data)
            on_bytes(size)
            return md5, size, self._facts(size, told)
        finally:
            os.close(fd)

    def _upload_big(self, file: BigFile) -> Moved:
        self._sweep()
        sent = None
        if file.size >= WORTH_CONTINUING:
            with contextlib.suppress(CannotContinue):
                sent = self._continued(file)
        md5, size, told = sent or send_in_parts(self._open(), file)
        return md5, size, self._arrived(file.full, self._facts(size, told))

    def _sweep(self) -> None:
        """Before the first big upload: gives up those that a killed push left a day ago or more.

        Not every server can list them, and not every key may: then they stay.
        """
        give_up = getattr(self, "give_up_uploads", None)
        with self._lock:
            swept, self._swept = self._swept, True
        if give_up is not None and not swept:
            with contextlib.suppress(Exception):
                give_up()

    def _continued(self, file: BigFile) -> Sent:
        """Sends a file that a later run can go on with, or an earlier one began. Raises
        CannotContinue."""
        with noted(self.scratch, f"{self._open().place.server} {self.url}", file.full) as note:
            return PartsUpload(self._parted(file.full), note).send(file)

    def _parted(self, full: str) -> Parted:
        """Raises CannotContinue."""
        raise CannotContinue

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
        if size <= BLOCK:
            sink.add(answer.bytes())
        elif size <= _RANGED_ABOVE:
            for block in answer.stream(min_chunk_size=BLOCK):
                sink.add(block)
        else:
            etag = answer.meta["e_tag"]
            del answer
            with self._big:
                for block in big_blocks(at, full, size, etag, options):
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
                for block in ranges(at, full, size, meta["e_tag"], options, sink.size):
                    sink.add(block)
        except Exception as error:
            if "NotPartial" not in str(error):
                raise
            return None
        return size
