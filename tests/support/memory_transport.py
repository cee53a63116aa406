"""A transport to nowhere but this process: the contract in a dict, with every request counted."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from pannier.core.errors import CorruptObject, NotThere
from pannier.disk import fsio
from pannier.store.remote_config import RemoteConfig
from pannier.store.transport import Entry, OnBytes, Result

PAGE = 1000
"""Keys that one request of a listing tells, as object stores have it."""

SCHEME = "memory"
WHERE = ("tests.support.memory_transport", "MemoryTransport")
"""For the table of schemes: `monkeypatch.setitem(schemes._TRANSPORTS, SCHEME, WHERE)`."""


class Place:
    """Bytes by key, and what was asked of them. Lives as long as the process, by its URL.

    requests: how often, by kind: stat, list (pages), read, range, write, upload, download, delete,
    flush.
    log: (kind, key) in order. faults: (kind, key) -> errors to be raised one after the other.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.requests: Counter[str] = Counter()
        self.log: list[tuple[str, str]] = []
        self.faults: dict[tuple[str, str], list[Exception]] = defaultdict(list)
        self.bytes_in = self.bytes_out = 0
        self.lock = threading.Lock()

    def note(self, kind: str, key: str) -> None:
        """Counts a request, and fails it when it is to fail."""
        with self.lock:
            self.requests[kind] += 1
            self.log.append((kind, key))
            if self.faults[kind, key]:
                raise self.faults[kind, key].pop(0)

    def forget(self) -> None:
        """Starts counting anew."""
        self.requests.clear()
        self.log.clear()
        self.bytes_in = self.bytes_out = 0


_places: dict[str, Place] = defaultdict(Place)


def place_of(url: str) -> Place:
    """The place behind a URL, made when it is new."""
    return _places[url.rstrip("/")]


class MemoryTransport:
    """See Transport. Bulk calls work one item after the other, in the caller's thread."""

    jobs_default = 4

    def __init__(self, config: RemoteConfig) -> None:
        self.url = config.url
        self._place = place_of(config.url)

    def stat(self, key: str) -> Entry | None:
        self._place.note("stat", key)
        data = self._place.objects.get(key)
        return None if data is None else Entry(key, len(data))

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        found = sorted(k for k in list(self._place.objects) if k.startswith(prefix))
        found = [key for key in found if key > start_after]
        self._place.note("list", prefix)
        for number, key in enumerate(found):
            if number and number % PAGE == 0:
                self._place.note("list", prefix)
            yield Entry(key, len(self._place.objects[key]))

    def read(self, key: str) -> bytes:
        self._place.note("read", key)
        try:
            data = self._place.objects[key]
        except KeyError:
            raise NotThere(f"'{key}' does not exist") from None
        self._place.bytes_out += len(data)
        return data

    def read_range(self, key: str, start: int, end: int) -> bytes:
        self._place.note("range", key)
        try:
            data = self._place.objects[key][start:end]
        except KeyError:
            raise NotThere(f"'{key}' does not exist") from None
        self._place.bytes_out += len(data)
        return data

    def write(self, key: str, data: bytes) -> None:
        self._place.note("write", key)
        self._place.objects[key] = data
        self._place.bytes_in += len(data)

    def upload_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        for source, key, expected in items:
            try:
                with open(source, "rb") as file:
                    data = file.read()
                self._place.note("upload", key)
                found = _md5(data)
                if expected and found != expected:
                    raise CorruptObject(expected, found=found, where=f"'{source}'")
            except OSError as error:
                yield Result(key, fsio.disk_error(error, source))
            except Exception as error:
                yield Result(key, error)
            else:
                self._place.objects[key] = data
                self._place.bytes_in += len(data)
                on_bytes(len(data))
                yield Result(key, None, found, len(data))

    def download_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        for key, target, expected in items:
            try:
                self._place.note("download", key)
                if key not in self._place.objects:
                    raise NotThere(f"'{key}' does not exist")
                data = self._place.objects[key]
                found = _md5(data)
                self._place.bytes_out += len(data)
                if expected and found != expected:
                    yield Result(key, CorruptObject(expected, found=found), found, len(data))
                    continue
                fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
                with open(fd, "wb") as file:
                    file.write(data)
            except OSError as error:
                yield Result(key, fsio.disk_error(error, target))
            except Exception as error:
                yield Result(key, error)
            else:
                on_bytes(len(data))
                yield Result(key, None, found, len(data))

    def delete(self, key: str) -> None:
        self._place.note("delete", key)
        self._place.objects.pop(key, None)

    def flush(self) -> None:
        self._place.note("flush", "")

    def close(self) -> None: ...


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
