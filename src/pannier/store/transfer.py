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
from pannier.core.typed import Protocol
from pannier.disk import fsio
from pannier.disk.hashing import hex_of_file
from pannier.store.objects import Store
from pannier.store.pace import Pace
from pannier.store.publishing import Staging
from pannier.store.remote import Remote
from pannier.store.resuming import complete, note_names, take_over
from pannier.store.transport import Result, Transport

_TRIES = 5
_FIRST_PAUSE_S = 0.3
_IN_VAIN = 20
"""So many objects in a row that could not reach the other side, and it counts as gone for now."""

_UPLOAD_FILES = 8_192
"""So many uploads are got ready at a time; each takes half a KiB of memory."""

_GROUP_FILES = 20_000
_GROUP_BYTES = 4 << 30
"""So much is downloaded before it is flushed and published. What a kill keeps from that, the next
fetch finds again."""


class Far(Protocol):
    """What of a remote a fetch needs."""

    name: str
    transport: Transport


@dataclass(slots=True)
class Transferred:
    """done: objects that arrived. failed: name -> why not."""

    done: int = 0
    failed: dict[str, Exception] = field(default_factory=dict)
    _in_vain: int = 0
    _last: Exception | None = None

    def note(self, name: str, error: Exception | None) -> None:
        """What became of one object."""
        if error is not None:
            self.failed[name] = error
        self._in_vain = self._in_vain + 1 if isinstance(error, Unreachable) else 0
        self._last = error

    def gone(self) -> Exception | None:
        """The last error, when so many in a row did not get through that more is in vain."""
        return self._last if self._in_vain >= _IN_VAIN else None

    def in_vain(self) -> list[str]:
        """The objects of that row, the last that failed; none unless the other side is gone."""
        return list(self.failed)[-self._in_vain :] if self.gone() else []


def retrying(
    items: list[tuple[str, str, str]],
    send: Callable[[Iterable[tuple[str, str, str]]], Iterable[Result]],
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
    plain = store.algorithm != LEGACY

    def send(some: Iterable[tuple[str, str, str]]) -> Iterator[Result]:
        return remote.transport.upload_many(some, pace.jobs, pace)

    for first in range(0, len(names), _UPLOAD_FILES):
        some = names[first : first + _UPLOAD_FILES]
        if gone := report.gone():
            report.failed.update(dict.fromkeys(some, gone))
            continue
        by_key = dict(zip(remote.keys(store.algorithm, some), some, strict=True))
        items = [
            (f"{store.root}/{name[:2]}/{name[2:]}", key, name[:32] if plain else "")
            for key, name in by_key.items()
        ]
        for result in retrying(items, send, lambda item: item[1], pace):
            name = by_key[result.key]
            task.advance()
            if isinstance(result.error, CorruptObject):
                result.error.put_aside(store.quarantine(name))
            report.note(name, result.error)
            if result.error is None:
                report.done += 1


def fetch(
    store: Store,
    remote: Far,
    names: list[str],
    sizes: dict[str, int | None],
    pace: Pace,
    progress: Progress,
    keys: dict[str, str] | None = None,
) -> Transferred:
    """Downloads plain objects into a store and publishes those whose bytes are right.

    sizes: of the objects at the remote, where known. keys: where each lies, if not where remotes
    have their objects. Groups of them become durable together.
    """
    report = Transferred()
    if not names:
        return report
    task = progress.task(f"Fetching from {remote.name}", len(names))
    pace.show(task)
    store.make_dir(store.root)
    for group in groups(names, sizes, _GROUP_FILES, _GROUP_BYTES):
        if gone := report.gone():
            report.failed.update(dict.fromkeys(group, gone))
            continue
        _fetch_group(store, remote, group, _keys(store, group, keys), sizes, pace, task, report)
    task.close()
    return report


def _keys(store: Store, names: list[str], known: dict[str, str] | None) -> list[str]:
    return Remote.keys(store.algorithm, names) if known is None else [known[n] for n in names]


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


def _bring(
    store: Store,
    staging: Staging,
    remote: Far,
    names: list[str],
    keys: list[str],
    sizes: dict[str, int | None],
    pace: Pace,
    task: Task,
    report: Transferred,
) -> list[int]:
    """Downloads into staging, whose files are named by position in names; those that arrived."""
    plain = store.algorithm != LEGACY
    found = take_over(store, staging, names)
    arrived = sorted(complete(staging, found, names, sizes, store.algorithm))
    task.advance(len(arrived))
    note_names(staging, names)
    # Without a digest to be compared at the end nobody goes on with what came before.
    go_on = getattr(remote.transport, "continue_many", None) if plain else None
    bring = go_on or remote.transport.download_many
    for at in found.difference(arrived) if go_on is None else ():
        fsio.remove_if_there(staging.file(at))
    done = set(arrived)
    numbers = {key: at for at, key in enumerate(keys) if at not in done}
    items = [
        (key, staging.file(at), names[at][:32] if plain else "") for key, at in numbers.items()
    ]
    tried = False

    def send(some: Iterable[tuple[str, str, str]]) -> Iterator[Result]:
        nonlocal tried
        some = list(some)
        for _, path, _ in some if tried and go_on is None else ():
            fsio.remove_if_there(path) if os.path.lexists(path) else None
        tried = True
        return bring(some, pace.jobs, pace)

    for result in retrying(items, send, lambda item: item[0], pace) if items else ():
        at = numbers[result.key]
        error = result.error
        if error is None and not plain:
            found_hex = hex_of_file(staging.file(at), LEGACY)
            if found_hex != names[at][:32]:
                error = CorruptObject(names[at], found=found_hex, where=f"'{remote.name}'")
        if error is None:
            arrived.append(at)
        report.note(names[at], error)
        task.advance()
    return arrived


def _fetch_group(
    store: Store,
    remote: Far,
    names: list[str],
    keys: list[str],
    sizes: dict[str, int | None],
    pace: Pace,
    task: Task,
    report: Transferred,
) -> None:
    with Staging(store) as staging:
        arrived = _bring(store, staging, remote, names, keys, sizes, pace, task, report)
        staging.publish([(at, names[at]) for at in arrived], protect=True)
        report.done += len(arrived)
        rest = set(range(len(names))).difference(arrived)
        staging.keep = any(os.path.lexists(staging.file(at)) for at in rest)
