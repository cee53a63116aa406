"""Trash: what garbage collection took out of a store, and can bring back.

`trash/<UTC time>/` holds what one run took, flat, each object under its whole name; with `.gone`
behind the time it is being emptied. A kill anywhere leaves objects that nothing refers to, in the
store or in the trash: the next run goes on (docs/durability.md, section 3.5).
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from pannier.core.digest import is_object_name
from pannier.core.events import Task
from pannier.core.gc import GcPlan, split
from pannier.core.record import dataclass
from pannier.disk import fsio, sweeping
from pannier.disk.pool import BATCH
from pannier.store.objects import Store
from pannier.store.publishing import flush_names

_TIME = re.compile(r"\d{8}T\d{6}\.\d{6}Z\Z")
_GONE = ".gone"
T = TypeVar("T")


def mark_of(clock_ns: int) -> str:
    """A folder's name for a moment."""
    seconds, rest = divmod(clock_ns, 1_000_000_000)
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds)) + f".{rest // 1000:06}Z"


def marks(store: Store) -> list[str]:
    """The folders of the trash that can be brought back, oldest first."""
    return [name for name in _listed(f"{store.root}/trash") if _TIME.match(name)]


def names_in(store: Store, mark: str) -> list[str]:
    """The objects in one folder of the trash."""
    return [name for name in _listed(f"{store.root}/trash/{mark}") if is_object_name(name)]


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def take_out(store: Store, plan: GcPlan, mark: str, task: Task) -> int:
    """Moves objects into a folder of the trash, manifests first; returns how many."""
    if not plan.total:
        return 0
    folder = f"{store.root}/trash/{mark}"
    for path in (f"{store.root}/trash", folder):
        store.make_dir(path)
        fsio.sync_dir(os.path.dirname(path))
    moved = 0
    with fsio.barrier(store.root) as barrier:
        for names in (plan.manifests, plan.files):
            for _, codes in _spread(
                partial(sweeping.move_out_batch, store.root, folder), names, task
            ):
                moved += codes.count(sweeping.DONE)
            # A manifest is gone for good before the first file that it names.
            _flush(store, barrier, names, folder)
    return moved


@dataclass(slots=True)
class BroughtBack:
    """restored: objects back in the store. there: good ones of the same name that were there."""

    restored: int = 0
    there: int = 0


def bring_back(store: Store, mark: str, task: Task) -> BroughtBack:
    """Moves what is in a folder of the trash back, files first. Nothing is overwritten: an object
    that is there again, and good, stays, and the one in the trash goes; a damaged one goes to
    quarantine."""
    folder = f"{store.root}/trash/{mark}"
    manifests, files = split(names_in(store, mark))
    done = BroughtBack()
    with fsio.barrier(store.root) as barrier:
        for names in (files, manifests):
            store.make_prefixes(names)
            met = _move_back(store, folder, names, done, task)
            bad = store.verify(met)
            _move_back(store, folder, sorted(bad), done, task)
            good = [name for name in met if name not in bad]
            done.there += sweeping.remove_batch(folder, good)
            _flush(store, barrier, names, folder)
    _drop_folder(folder)
    return done


def _move_back(
    store: Store, folder: str, names: list[str], done: BroughtBack, task: Task
) -> list[str]:
    """Returns the names that exist in the store."""
    met: list[str] = []
    for some, codes in _spread(partial(sweeping.move_back_batch, folder, store.root), names, task):
        done.restored += codes.count(sweeping.DONE)
        if sweeping.EXISTS in codes:
            met += [n for n, code in zip(some, codes, strict=True) if code == sweeping.EXISTS]
    return met


def due(store: Store, older_than_ns: int | None) -> list[str]:
    """The folders whose objects `empty` removes for good.

    older_than_ns: only folders whose time is before, and what a killed run had begun to remove;
    None for all.
    """
    limit = None if older_than_ns is None else mark_of(older_than_ns)
    return [
        name
        for name in _listed(f"{store.root}/trash")
        if _TIME.match(name.removesuffix(_GONE))
        and (limit is None or name.endswith(_GONE) or name < limit)
    ]


def empty(store: Store, older_than_ns: int | None, task: Task) -> int:
    """Removes what is in the trash, and `due`, for good; returns how many objects that were."""
    root = f"{store.root}/trash"
    going = {name: name.removesuffix(_GONE) + _GONE for name in due(store, older_than_ns)}
    for name, gone in going.items():
        if name != gone:
            fsio.replace(f"{root}/{name}", f"{root}/{gone}")
    return sum(_remove(f"{root}/{gone}", task) for gone in going.values())


def _remove(folder: str, task: Task) -> int:
    manifests, files = split(_listed(folder))
    removed = 0
    for names in (manifests, files):
        for _, count in _spread(partial(sweeping.remove_batch, folder), names, task):
            removed += count
    _drop_folder(folder)
    return removed


def _drop_folder(folder: str) -> None:
    try:
        fsio.rmdir(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise
        return  # somebody keeps something of his own there
    fsio.sync_dir(os.path.dirname(folder))


def _flush(store: Store, barrier: fsio.Barrier, names: list[str], folder: str) -> None:
    if names:
        fsio.sync_dir(folder)
        flush_names(store, barrier, names)


def _spread(
    operation: Callable[[list[str]], T], names: list[str], task: Task
) -> Iterator[tuple[list[str], T]]:
    """(some names, what an operation on them returned), until all are done.

    Right here and not in worker processes: the kernel moves one file at a time between folders of
    a file system, whoever asks.
    """
    for at in range(0, len(names), BATCH):
        some = names[at : at + BATCH]
        yield some, operation(some)
        task.advance(len(some))
