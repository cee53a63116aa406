"""From staged bytes to objects: flushed, then named, then the names flushed.

The one way by which copies and downloads become objects (docs/durability.md, section 3).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Collection, Iterable
from types import TracebackType

from pannier.core.errors import DiskError
from pannier.core.pattern import pattern
from pannier.disk import batches, fsio, trees
from pannier.disk.clock import clock_ns
from pannier.disk.faults import real_name
from pannier.disk.pool import BATCH, Pool
from pannier.disk.walk import STAT_BYTES
from pannier.store.objects import Store, boot_mark, staging_name
from pannier.store.reuse import note_reuse

_OLD_S = 24 * 3600
_FLUSHED_AFTER_NS = 600_000_000_000
KEPT_NAMES = "names"
"""A file in a staging folder that says which object each of its files is to become."""

_OURS = pattern(r"([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\Z")


class Staging:
    """A private folder on the objects' file system, gone afterwards. Use as a context manager.

    path: the folder; what is staged there is named by numbers. Locked as long as it is used, so
    that leftovers of the dead can be told from work in progress; what is left over is swept.

    keep: when an error ends the use, what is staged stays for another run (`store.resuming`).

    In a shared cache others may rename the folder and put a link into its place. There `path` goes
    through an open descriptor, also for our worker processes, and nothing is found elsewhere.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.path = self._folder = ""
        self.keep = False

    def __enter__(self) -> Staging:
        store = self._store
        parent = f"{store.root}/tmp"
        store.make_dir(parent)
        store.hold()
        sweep(store)
        self._folder = f"{parent}/{staging_name()}"
        fsio.make_dir(self._folder, 0o700)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self._folder, flags)
        through = f"/proc/{os.getpid()}/fd/{self._fd}"
        self.path = through if store.shared and os.path.isdir(through) else self._folder
        with contextlib.suppress(OSError):
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.barrier = fsio.Barrier(store.root)
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if isinstance(_value, OSError) and str(_value.filename).startswith(self.path):
            _value.filename = real_name(_value.filename)
        if not self.keep or isinstance(_value, (OSError, DiskError)):
            with contextlib.suppress(OSError):
                trees.remove_tree(self._folder)
        self.barrier.close()
        os.close(self._fd)

    def file(self, number: int) -> str:
        return f"{self.path}/{number}"

    def publish(self, items: Iterable[tuple[int, str]], *, protect: bool = False) -> None:
        """Makes staged files objects: (number, name) each, whose bytes were hashed.

        protect: they do not have the mode of objects yet.

        A name that exists keeps its object, if that is what its name says; a damaged one goes to
        quarantine and the staged file takes its place.
        """
        store = self._store
        fresh: dict[str, int] = {}
        for number, name in items:
            fresh.setdefault(name, number)
        names, numbers = list(fresh), list(fresh.values())
        few = fsio.at_most_few(self.file(number) for number in numbers)
        self.barrier.flush(few)
        store.make_prefixes(names)
        done, met_late = self._name(names, numbers, protect)
        for name in store.verify(sorted(met_late)):
            # Somebody else published the same name meanwhile, and theirs is damaged.
            if not fsio.publish(self.file(fresh[name]), store.path(name)):
                raise DiskError(
                    store.path(name),
                    errno.EEXIST,
                    "it is there, but cannot be read to see whether it is good",
                    hint="check who owns it and its rights",
                )
        flush_names(store, self.barrier, names)
        store.note_verified(list(done), b"".join(done.values()), flushed=fsio.policy != "none")

    def _name(
        self, names: list[str], numbers: list[int], protect: bool
    ) -> tuple[dict[str, bytes], list[str]]:
        """Gives the files their names: (name -> stats of what was named, names that existed)."""
        calls = [
            (self.path, numbers[at : at + BATCH], names[at : at + BATCH], self._store.root, protect)
            for at in range(0, len(names), BATCH)
        ]
        done: dict[str, bytes] = {}
        met: list[str] = []
        with Pool(batches, len(calls)) as pool:
            for number, (outcomes, stats) in pool.map("publish_batch", calls):
                for at, name in enumerate(calls[number][2]):
                    if outcomes[at] == batches.DONE:
                        done[name] = stats[at * STAT_BYTES : (at + 1) * STAT_BYTES]
                    else:
                        met.append(name)
        return done, met


def flush_names(store: Store, barrier: fsio.Barrier, names: Collection[str]) -> None:
    """Makes the names of objects survive a power loss."""
    if not names:
        return
    few = fsio.at_most_few({store.folder(name) for name in names} | {store.root})
    if few is None:
        barrier.flush()
        return
    for folder in few:
        fsio.sync_dir(folder)


def settle(store: Store, names: Iterable[str]) -> None:
    """Makes objects durable that were found here.

    Whoever put them may have been killed before its flush, may be at work on the same cache right
    now, or may be real DVC, which never flushes. What changed long ago is on disk.
    """
    if fsio.policy == "none":
        return
    newest = 0
    for prefix in {name[:2] for name in names if not store.is_flushed(name)}:
        with contextlib.suppress(OSError):
            newest = max(newest, os.stat(f"{store.root}/{prefix}").st_ctime_ns)
    if not newest:
        return
    scratch = f"{store.root}/tmp"
    store.make_dir(scratch)
    if newest > clock_ns(scratch) - _FLUSHED_AFTER_NS:
        with fsio.barrier(store.root) as barrier:
            barrier.flush()


def put_bytes(store: Store, name: str, data: bytes) -> None:
    """Stores a small object (a manifest). Everything that it refers to is durable already."""
    store.hold()
    if store.has(name) and not store.verify([name]):
        settle(store, [name])
        note_reuse(store, [name])
        return
    with Staging(store) as staging:
        fd = fsio.create_new(staging.file(0), 0o600)
        try:
            fsio.write_all(fd, data, staging.file(0))
            fsio.fchmod(fd, 0o444)
        finally:
            os.close(fd)
        staging.publish([(0, name)])


def sweep(store: Store) -> None:
    """Removes staging folders of this machine whose process is gone, and anybody's after a day.

    Downloads that broke off wait a day for who goes on with them.
    """
    parent = f"{store.root}/tmp"
    if not os.path.isdir(parent) or os.path.islink(parent):
        return
    mark = boot_mark()
    for entry in os.scandir(parent):
        ours = _OURS.match(entry.name)
        if ours is None or not entry.is_dir(follow_symlinks=False):
            continue
        boot, pid = ours.groups()
        if boot == mark and os.path.exists(f"/proc/{pid}"):
            continue
        try:
            # By the clock of that file system: ours may be years ahead of another machine's.
            kept = boot != mark or _holds_downloads(entry.path)
            if kept and _age_s(parent, entry) < _OLD_S:
                continue
            fd = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            trees.remove_tree(entry.path)
        except OSError:
            pass  # in use, or another user's
        finally:
            os.close(fd)


def _holds_downloads(folder: str) -> bool:
    """True for what broke off before all that came had its name."""
    names = os.listdir(folder)
    return KEPT_NAMES in names and len(names) > 1


def _age_s(parent: str, entry: os.DirEntry[str]) -> float:
    return (clock_ns(parent) - entry.stat(follow_symlinks=False).st_mtime_ns) / 1e9
