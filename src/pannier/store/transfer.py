"""Carries out a TransferPlan: files first, each manifest when all it names has arrived.

What is temporary is tried again, with growing pauses; one object that cannot travel does not stop
the others. Downloads are hashed while they stream and published only when equal.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Iterator

from pannier.core.digest import LEGACY
from pannier.core.errors import AccessDenied, CorruptObject, TransportError, Unreachable
from pannier.core.events import Progress, Task
from pannier.core.plan import TransferPlan
from pannier.core.record import dataclass, field
from pannier.disk import fsio
from pannier.disk.hashing import hex_of_file
from pannier.store.objects import Store
from pannier.store.pace import Pace
from pannier.store.publishing import Staging
from pannier.store.remote import Remote
from pannier.store.transport import Result

_TRIES = 5
_FIRST_PAUSE_S = 0.3
_IN_VAIN = 20
"""So many objects in a row that could not reach the other side, and it counts as gone for now."""

_GROUP_FILES = 20_000
_GROUP_BYTES = 4 << 30
"""So much is downloaded before it is flushed and published: what a kill loses at most."""


@dataclass(slots=True)
class Transferred:
    """done: objects that arrived. failed: name -> why not."""

    done: int = 0
    failed: dict[str, Exception] = field(default_factory=dict)


def retrying(
    items: list[tuple[str, str, str]],
    send: Callable[[Iterable[tuple[str, str, str]]], Iterator[Result]],
    key_of: Callable[[tuple[str, str, str]], str],
    pace: Pace,
) -> Iterator[Result]:
    """Sends items until each arrived or failed for good; yields one Result an item.

    When nothing gets through any more, a round ends early: a server that is gone is not asked
    for each of ten thousand objects.
    """
    for attempt in range(_TRIES):
        again: set[str] = set()
        answered: set[str] = set()
        last = attempt + 1 == _TRIES
        in_vain, gone = 0, None
        for result in send(items):
            error = result.error
            if isinstance(error, AccessDenied):
                raise error
            answered.add(result.key)
            if isinstance(error, TransportError) and error.temporary and not last:
                again.add(result.key)
            else:
                yield result
            in_vain = in_vain + 1 if isinstance(error, Unreachable) else 0
            if in_vain >= max(_IN_VAIN, 2 * pace.jobs):
                gone = error
                break
        unasked = [key_of(item) for item in items if key_of(item) not in answered] if gone else []
        if last:
            yield from (Result(key, gone) for key in unasked)
            return
        again.update(unasked)
        if not again:
            return
        items = [item for item in items if key_of(item) in again]
        pace.ease()
        time.sleep(_FIRST_PAUSE_S * 2**attempt * (0.5 + random.random()))


def push(
    store: Store, remote: Remote, plan: TransferPlan, pace: Pace, progress: Progress
) -> Transferred:
    """Uploads. A damaged object goes to quarantine instead; its manifest then stays here."""
    report = Transferred()
    task = progress.task(f"Pushing to {remote.name}", plan.total)
    pace.show(task)
    files = plan.files
    if store.algorithm == LEGACY:
        # The name is no digest of the bytes as they travel, so they are checked before.
        bad = store.verify(files)
        report.failed.update({name: CorruptObject(name, where="the cache") for name in bad})
        files = [name for name in files if name not in bad]
    _upload(store, remote, files, pace, task, report)
    remote.transport.flush()
    manifests = [
        name for name, members in plan.manifests.items() if not report.failed.keys() & set(members)
    ]
    _upload(store, remote, manifests, pace, task, report)
    remote.transport.flush()
    task.close()
    return report


def _upload(
    store: Store,
    remote: Remote,
    names: list[str],
    pace: Pace,
    task: Task,
    report: Transferred,
) -> None:
    if not names:
        return
    plain = store.algorithm != LEGACY
    by_key = dict(zip(remote.keys(store.algorithm, names), names, strict=True))
    items = [
        (f"{store.root}/{name[:2]}/{name[2:]}", key, name[:32] if plain else "")
        for key, name in by_key.items()
    ]

    def send(some: Iterable[tuple[str, str, str]]) -> Iterator[Result]:
        return remote.transport.upload_many(some, pace.jobs, pace)

    for result in retrying(items, send, lambda item: item[1], pace):
        name = by_key[result.key]
        task.advance()
        if result.error is None:
            report.done += 1
            continue
        report.failed[name] = result.error
        if isinstance(result.error, CorruptObject):
            store.quarantine(name)


def fetch(
    store: Store,
    remote: Remote,
    names: list[str],
    sizes: dict[str, int | None],
    pace: Pace,
    progress: Progress,
) -> Transferred:
    """Downloads plain objects into a store and publishes those whose bytes are right.

    sizes: of the objects at the remote, where known. Groups of them become durable together.
    """
    report = Transferred()
    if not names:
        return report
    task = progress.task(f"Fetching from {remote.name}", len(names))
    pace.show(task)
    store.make_dir(store.root)
    for group in groups(names, sizes, _GROUP_FILES, _GROUP_BYTES):
        _fetch_group(store, remote, group, pace, task, report)
    task.close()
    return report


def groups(
    names: list[str], sizes: dict[str, int | None], files: int, size_bytes: int
) -> Iterator[list[str]]:
    """Names in their order, cut where a group has so many files or bytes; unknown sizes are 0."""
    group: list[str] = []
    total = 0
    for name in names:
        group.append(name)
        total += sizes.get(name) or 0
        if len(group) >= files or total >= size_bytes:
            yield group
            group, total = [], 0
    if group:
        yield group


def _fetch_group(
    store: Store,
    remote: Remote,
    names: list[str],
    pace: Pace,
    task: Task,
    report: Transferred,
) -> None:
    plain = store.algorithm != LEGACY
    with Staging(store) as staging:
        keys = remote.keys(store.algorithm, names)
        numbers = dict(zip(keys, range(len(keys)), strict=True))
        items = [
            (key, f"{staging.path}/{at}", name[:32] if plain else "")
            for at, (key, name) in enumerate(zip(keys, names, strict=True))
        ]
        tried = False

        def send(some: Iterable[tuple[str, str, str]]) -> Iterator[Result]:
            nonlocal tried
            some = list(some)
            for _, path, _ in some if tried else ():
                fsio.remove_if_there(path) if os.path.lexists(path) else None
            tried = True
            return remote.transport.download_many(some, pace.jobs, pace)

        arrived: list[int] = []
        for result in retrying(items, send, lambda item: item[0], pace):
            at = numbers[result.key]
            error = result.error
            if error is None and not plain:
                found = hex_of_file(staging.file(at), LEGACY)
                if found != names[at][:32]:
                    error = CorruptObject(names[at], found=found, where=f"'{remote.name}'")
            if error is None:
                arrived.append(at)
            else:
                report.failed[names[at]] = error
            task.advance()
        staging.publish([(at, names[at]) for at in arrived], protect=True)
        report.done += len(arrived)
