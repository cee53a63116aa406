"""Store: content-addressed objects on this machine.

Layout under its root: `<2 hex>/<30 hex>` (with `.dir` for a manifest), mode 0444; `tmp/` holds
staging folders, `quarantine/` what turned out to be damaged, `trash/` what gc took away,
`gc.lock` keeps gc out while others add. The root is `<cache>/files/md5`, or
`<cache>` itself for objects of DVC before 3.0. Nothing here is ever overwritten.
"""

from __future__ import annotations

import errno
import os
import stat
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator

from pannier.core.digest import MD5, is_object_name
from pannier.core.errors import CorruptObject, MissingObject
from pannier.core.manifest import Manifest, parse_manifest
from pannier.core.record import dataclass, field
from pannier.disk import batches, fsio
from pannier.disk.hashing import hash_bytes
from pannier.disk.mutex import CacheLock
from pannier.disk.pool import BATCH, Pool
from pannier.disk.walk import STAT_BYTES
from pannier.store import census
from pannier.store.statcache import OBJECTS, FolderRow, StatCache, stat_rows

_ROWS_AT_ONCE = 16
_NEVER = bytes(STAT_BYTES)
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
_NEW_DIR_MODE, _SHARED_DIR_MODE, _STICKY = 0o777, 0o2775, 0o1000
_FLUSHED_AFTER_NS = 600_000_000_000
"""The kernel writes everything back within half a minute; ten minutes are beyond doubt."""


def boot_mark() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read(8)
    except OSError:
        return "00000000"


def staging_name() -> str:
    """Of a folder below `tmp`: tells later runs whether whoever made it may still be at work."""
    return f"{boot_mark()}-{os.getpid()}-{os.urandom(4).hex()}"


@dataclass(slots=True)
class Store:
    """Objects of one algorithm below one root. shared: folders are made writable for the group.

    common: other projects may be adding here at this moment, as far as anybody can tell.
    """

    root: str
    statcache: StatCache
    algorithm: str = MD5
    shared: bool = False
    common: bool = False
    _manifests: dict[str, Manifest] = field(default_factory=dict)
    _flushed: set[str] = field(default_factory=set)
    _lock: CacheLock | None = None

    def path(self, name: str) -> str:
        return f"{self.root}/{name[:2]}/{name[2:]}"

    def folder(self, name: str) -> str:
        """The folder of an object."""
        return f"{self.root}/{name[:2]}"

    def has(self, name: str) -> bool:
        return census.is_file(self.path(name))

    def present(self, names: Collection[str]) -> set[str]:
        """Those of names that exist here, as `census.present` finds them."""
        return census.present(self.root, names)

    def missing(self, names: Collection[str]) -> set[str]:
        return set(names) - self.present(names)

    def has_all(self, columns: Iterable[bytes | bytearray]) -> bool:
        """True when everything is here, as `census.has_all` looks at it."""
        return census.has_all(self.root, columns)

    def presence(self, *, lasting: bool = False, ticks: int = 1) -> bytes:
        """A value that changes whenever an object appears or disappears: `census.presence`."""
        return census.presence(self.root, lasting=lasting, ticks=ticks)

    def is_flushed(self, name: str) -> bool:
        """True when this process itself put the object and flushed it."""
        return name in self._flushed

    # -- who is at work here ----

    def hold(self) -> None:
        """Keeps garbage collectors out until release(), so that what was found here stays.

        For the start of whatever makes something refer to objects. Nothing to do where no store is
        yet; waits for a collector at work. Raises LockBusy after ten minutes.
        """
        if self._lock is None and os.path.isdir(self.root):
            self._lock = CacheLock(f"{self.root}/gc.lock")
            self._lock.share()

    def hold_alone(self, *, wait: bool) -> bool:
        """Keeps everybody out; False where the file system cannot tell. Raises LockBusy."""
        if self._lock is None:
            self._lock = CacheLock(f"{self.root}/gc.lock")
        return self._lock.own(wait=wait)

    def release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    # -- reading ----

    def read(self, name: str) -> bytes:
        """A small object's bytes, verified. Raises MissingObject, or CorruptObject after moving it
        to quarantine."""
        try:
            fd = os.open(self.path(name), _READ)
        except (FileNotFoundError, NotADirectoryError):
            raise MissingObject(name) from None
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENXIO):
                raise
            self.quarantine(name)  # a link or a socket
            raise CorruptObject(name, found="no file", where="the cache") from None
        if not stat.S_ISREG(os.fstat(fd).st_mode):  # before open(), which fails for a folder
            os.close(fd)
            self.quarantine(name)
            raise CorruptObject(name, found="no file", where="the cache")
        with open(fd, "rb") as file:
            data = file.read()
        digest = hash_bytes(data, self.algorithm)
        if digest != name[:32]:
            self.quarantine(name)
            raise CorruptObject(name, found=digest, where="the cache")
        return data

    def manifest(self, name: str) -> Manifest:
        """A directory's manifest. Raises MissingObject, CorruptObject."""
        known = self._manifests.get(name)
        if known is None:
            known = parse_manifest(self.read(name), name)
            self._manifests[name] = known
        return known

    def keep_manifest(self, name: str, manifest: Manifest) -> None:
        """Remembers a manifest that was just made, so that nobody parses it again."""
        self._manifests[name] = manifest

    def listing(self) -> Iterator[str]:
        """Names of all objects, in no order. Other files are left out."""
        return census.listing(self.root)

    # -- what is known to be good ----

    def verified_stats(self, names: list[str]) -> bytes:
        """Per name the stats under which its bytes were last verified, zeros when never."""
        found = bytearray(len(names) * STAT_BYTES)
        groups = _by_prefix(names)
        for prefix, row in self._rows(groups):
            indexes = groups[prefix]
            wanted = [names[index][2:] for index in indexes]
            rows = stat_rows(row.stats)
            if row.names != wanted:
                known = dict(zip(row.names, rows, strict=True))
                rows = [known.get(name, _NEVER) for name in wanted]
            for index, stats in zip(indexes, rows, strict=True):
                at = index * STAT_BYTES
                found[at : at + STAT_BYTES] = stats
        return bytes(found)

    def _rows(self, prefixes: Iterable[str]) -> Iterator[tuple[str, FolderRow]]:
        """What the StatCache knows of the objects' folders, some at a time."""
        ordered = sorted(prefixes)
        for start in range(0, len(ordered), _ROWS_AT_ONCE):
            some = ordered[start : start + _ROWS_AT_ONCE]
            rows = self.statcache.folders([f"{self.root}/{prefix}" for prefix in some], OBJECTS)
            for prefix in some:
                row = rows.pop(f"{self.root}/{prefix}", None)
                if row is not None:
                    yield prefix, row

    def note_verified(self, names: list[str], stats: bytes, *, flushed: bool) -> None:
        """Remembers that these objects' bytes are what their names say, under these stats."""
        if flushed:
            self._flushed.update(names)
        groups = _by_prefix(names)
        prefixes = list(groups)
        for start in range(0, len(prefixes), _ROWS_AT_ONCE):
            some = prefixes[start : start + _ROWS_AT_ONCE]
            old_rows = dict(self._rows(some))
            rows: dict[bool, list[tuple[str, FolderRow]]] = {True: [], False: []}
            for prefix in some:
                indexes, old = groups[prefix], old_rows.get(prefix)
                rest = [names[index][2:] for index in indexes]
                columns = [stats[(at := i * STAT_BYTES) : at + STAT_BYTES] for i in indexes]
                if len(set(rest)) != len(rest) or (old is not None and old.names != rest):
                    known = dict(zip(old.names, stat_rows(old.stats), strict=True)) if old else {}
                    known.update(zip(rest, columns, strict=True))
                    rest = sorted(known)
                    columns = [known[name] for name in rest]
                # One row, one word on flushing: it must hold for those remembered before, too.
                durable = flushed and (old is None or old.flushed)
                row = FolderRow(rest, b"".join(columns), b"")
                rows[durable].append((f"{self.root}/{prefix}", row))
            for durable, group in rows.items():
                if group:
                    self.statcache.put_folders(group, OBJECTS, flushed=durable)

    def verify(self, names: list[str]) -> set[str]:
        """Reads objects in full unless they are known to be good; returns those that are not.

        The damaged ones are in quarantine afterwards, hence missing; so are the missing ones
        returned.
        """
        known, now = self.verified_stats(names), batches.stat_batch(self.root, names)
        doubtful = [
            name
            for index, name in enumerate(names)
            if known[(at := index * STAT_BYTES) : at + STAT_BYTES] != now[at : at + STAT_BYTES]
            or now[at : at + STAT_BYTES] == _NEVER
        ]
        bad: set[str] = set()
        calls = [
            (self.root, doubtful[start : start + BATCH], self.algorithm)
            for start in range(0, len(doubtful), BATCH)
        ]
        good: list[str] = []
        stats: list[bytes] = []
        with Pool(batches, len(calls)) as pool:
            for number, (outcomes, found) in pool.map("verify_batch", calls):
                for index, (name, outcome) in enumerate(
                    zip(calls[number][1], outcomes, strict=True)
                ):
                    if outcome == batches.DONE:
                        good.append(name)
                        stats.append(found[index * STAT_BYTES : (index + 1) * STAT_BYTES])
                        continue
                    bad.add(name)
                    if outcome == batches.CORRUPT or self._is_no_file(name):
                        self.quarantine(name)
        if good:
            self.note_verified(good, b"".join(stats), flushed=False)
        return bad

    def _is_no_file(self, name: str) -> bool:
        """Tells of what could not be opened whether it is in the way of an object.

        Raises DiskError for an object that is there and may not be read: nobody knows what it is.
        """
        path = self.path(name)
        try:
            found = os.lstat(path)
        except OSError:
            return False
        if not stat.S_ISREG(found.st_mode):
            return True
        if not os.access(path, os.R_OK):
            fsio.fail(PermissionError(errno.EACCES, os.strerror(errno.EACCES)), path)
        return False

    def quarantine(self, name: str) -> str | None:
        """Moves a damaged object out of the way, never deletes it. Returns where it is now."""
        folder = f"{self.root}/quarantine"
        self.make_dir(folder)
        target = f"{folder}/{name}.{os.urandom(4).hex()}"
        try:
            fsio.replace(self.path(name), target)
        except FileNotFoundError:
            return None
        return target

    def quarantined(self) -> set[str]:
        """Names of the objects that lie in quarantine."""
        try:
            found = os.listdir(f"{self.root}/quarantine")
        except (FileNotFoundError, NotADirectoryError):
            return set()
        return {name for name in map(name_of_quarantined, found) if is_object_name(name)}

    # -- writing ----

    def make_dir(self, path: str) -> None:
        """Makes a folder and its parents up to the root, shared with the group where wanted."""
        inside = path.startswith(self.root + "/")
        if os.path.isdir(path):
            if inside and os.path.islink(path):
                fsio.fail(NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)), path)
            return
        parent = os.path.dirname(path)
        if parent != path:
            self.make_dir(parent)
        if not (self._make_shared(path) if self.shared else fsio.make_dir(path, _NEW_DIR_MODE)):
            return
        if not inside:
            # Below the root those who publish flush; the way to the root is flushed once, here.
            fsio.sync_dir(parent)

    def _make_shared(self, path: str) -> bool:
        """Makes a folder that the group may write to; nobody meets it before it may.

        Staging folders are their makers' alone, so nobody else may rename what lies in `tmp`.
        """
        tmp = f"{self.root}/tmp"
        mode = _SHARED_DIR_MODE | (_STICKY if path == tmp else 0)
        # The way to `tmp`, and itself, are made once, before anything else is done.
        new = f"{tmp}/{staging_name()}" if os.path.isdir(tmp) else path
        if not fsio.make_dir(new, mode, exactly=new == path):
            return False
        fsio.chmod(new, mode)
        if new == path or fsio.publish(new, path):
            return True
        fsio.rmdir(new)  # somebody else was faster
        return False

    def make_prefixes(self, names: Iterable[str]) -> list[str]:
        """Makes the folders that these objects go to; returns their paths."""
        paths = [f"{self.root}/{prefix}" for prefix in sorted({name[:2] for name in names})]
        for path in paths:
            self.make_dir(path)
        return paths


def name_of_quarantined(file: str) -> str:
    """The object that `<name>.<random>` in a quarantine was."""
    return file.rpartition(".")[0]


def _by_prefix(names: list[str]) -> dict[str, array[int]]:
    """Indexes of names by their first two digits, in the order of the names: as rows have them."""
    order = sorted(range(len(names)), key=names.__getitem__)
    ordered = [names[index] for index in order]
    groups: dict[str, array[int]] = {}
    start = 0
    while start < len(order):
        prefix = ordered[start][:2]
        end = bisect_left(ordered, f"{prefix}g", start)  # g comes after every digit
        groups[prefix] = array("q", order[start:end])
        start = end
    return groups
