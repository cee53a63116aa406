"""Cargo: files that are to be brought from elsewhere, and the two ways to unload them.

What was asked for is a file or a folder. Its files may come from several places at once: a cache,
a remote, a Git repository, any place that a transport reaches. `unload` puts them into a folder of
the caller's, `stow` into a store. Both hash what arrives, and neither gives a name to what did not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pannier.core.digest import MD5
from pannier.core.errors import BadPath, TransferFailed
from pannier.core.events import Progress, Task
from pannier.core.path import all_plain, reason_to_refuse
from pannier.core.record import dataclass
from pannier.core.typed import Any, Protocol
from pannier.disk import batches, fsio, trees
from pannier.disk.walk import FIELDS
from pannier.store.objects import Store
from pannier.store.pace import Pace
from pannier.store.publishing import Staging, settle
from pannier.store.remote import Remote
from pannier.store.remote_config import RemoteConfig
from pannier.store.reuse import note_reuse
from pannier.store.transfer import retrying
from pannier.store.transport import OnBytes, Result
from pannier.store.transports.local import LocalTransport

_GROUP_FILES = 20_000
_PASSED_ON = 500
"""So many files at a time go through the scratch folder on their way to a remote."""


class Supply(Protocol):
    """A place that files are brought from: what of a Transport that takes."""

    jobs_default: int

    def download_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        """As Transport has it: (key, local path that does not exist, expected MD5 or "")."""
        ...

    def close(self) -> None: ...


Item = tuple[str, str, str]
"""(path below what was asked for, '' for a single file; key; expected MD5 or "")."""


class Got(NamedTuple):
    """What arrived under one path."""

    md5: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Lot:
    """The files of one supply. where: for messages."""

    supply: Supply
    items: list[Item]
    where: str


@dataclass(frozen=True, slots=True)
class Cargo:
    """All that was asked for. what: as the user named it. has_list: a folder whose list of files
    is an object at the source, too. sources: opened on the way, to be closed with it."""

    what: str
    is_dir: bool
    lots: list[Lot]
    has_list: bool = False
    sources: tuple[Any, ...] = ()

    @property
    def count(self) -> int:
        return sum(len(lot.items) for lot in self.lots)

    def close(self) -> None:
        for lot in self.lots:
            lot.supply.close()
        for source in self.sources:
            source.close()

    def check(self) -> None:
        """Raises BadPath for a path that may not come from elsewhere, or two that exclude each
        other (docs/durability.md, hostile input S1)."""
        paths = [path for lot in self.lots for path, _, _ in lot.items]
        if not self.is_dir:
            return
        if not all_plain(paths):
            for path in paths:
                why = reason_to_refuse(path)
                if why is not None:
                    raise BadPath(path=path, reason=why, where=f"'{self.what}'")
        known = set(paths)
        if len(known) != len(paths):
            twice = next(path for path in paths if paths.count(path) > 1)
            raise BadPath(path=twice, reason="it is there twice", where=f"'{self.what}'")
        folders: set[str] = set()
        for path in paths:
            parent = path.rpartition("/")[0]
            while parent and parent not in folders:
                folders.add(parent)
                parent = parent.rpartition("/")[0]
        for path in sorted(folders & known):
            raise BadPath(path=path, reason="it is a file and a folder", where=f"'{self.what}'")


def unload(cargo: Cargo, new: str, jobs: int | None, progress: Progress) -> dict[str, Got]:
    """Puts a file under the name new, or a folder's files below it. Returns path -> what arrived.

    Nothing is flushed. Raises BadPath, TransferFailed when something did not arrive.
    """
    cargo.check()
    if cargo.is_dir:
        fsio.make_dir(new)
    got: dict[str, Got] = {}
    task = progress.task(f"Downloading {cargo.what}", cargo.count)
    made: set[str] = {new}
    for lot in cargo.lots:
        again: list[tuple[str, str]] = []
        first: dict[str, str] = {}
        calls: list[tuple[str, str, str]] = []
        for path, key, expected in lot.items:
            if key in first:
                again.append((path, first[key]))
                continue
            first[key] = path
            target = _target(new, path, made)
            calls.append((key, target, expected))
        for key, row in _bring(lot, calls, jobs, task).items():
            got[first[key]] = row
        got |= _copies(new, again, got, made, task)
    task.close()
    return got


def _target(new: str, path: str, made: set[str]) -> str:
    if not path:
        return new
    target = f"{new}/{path}"
    folder = os.path.dirname(target)
    if folder not in made:
        fsio.make_dirs(folder)
        made.add(folder)
    return target


def _copies(
    new: str, again: list[tuple[str, str]], got: dict[str, Got], made: set[str], task: Task
) -> dict[str, Got]:
    """The same bytes under further paths: (path, path of the first). They travel once."""
    if not again:
        return {}
    here = LocalTransport(RemoteConfig("here", "/"))
    done = {path: got[first] for path, first in again}
    for path, first in again:
        call = (f"{new}/{first}"[1:], _target(new, path, made), done[path].md5)
        for result in here.download_many([call], 1, Pace(1)):
            if result.error is not None:
                raise result.error
        task.advance()
    return done


def stow(store: Store, cargo: Cargo, jobs: int | None, progress: Progress) -> dict[str, Got]:
    """Puts all files into a store, under their digests and durable. Path -> what it holds.

    What the store has already does not travel. Raises BadPath, TransferFailed; what arrived before
    a failure stays as objects.
    """
    cargo.check()
    store.make_dir(store.root)
    store.hold()
    got: dict[str, Got] = {}
    task = progress.task(f"Importing {cargo.what}", cargo.count)
    for lot in cargo.lots:
        here = _held(store, {expected for _, _, expected in lot.items if expected})
        paths: dict[str, list[str]] = {}
        wanted: dict[str, str] = {}
        for path, key, expected in lot.items:
            if expected in here:
                got[path] = Got(expected, here[expected])
                task.advance()
                continue
            paths.setdefault(key, []).append(path)
            wanted[key] = expected
        keys = list(wanted)
        for at in range(0, len(keys), _GROUP_FILES):
            group = [(key, wanted[key]) for key in keys[at : at + _GROUP_FILES]]
            for key, row in _stow_group(store, lot, group, jobs, task).items():
                got |= dict.fromkeys(paths[key], row)
    task.close()
    return got


def _held(store: Store, names: set[str]) -> dict[str, int]:
    """Those of names that are here, good and durable: name -> size in bytes."""
    present = sorted(store.present(names))
    bad = store.verify(present)
    good = [name for name in present if name not in bad]
    settle(store, good)
    note_reuse(store, good)
    stats = memoryview(batches.stat_batch(store.root, good)).cast("q")
    return dict(zip(good, stats[2::FIELDS].tolist(), strict=True)) if good else {}


def _stow_group(
    store: Store, lot: Lot, group: list[tuple[str, str]], jobs: int | None, task: Task
) -> dict[str, Got]:
    with Staging(store) as staging:
        calls = [(key, staging.file(at), md5) for at, (key, md5) in enumerate(group)]
        got = _bring(lot, calls, jobs, task)
        staging.publish([(at, got[key].md5) for at, (key, _) in enumerate(group)], protect=True)
    return got


def _bring(
    lot: Lot, calls: list[tuple[str, str, str]], jobs: int | None, task: Task
) -> dict[str, Got]:
    """Downloads: key -> what arrived. What is temporary is tried again."""
    supply = lot.supply
    pace = Pace(jobs or supply.jobs_default)
    pace.show(task)
    tried = False

    def send(some: Iterable[tuple[str, str, str]]) -> Iterator[Result]:
        nonlocal tried
        some = list(some)
        for _, path, _ in some if tried else ():
            if os.path.lexists(path):
                fsio.remove_if_there(path)
        tried = True
        return supply.download_many(some, pace.jobs, pace)

    got: dict[str, Got] = {}
    failed: dict[str, Exception | None] = {}
    for result in retrying(calls, send, lambda call: call[0], pace) if calls else ():
        task.advance()
        if result.error is not None or result.md5 is None:
            failed[result.key] = result.error
        else:
            got[result.key] = Got(result.md5, result.size_bytes)
    if failed:
        paths = {key: path for path, key, _ in reversed(lot.items)}
        rows = [(paths[key] or lot.where, str(why)) for key, why in sorted(failed.items())]
        raise TransferFailed(len(rows), "download", rows)
    return got


def pass_on(
    cargo: Cargo, remote: Remote, scratch: str, jobs: int | None, progress: Progress
) -> dict[str, Got]:
    """Sends all files on to a remote, a group at a time by way of a scratch folder: what lies
    there is never more than that. A folder's list is for the caller to send, when all arrived.

    Path -> what was sent. Raises BadPath, TransferFailed.
    """
    cargo.check()
    got: dict[str, Got] = {}
    number = 0
    for lot in cargo.lots:
        for at in range(0, len(lot.items), _PASSED_ON):
            number += 1
            part = Lot(lot.supply, lot.items[at : at + _PASSED_ON], lot.where)
            some = unload(
                Cargo(cargo.what, cargo.is_dir, [part]), f"{scratch}/{number}", jobs, progress
            )
            _send(remote, f"{scratch}/{number}", some, jobs)
            got |= some
            trees.remove_tree(f"{scratch}/{number}") if cargo.is_dir else None
    return got


def _send(remote: Remote, folder: str, some: dict[str, Got], jobs: int | None) -> None:
    items: dict[str, tuple[str, str, str]] = {}
    for path, row in some.items():
        local = f"{folder}/{path}" if path else folder
        key = remote.key(MD5, row.md5)
        items[key] = (local, key, row.md5)
    failed: list[tuple[str, str]] = []
    paths = {remote.key(MD5, row.md5): path for path, row in some.items()}

    pace = Pace(jobs or remote.jobs)

    def send(calls: Iterable[tuple[str, str, str]]) -> Iterator[Result]:
        return remote.transport.upload_many(calls, pace.jobs, pace)

    for result in retrying(list(items.values()), send, lambda item: item[1], pace):
        if result.error is not None:
            failed.append((paths[result.key], str(result.error)))
    if failed:
        raise TransferFailed(len(failed), "upload", failed)
