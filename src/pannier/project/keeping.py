"""Keeping: what a change of the workspace would destroy stays in the operation log's folder.

The log says how an output is about to change, file by file or by two digests that say it all. A
file whose bytes are no object (an edit that `checkout --force` gives up) gets one more name there
before it loses its own: keeping costs no copy, and `undo` finds it.
"""

from __future__ import annotations

from pannier.core.plan import CheckoutPlan
from pannier.core.record import replace
from pannier.disk import fsio
from pannier.disk.batches import EXECUTABLE
from pannier.disk.copying import second_name
from pannier.disk.walk import StatKey
from pannier.formats.oplog import OutputChange, Row
from pannier.project.project import Project
from pannier.project.snapshot import ABSENT, DIRECTORY, FILE, Snapshot
from pannier.store.sources import racy_ns

FEW_ROWS = 1000
"""So many changed files are written down one by one; more only where no two digests say it."""


def record_change(
    project: Project, before: Snapshot, plan: CheckoutPlan, whole: str | None = None
) -> None:
    """Writes down how one output changes and keeps what it loses; for the moment before.

    before: what is there, every digest known. whole: digest of the output afterwards ("" for
    nothing), when the plan is about all of it. Raises DiskError when what would be lost cannot be
    kept. Does nothing in a command that is not recorded.
    """
    recording = project.recording
    if recording is None:
        return
    have = before.entries() if plan.replace or plan.delete else {}
    changed = [Row(path, None, name) for path, name in plan.create]
    changed += [Row(p, have.get(p), name) for p, name in plan.replace if have.get(p) != name]
    changed += [Row(path, have[path], None) for path in plan.delete if path in have]
    if not changed:
        return
    unsaved = [path for path in plan.unsaved if have.get(path)]
    folder = recording.keep_folder() if unsaved else None
    places = {path: recording.next_place() for path in unsaved} if folder else {}
    rows: tuple[Row, ...] | None = tuple(row._replace(kept=places.get(row.path)) for row in changed)
    if len(changed) > FEW_ROWS and whole is not None and not places and not plan.missing:
        rows = rows if not _is_known(project, before) else None
    change = change_of(before, whole or None, rows)
    if places:  # one more name moves the ctime, by which another entry may know the file
        keys = keys_of(before)
        change = replace(change, stats=tuple((path, *keys[path]) for path in places))
    recording.output(change)
    for path, place in places.items():
        source = f"{before.absolute}/{path}" if path else before.absolute
        second_name(source, f"{folder}/{place.rpartition('/')[2]}")
    if folder is not None:
        fsio.sync_dir(folder)


def record_removal(project: Project, before: Snapshot) -> None:
    """Records that an output is about to be taken away whose bytes are all objects."""
    if project.recording is not None and before.kind != ABSENT:
        rows = tuple(Row(path, name, None) for path, name in before.entries().items())
        known = len(rows) > FEW_ROWS and _is_known(project, before)
        project.recording.output(change_of(before, None, None if known else rows))


def record_made(project: Project, made: Snapshot, *, stored: bool) -> None:
    """Records what a command put where nothing was. stored: its bytes are objects now."""
    if project.recording is None or made.digest is None:
        return
    rows = None if stored else tuple(Row(path, None, hex) for path, hex in made.entries().items())
    change = OutputChange(made.path, made.algorithm, None, made.digest.hex, rows, False)
    project.recording.output(change)


def record_left(project: Project, left: Snapshot) -> None:
    """Records what a command put where nothing was by the stats of its files: none is read."""
    if project.recording is None:
        return
    keys = keys_of(left).items()
    if not left.clock_ns % 1_000_000:  # coarse stamps: an edit could soon have the same
        low = left.clock_ns - racy_ns(left.clock_ns)
        keys = {path: key for path, key in keys if max(key[:2]) < low}.items()
    rows = tuple((path, *key) for path, key in keys)
    project.recording.output(
        OutputChange(left.path, left.algorithm, None, None, (), False, left=rows)
    )


def change_of(before: Snapshot, now: str | None, rows: tuple[Row, ...] | None) -> OutputChange:
    was = before.digest.hex if before.digest is not None and before.kind != ABSENT else None
    executable = before.kind == FILE and bool(before.sources[0].flags[0] & EXECUTABLE)
    return OutputChange(before.path, before.algorithm, was, now, rows, executable)


def _is_known(project: Project, before: Snapshot) -> bool:
    """True when the store has the list of what is there, or nothing is there."""
    if before.kind == ABSENT:
        return True
    digest = before.digest
    return digest is not None and project.store_of(before.algorithm).has(digest.hex)


def keys_of(before: Snapshot) -> dict[str, StatKey]:
    """Stats of the files that are there, by path relative to the output ('' for a single file)."""
    return {
        source.folder.join(name) if before.kind == DIRECTORY else "": source.folder.key(index)
        for source in before.sources
        for index, name in enumerate(source.folder.names)
    }
