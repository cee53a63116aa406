"""Many files into and out of a folder remote.

Small files travel in groups that worker processes carry from end to end, because most of their
cost is Python's; big ones in threads, where one more thread hashes what the first reads and writes.
"""

from __future__ import annotations

import errno
import os
import re
from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import length_hint
from typing import NamedTuple

from pannier.core.errors import CorruptObject, PannierError, TransportError
from pannier.core.typed import TypeAlias
from pannier.disk import copying, faults, placing
from pannier.disk.pool import BATCH, Pool, cpu_count
from pannier.store.transport import OnBytes, Result
from pannier.store.transports import local_staging
from pannier.store.transports.local_parts import BigCopy
from pannier.store.transports.local_staging import Staging
from pannier.store.transports.threads import Stopped, Team

_FIRST_GROUP_FILES, _ONE_GROUP_FILES, _GROUP_FILES = 256, 1024, 4096
_GROUP_SAMPLED_BYTES = 256 << 20
_GROUP_BYTES = 1 << 30
"""So many bytes of big files are copied before one flush lets them have their names."""

_PROCESSES_MAX = 32
_MANY = 1 << 20
"""Items that nobody counted are taken for so many."""

_FILE_MODE = 0o666
_BAD_KEY = re.compile(r"(?:^|/)\.{0,2}(?:/|\Z)|\0")

_Item: TypeAlias = tuple[str, str, str]
"""(path on the side that is read, key, expected md5 hex or "")."""


_Call: TypeAlias = tuple[list[_Item], str, int, int]


class _NameTaken(NamedTuple):
    """Something has the name; the staged file waits to be compared with it."""

    at: int
    md5: str
    size: int


class Copies:
    """The bulk calls of LocalTransport. error: the contract's error for what the system said of a
    path."""

    def __init__(
        self,
        root: str,
        staging: Staging,
        error: Callable[[OSError, str], PannierError],
        notes: str = "",
    ) -> None:
        self._root, self._staging, self._error = root, staging, error
        self._base = root.rstrip("/") + "/"
        self._notes = notes

    def upload_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        groups: list[list[_Item]] = []
        calls: list[_Call] = []
        failed: list[Result] = []

        def carried() -> Iterator[_Call]:
            for group in _groups(items):
                wanted = group
                if _holds_bad([key for _, key, _ in group]):
                    wanted = [item for item in group if not is_bad(item[1])]
                    bad = [key for _, key, _ in group if is_bad(key)]
                    failed.extend([Result(key, bad_key(key, self._root)) for key in bad])
                try:
                    wanted = self._with_folders(wanted, failed)
                    call = self._call(wanted)
                except OSError as error:
                    failure = self._error(error, error.filename or self._root)
                    failed.extend([Result(key, failure) for _, key, _ in wanted])
                    continue
                groups.append(wanted)
                calls.append(call)
                yield call

        big: list[_Item] = []
        count = length_hint(items, _MANY)
        with Pool(placing, count, min(jobs, _PROCESSES_MAX), files=count) as pool:
            for number, copies in pool.map("place_batch", carried()):
                plain = _plain_results(groups[number], copies, on_bytes)
                if plain:
                    yield from plain
                    continue
                for item, result in self._results(groups[number], copies, on_bytes):
                    if result is None:
                        big.append(item)
                    elif isinstance(result, _NameTaken):
                        staged = f"{calls[number][1]}/{calls[number][2] + result.at}"
                        yield self._publish(item[1], staged, result.md5, result.size)
                    else:
                        yield result
        yield from failed
        yield from self._upload_big(big, jobs, on_bytes)

    def _with_folders(self, group: list[_Item], failed: list[Result]) -> list[_Item]:
        """The items whose folders are there now; the others have failed."""
        self._staging.open()
        lost: dict[str, PannierError] = {}
        for folder in {key.rpartition("/")[0] for _, key, _ in group}:
            path = f"{self._base}{folder}".rstrip("/") or "/"
            try:
                self._staging.make_folder(path)
            except OSError as error:
                lost[folder] = self._error(error, error.filename or path)
        if not lost:
            return group
        there = []
        for item in group:
            failure = lost.get(item[1].rpartition("/")[0])
            if failure is None:
                there.append(item)
            else:
                failed.append(Result(item[1], failure))
        return there

    def _call(self, group: list[_Item]) -> _Call:
        """Arguments of placing.place_batch."""
        staging = self._staging.open()
        batch = [(source, self._base + key, md5) for source, key, md5 in group]
        return batch, staging, self._staging.reserve(len(group)), copying.OBJECT_MODE

    def _results(
        self, group: list[_Item], copies: copying.Copies, on_bytes: OnBytes
    ) -> Iterator[tuple[_Item, Result | _NameTaken | None]]:
        """What became of each item; None for one that is too big for a batch.

        group: (this machine's path, key, expected md5).
        """
        codes, sizes = array("i", copies[0]), array("q", copies[1])
        total = sum(sizes)
        if total:
            on_bytes(total)
        odd = {index: (md5, path) for index, md5, path in copies[2]}
        for index, (item, code, size) in enumerate(zip(group, codes, sizes, strict=True)):
            key, md5 = item[1], item[2]
            found, path = odd.get(index, (md5, ""))
            if code == copying.BIG:
                yield item, None
            elif code == errno.EEXIST and not path:
                yield item, _NameTaken(index, found, size)
            elif code:
                error = self._error(OSError(code, os.strerror(code), path), path)
                yield item, Result(key, error, None, size)
            elif md5 and found != md5:
                yield item, Result(key, self._corrupt(item, found), found, size)
            else:
                yield item, Result(key, None, found, size)

    @staticmethod
    def _corrupt(item: _Item, found: str) -> CorruptObject:
        return CorruptObject(item[2], found=found, where=f"'{item[0]}'")

    def _publish(self, key: str, staged: str, md5: str, size: int) -> Result:
        target = self._base + key
        try:
            self._staging.publish(staged, target, md5)
        except OSError as error:
            return Result(key, self._error(error, target), md5, size)
        return Result(key, None, md5, size)

    def _upload_big(self, big: list[_Item], jobs: int, on_bytes: OnBytes) -> Iterator[Result]:
        """Big files, by threads; groups of them are flushed together before they get names."""
        copies = {item: BigCopy(self._staging, self._notes, self._root, item[1]) for item in big}
        if big:
            self._staging.open()
        staged: list[tuple[_Item, Result]] = []
        size = 0

        def work(item: _Item, tell: OnBytes) -> copying.Copied:
            return copies[item].copy(item[0], item[2], copying.OBJECT_MODE, tell)

        try:
            for item, row in _copy_big(big, work, jobs, on_bytes):
                result = self._big_result(item, row)
                if result.error is not None:
                    copies[item].end(keep=not isinstance(result.error, CorruptObject))
                    yield result
                    continue
                staged.append((item, result))
                size += result.size_bytes
                if size >= _GROUP_BYTES:
                    yield from self._name_big(staged, copies)
                    staged, size = [], 0
            if staged:
                yield from self._name_big(staged, copies)
        finally:
            for copy in copies.values():
                copy.end(keep=True)

    def _name_big(
        self, staged: list[tuple[_Item, Result]], copies: dict[_Item, BigCopy]
    ) -> Iterator[Result]:
        try:
            self._staging.flush_staged([copies[item].path for item, _ in staged])
        except OSError as error:
            failure = self._error(error, error.filename or self._root)
            for item, _ in staged:
                copies[item].end()
            yield from [result._replace(error=failure) for _, result in staged]
            return
        for item, result in staged:
            path = copies[item].path
            done = self._publish(item[1], path, result.md5 or "", result.size_bytes)
            copies[item].end()
            yield done

    def _big_result(self, item: _Item, row: copying.Copied) -> Result:
        md5, size, code, path = row
        error: Exception | None = None
        if code:
            error = self._error(OSError(code, os.strerror(code), path), path)
        elif item[2] and md5 != item[2]:
            error = self._corrupt(item, md5)
        return Result(item[1], error, md5 or None, size)

    def download_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        groups: list[list[_Item]] = []
        targets: list[list[str]] = []
        failed: list[Result] = []

        def carried() -> Iterator[tuple[list[_Item], int]]:
            source = iter(items)
            while some := list(islice(source, BATCH)):
                if _holds_bad([key for key, _, _ in some]):
                    bad = [key for key, _, _ in some if is_bad(key)]
                    failed.extend([Result(key, bad_key(key, self._root)) for key in bad])
                    some = [item for item in some if not is_bad(item[0])]
                groups.append([(self._base + key, key, md5) for key, _, md5 in some])
                targets.append([target for _, target, _ in some])
                yield [(self._base + key, target, md5) for key, target, md5 in some], _FILE_MODE

        big: dict[_Item, str] = {}
        count = length_hint(items, _MANY)
        with Pool(copying, count, min(jobs, _PROCESSES_MAX), files=count) as pool:
            for number, copies in pool.map("copy_batch", carried()):
                group, groups[number] = groups[number], []
                there, targets[number] = targets[number], []
                plain = _plain_results(group, copies, on_bytes)
                if plain:
                    yield from plain
                    continue
                results = self._results(group, copies, on_bytes)
                for (item, result), target in zip(results, there, strict=True):
                    if result is None:
                        big[item] = target
                    elif isinstance(result, _NameTaken):
                        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
                    else:
                        yield result
        yield from failed

        def work(item: _Item, tell: OnBytes) -> copying.Copied:
            return copying.copy_object(item[0], big[item], item[2], _FILE_MODE, tell)

        for item, row in _copy_big(list(big), work, jobs, on_bytes):
            yield self._big_result(item, row)


def is_bad(key: str) -> bool:
    """Tells whether a key could lead out of the folder, or is that of a staged file."""
    return _BAD_KEY.search(key) is not None or key.startswith(local_staging.PREFIX)


def _holds_bad(keys: list[str]) -> bool:
    """False when all keys are good: one search over the parts of all of them."""
    joined = "/".join(keys)
    return _BAD_KEY.search(joined) is not None or local_staging.PREFIX in joined


def _plain_results(
    group: list[_Item], copies: copying.Copies, on_bytes: OnBytes
) -> list[Result] | None:
    """The results of a group in which nothing is out of the ordinary."""
    codes, sizes, odd = copies
    if odd or any(codes):
        return None
    numbers = array("q", sizes)
    if total := sum(numbers):
        on_bytes(total)
    return [
        Result(key, None, md5, size) for (_, key, md5), size in zip(group, numbers, strict=True)
    ]


def bad_key(key: str, root: str) -> TransportError:
    return TransportError(f"{key!r} cannot be a name below the folder '{root}'")


def _groups(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """Groups that one worker carries, each flushed once. A small first one has news soon; later
    ones are as large as spreads them over workers and keeps a progress bar moving, by the sizes of
    a sample."""
    count = length_hint(items)
    source = iter(items)
    first = list(islice(source, _FIRST_GROUP_FILES))
    if not first:
        return
    sample = max(_size_of(path) for path, _, _ in first[:: _FIRST_GROUP_FILES // 8])
    most = _GROUP_SAMPLED_BYTES // (sample + 1)
    if count <= min(_ONE_GROUP_FILES, most):
        yield first + list(islice(source, count - len(first))) if count > len(first) else first
    else:
        yield first
    step = max(min(_GROUP_FILES, most, count // 8), _FIRST_GROUP_FILES)
    while group := list(islice(source, step)):
        yield group


def _size_of(path: str) -> int:
    """For planning only: what cannot be read shows when it is copied."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _copy_big(
    items: list[_Item],
    copy: Callable[[_Item, OnBytes], copying.Copied],
    jobs: int,
    on_bytes: OnBytes,
) -> Iterator[tuple[_Item, copying.Copied]]:
    """Copies big files in threads; yields in order of completion."""

    def work(item: _Item) -> tuple[_Item, copying.Copied]:
        return item, copy(item, tell)

    def tell(size: int) -> None:
        if team.stop.is_set():
            raise Stopped
        on_bytes(size)

    team = Team(work, 1 if faults.traced else min(jobs, cpu_count()))
    yield from team.map(items)
