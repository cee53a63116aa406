"""Restore: brings data in the workspace back to what it was before a change in the log.

Per file: it is left alone where it is as it was, brought back where it is as the change left it;
anything else is somebody's later work, and stops all of it before the first touch.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence

from pannier.core.digest import Digest
from pannier.core.errors import CorruptObject, MissingObject
from pannier.core.events import Progress
from pannier.core.path import is_within
from pannier.core.plan import CheckoutPlan, plan_checkout
from pannier.core.record import dataclass, field
from pannier.disk import fsio
from pannier.disk.beneath import Root, has_link_parent
from pannier.disk.copying import second_name
from pannier.disk.hashing import hex_of_file
from pannier.formats.oplog import OutputChange, Row
from pannier.project import snapshot as snapshots
from pannier.project.keeping import keys_of, record_change
from pannier.project.materialise import Materialiser
from pannier.project.project import Project
from pannier.project.snapshot import ABSENT, DIRECTORY, FILE, OTHER, Snapshot
from pannier.project.workspace import scratch_folder
from pannier.store.objects import Store


@dataclass(slots=True)
class Restore:
    """How one output is to be put back. rows: the files that are as the change left them, with
    what they are now and, in kept, where the old bytes lie if the log's folder has them. stored:
    digests that the store has. whole: afterwards the output holds what was says, and nothing else
    that this knows of.

    changed: paths (root-relative) that are neither. missing: (path, hex) of bytes that are nowhere.
    """

    path: str
    was: str | None
    executable: bool
    look: Snapshot
    rows: list[Row] = field(default_factory=list)
    stored: set[str] = field(default_factory=set)
    whole: bool = False
    changed: list[str] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)

    def shown(self, inner: str) -> str:
        return f"{self.path}/{inner}" if inner else self.path


@dataclass(slots=True)
class _History:
    """All that one entry did to one file: what it was first, what it became, where it may lie."""

    was: str | None
    became: set[str | None] = field(default_factory=set)
    kept: list[str] = field(default_factory=list)


def plan_restore(
    project: Project,
    folder: str,
    changes: Sequence[OutputChange],
    progress: Progress,
    *,
    verify: bool,
    since: Iterable[OutputChange] = (),
) -> Restore:
    """changes: all of one output, in their order. folder: of the log. verify: read the objects that
    are needed, unless they are known to be good. since: changes of it by later commands.
    """
    first = changes[0]
    if has_link_parent(project.root, first.path) is not None:
        look = Snapshot(first.path, "", first.algorithm, OTHER)
    else:
        look = snapshots.look(project, first.path, first.algorithm, progress)
        snapshots.measure_entries(project, look, progress)
    found = Restore(first.path, first.was, first.executable, look)
    if look.kind == OTHER:
        found.changed.append(first.path)
        return found
    store = project.store_of(first.algorithm)
    try:
        histories = _histories(store, changes)
    except (MissingObject, CorruptObject) as error:
        found.missing.append((first.path, error.name))
        return found
    _know_left(look, changes, histories, since)
    _compare(found, histories, folder)
    is_all = look.kind != ABSENT or first.now is None
    only_digests = first.rows is None and len(changes) == 1
    found.whole = is_all and only_digests and len(found.rows) == len(histories)
    _find_bytes(found, store, verify=verify)
    return found


def _histories(store: Store, changes: Sequence[OutputChange]) -> dict[str, _History]:
    histories: dict[str, _History] = {}
    for change in changes:
        for row in change.rows if change.rows is not None else _rows_between(store, change):
            history = histories.setdefault(row.path, _History(row.was))
            history.became.add(row.now)
            if row.kept and row.was == history.was:
                history.kept.append(row.kept)
    return histories


def _know_left(
    look: Snapshot,
    changes: Sequence[OutputChange],
    histories: dict[str, _History],
    since: Iterable[OutputChange],
) -> None:
    """What a command left unread is what it was as long as its stats are; else somebody's work.

    A later command that kept such a file read it, and an undo of that one may have brought it back.
    """
    left = [row for change in changes for row in change.left]
    keys, now = (keys_of(look), look.entries()) if left else ({}, {})
    read = {
        row: kept.was
        for change in (since if left else ())
        for row in change.stats
        for kept in change.rows or ()
        if kept.path == row[0]
    }
    for path, *key in left:
        history = histories.setdefault(path, _History(None))
        if keys.get(path) == tuple(key):
            history.became.add(now[path])
        history.became |= {read[row] for row in [(path, *key)] if row in read}


def _rows_between(store: Store, change: OutputChange) -> list[Row]:
    was, now = _files(store, change.was), _files(store, change.now)
    return [
        Row(path, was.get(path), now.get(path))
        for path in sorted(was.keys() | now.keys())
        if was.get(path) != now.get(path)
    ]


def _files(store: Store, name: str | None) -> dict[str, str]:
    if name is None:
        return {}
    return dict(store.manifest(name)) if name.endswith(".dir") else {"": name}


def _compare(found: Restore, histories: Mapping[str, _History], folder: str) -> None:
    """Sorts the files: to be put back, already back, changed by somebody since."""
    now = found.look.entries()
    others = now.keys() - histories.keys()
    folders = {above for path in others for above in _above(path)}
    for path, history in histories.items():
        there = now.get(path)
        if there == history.was:
            continue
        in_the_way = path in folders or not others.isdisjoint(_above(path))
        if there not in history.became or (history.was is not None and in_the_way):
            found.changed.append(found.shown(path))
            continue
        holding = (
            kept for kept in history.kept if _holds(folder, kept, history.was, found.look.algorithm)
        )
        found.rows.append(Row(path, history.was, there, next(holding, None)))


def _above(path: str) -> list[str]:
    """The directories of a path below the output, and '' for the output itself."""
    parents = []
    while path:
        path = path.rpartition("/")[0]
        parents.append(path)
    return parents


def _find_bytes(found: Restore, store: Store, *, verify: bool) -> None:
    names = {name for row in found.rows for name in (row.was, row.now) if name is not None}
    found.stored = store.present(names)
    needed = [row for row in found.rows if row.was is not None and row.kept is None]
    if verify:
        found.stored -= store.verify(sorted({str(row.was) for row in needed} & found.stored))
    found.missing += [
        (found.shown(row.path), str(row.was)) for row in needed if row.was not in found.stored
    ]


def _holds(folder: str, kept: str, name: str | None, algorithm: str) -> bool:
    """True when a kept file is there and has its digest: a kill may have come before it."""
    path = f"{folder}/{kept}"
    try:
        return _is_file(folder, kept) and hex_of_file(path, algorithm) == name
    except OSError:
        return False


def _is_file(folder: str, kept: str) -> bool:
    """True for a regular file in the log's folder that no link leads to."""
    if has_link_parent(folder, kept) is not None:
        return False
    try:
        return stat.S_ISREG(os.lstat(f"{folder}/{kept}").st_mode)
    except OSError:
        return False


# -- doing ---------------------------------------------------------------------------------------


def restore(project: Project, folder: str, found: Restore, progress: Progress) -> None:
    """Puts one output back. Raises FileChanged, DiskError, NoSpace; each file is then old or new.

    What this takes away and nobody else has is kept in turn, for the entry of the undo itself.
    """
    look = found.look
    plain, plan = _planned(found, [row for row in found.rows if row.kept is None])
    if look.kind == FILE and plan.delete and not plan.create:
        record_change(project, look, plan, "")
        with Root(project.root) as root:
            root.delete(look.path, look.sources[0].folder.key(0))
    elif not plan.is_empty:
        recorded = Digest(look.algorithm, found.was) if found.whole and found.was else None
        worker = Materialiser(project, look, found.executable, progress)
        emptied = found.whole and not found.was
        made = worker.apply(plan, plain, "" not in plain, recorded, emptied=emptied)
        if made.missing:
            raise MissingObject(made.missing[0][1])
    if look.kind == DIRECTORY and found.was is None:
        with Root(project.root) as root:
            root.delete_folder_if_empty(look.path)
    kept = [row for row in found.rows if row.kept is not None]
    if kept:
        _bring_kept(project, folder, found, kept)


def _planned(found: Restore, rows: list[Row]) -> tuple[dict[str, str], CheckoutPlan]:
    """(what is wanted, how to get there) of some files of the output."""
    have = {row.path: row.now for row in rows if row.now is not None}
    want = {row.path: row.was for row in rows if row.was is not None}
    stored = found.stored | {row.was for row in rows if row.kept is not None and row.was}
    return want, plan_checkout(have, want, stored)


def _bring_kept(project: Project, folder: str, found: Restore, kept: list[Row]) -> None:
    """Gives files in the log's folder their old names; see `drop_kept`."""
    look = found.look
    record_change(project, look, _planned(found, kept)[1])
    keys = keys_of(look)
    with scratch_folder(project, look.path) as scratch, Root(project.root) as root:
        for number, row in enumerate(kept):
            new, target = f"{scratch}/{number}", found.shown(row.path)
            second_name(f"{folder}/{row.kept}", new)
            if row.now is not None:
                root.swap(new, target, keys[row.path])
                continue
            _make_way(root, look, row.path)
            root.place(new, target)


def drop_kept(project: Project, folder: str, changes: Iterable[OutputChange]) -> None:
    """Takes out of the log's folder what was kept for changes that are undone now.

    Not before the old names are on disk. Otherwise a file in the workspace would go on sharing its
    bytes with one in the log.
    """
    kept: dict[str, None] = {}
    disks: dict[int, str] = {}
    for change in changes:
        here = [row.kept for row in change.rows or () if row.kept]
        kept |= dict.fromkeys(name for name in here if _is_file(folder, name))
        parent = os.path.dirname(project.absolute(change.path))
        if here and os.path.isdir(parent):
            disks.setdefault(os.stat(parent).st_dev, parent)
    for parent in disks.values() if kept else ():
        with fsio.barrier(parent) as barrier:
            barrier.flush()
    for name in kept:
        fsio.unlink(f"{folder}/{name}")


def _make_way(root: Root, look: Snapshot, path: str) -> None:
    """Removes folders that stand where a file belongs and in which no file is left."""
    folders = look.tree.folders if look.tree is not None else []
    for folder in reversed(folders):
        if is_within(folder.path, path):
            root.delete_folder_if_empty(f"{look.path}/{folder.path}".rstrip("/"))
