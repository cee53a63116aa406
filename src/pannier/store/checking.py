"""Checking: every byte of objects is read again and hashed, here or at a remote.

Nothing that is remembered counts: the question is what the disk holds now.
"""

from __future__ import annotations

import os
import random
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from pannier.core.digest import LEGACY, is_object_name
from pannier.core.errors import CorruptObject, DiskError, NotThere, TransportError
from pannier.core.events import Task
from pannier.core.manifest import Manifest, parse_manifest
from pannier.core.record import dataclass, field
from pannier.disk import fsio, sweeping
from pannier.disk.hashing import hex_of_file
from pannier.disk.pool import BATCH, Pool, cpu_count
from pannier.disk.reading import read_regular
from pannier.store.objects import Store, name_of_quarantined
from pannier.store.pace import Pace
from pannier.store.remote import Remote
from pannier.store.schemes import LOCAL, scheme_of
from pannier.store.statcache import StatCache
from pannier.store.transfer import Transferred, retrying
from pannier.store.transport import Result

_FEW, _SMALL_BYTES = 200, 32 << 20
"""So few and so little is read faster than a worker process is started."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One object that is not what its name says. moved_to: where it lies now, "" if it stayed."""

    algorithm: str
    name: str
    problem: str
    moved_to: str = ""


@dataclass(slots=True)
class Checked:
    """count, size_bytes: what was read and is there. damaged: what is wrong. unread: what a remote
    did not give, so that nothing is known of it. gone: why nothing more was asked for, when the
    remote did not answer any more; else ""."""

    count: int = 0
    size_bytes: int = 0
    damaged: list[Damage] = field(default_factory=list)
    unread: list[Damage] = field(default_factory=list)
    gone: str = ""

    def add(self, other: Checked) -> None:
        self.count += other.count
        self.size_bytes += other.size_bytes
        self.damaged += other.damaged


def check_store(
    store: Store, names: Sequence[str], task: Task, keep: Collection[str] = ()
) -> Checked:
    """Reads objects; those that are wrong are in quarantine afterwards, where that can be written;
    none is deleted.

    A manifest whose digest is right but that is no list of files stays where it is. keep:
    manifests that the store shall remember, because they are asked for next.
    """
    checked, wrong = _read_all(store.root, names, store.algorithm, task)
    for name, problem, readable in wrong:
        moved = ""
        try:
            moved = (store.quarantine(name) or "") if readable else ""
        except (
            DiskError,
            OSError,
        ) as error:  # read-only, full: what was found is told all the same
            problem += f", and it cannot be moved aside ({os.strerror(error.errno or 0)})"
        checked.damaged.append(Damage(store.algorithm, name, problem, moved))
    known = {damage.name for damage in checked.damaged}
    for name in names:
        if name.endswith(".dir") and name not in known:
            with suppress(FileNotFoundError):
                data = read_regular(store.path(name))
                manifest, damage = _parsed(store.algorithm, name, data)
                checked.damaged += damage
                if manifest is not None and name in keep:
                    store.keep_manifest(name, manifest)
    return checked


def _parsed(algorithm: str, name: str, data: bytes) -> tuple[Manifest | None, list[Damage]]:
    try:
        return parse_manifest(data, name), []
    except CorruptObject as error:
        return None, [Damage(algorithm, name, f"it is no list of files: {error.reason}")]


def _read_all(
    root: str, names: Sequence[str], algorithm: str, task: Task
) -> tuple[Checked, list[tuple[str, str, bool]]]:
    """Reads and counts; returns (name, problem, whether its bytes could be read) of the wrong."""
    calls = [(root, part, algorithm) for part in _parts(root, list(names))]
    checked = Checked()
    wrong: list[tuple[str, str, bool]] = []
    with Pool(sweeping, len(calls)) as pool:
        for number, (outcomes, size_bytes, notes) in pool.map("check_batch", calls):
            part = calls[number][1]
            checked.count += len(part) - outcomes.count(sweeping.GONE)
            checked.size_bytes += size_bytes
            for index, note in notes:
                is_wrong = outcomes[index] == sweeping.WRONG
                problem = f"its bytes have the digest {note}" if is_wrong else note
                wrong.append((part[index], problem, is_wrong))
            task.advance(len(part))
    return checked, wrong


def _parts(root: str, names: list[str]) -> Iterator[list[str]]:
    """Batches of names, so that all processors have something to do until the end."""
    size = min(BATCH, max(1, len(names) // (8 * cpu_count())))
    if len(names) <= _FEW and _total_bytes(root, names) <= _SMALL_BYTES:
        size = max(1, len(names))
    for at in range(0, len(names), size):
        yield names[at : at + size]


def _total_bytes(root: str, names: list[str]) -> int:
    total = 0
    for name in names:
        with suppress(OSError):
            total += os.lstat(f"{root}/{name[:2]}/{name[2:]}").st_size
    return total


# -- a remote ----


def check_remote(
    remote: Remote,
    algorithm: str,
    sizes: Mapping[str, int | None],
    scratch: str,
    jobs: int,
    task: Task,
) -> Checked:
    """Reads objects of a remote. sizes: of those to be read. scratch: an empty folder, for bytes
    on their way through. Those that are wrong are moved to the remote's own quarantine."""
    folder = folder_store(remote, algorithm)
    if folder is not None:
        return check_store(folder, sorted(sizes), task)
    checked, asked, pace = Checked(), Transferred(), Pace(jobs)
    paths = {remote.key(algorithm, name): (name, f"{scratch}/{name}") for name in sizes}
    items = [(key, path, "") for key, (_, path) in paths.items()]

    def bring(some: Iterable[tuple[str, str, str]]) -> Iterator[Result]:
        return remote.transport.download_many(some, pace.jobs, pace)

    for result in retrying(items, bring, lambda item: item[0], pace) if items else ():
        name, path = paths[result.key]
        task.advance()
        asked.note(name, result.error)
        if result.error is not None:
            fsio.remove_if_there(path)
            continue
        checked.count += 1
        checked.size_bytes += result.size_bytes
        found = hex_of_file(path, LEGACY) if algorithm == LEGACY else result.md5 or ""
        if found != name[:32]:
            moved = _move_aside(remote, algorithm, name, path)
            problem = f"its bytes have the digest {found}"
            checked.damaged.append(Damage(algorithm, name, problem, moved))
        elif name.endswith(".dir"):
            with open(path, "rb") as file:
                checked.damaged += _parsed(algorithm, name, file.read())[1]
        fsio.remove_if_there(path)
    checked.gone, problems = unread_of(asked)
    checked.unread += [Damage(algorithm, name, why) for name, why in problems.items()]
    return checked


def unread_of(asked: Transferred) -> tuple[str, dict[str, str]]:
    """Why the remote is gone, or ""; and what it did not give, though it is there, with the reason.
    All that were asked for in vain at the end have that one reason."""
    gone = str(asked.gone() or "")
    row = set(asked.in_vain())
    return gone, {
        name: gone if name in row else str(error)
        for name, error in asked.failed.items()
        if not isinstance(error, NotThere | CorruptObject)
    }


def folder_store(remote: Remote, algorithm: str) -> Store | None:
    """A remote that is a folder, as a store: it has the same layout. None for the others."""
    if scheme_of(remote.config.url) != LOCAL:
        return None
    root = remote.config.url.removeprefix("file://").rstrip("/")
    base = _base(remote, algorithm)
    return Store(f"{root}/{base}" if base else root, StatCache(None), algorithm)


def _move_aside(remote: Remote, algorithm: str, name: str, path: str) -> str:
    """Keeps a wrong object of a remote under another key; returns it, "" where that failed."""
    base = _base(remote, algorithm)
    key = f"{base}/quarantine/{name}.{os.urandom(4).hex()}".lstrip("/")
    try:
        for result in remote.transport.upload_many([(path, key, "")], 1, lambda count: None):
            if result.error is not None:
                return ""
        remote.transport.flush()
        remote.transport.delete(remote.key(algorithm, name))
    except (TransportError, DiskError):
        return ""
    return f"{remote.transport.url.rstrip('/')}/{key}"


def quarantined_there(remote: Remote, algorithm: str) -> set[str]:
    """Names of the objects that lie in a remote's quarantine."""
    prefix = f"{_base(remote, algorithm)}/quarantine/".lstrip("/")
    files = (entry.key.removeprefix(prefix) for entry in remote.transport.list(prefix))
    return {name for name in map(name_of_quarantined, files) if is_object_name(name)}


def _base(remote: Remote, algorithm: str) -> str:
    """The key below which a layout's objects lie, without a slash at its end."""
    return remote.key(algorithm, "").rstrip("/")


def some_of(names: Iterable[str], percent: float | None) -> list[str]:
    """All names, or that share of them, drawn anew each time; at least one."""
    ordered = sorted(names)
    if percent is None or percent >= 100 or not ordered:
        return ordered
    count = max(1, round(len(ordered) * percent / 100))
    return sorted(random.SystemRandom().sample(ordered, count))
