"""diff --data: what changed inside of tables, row by row."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from pannier.core.diff import Changes, Entry, compare
from pannier.core.errors import BadTarget, CorruptObject, DiskError, PannierError
from pannier.core.events import Progress
from pannier.core.record import dataclass, field
from pannier.core.tables import KINDS, TableChanges, kind_of
from pannier.project.index import OutRef
from pannier.project.project import Project
from pannier.project.sides import HEAD_TO_WORKSPACE, Range, Side, open_sides
from pannier.project.tables import Version, compare_tables
from pannier.store.publishing import Staging

ADDED, DELETED, MODIFIED = "added", "deleted", "modified"
_SPILL_ABOVE_BYTES = 200 << 20
"""Below that everything that is compared fits into DuckDB's memory."""


@dataclass(frozen=True, slots=True)
class TableDiffOptions:
    """key: columns that name a row; empty: rows are told apart by all they hold. limit: rows to
    show of each kind."""

    wanted: Range = HEAD_TO_WORKSPACE
    key: tuple[str, ...] = ()
    limit: int = 10


@dataclass(frozen=True, slots=True)
class TableDiff:
    """One table. state: of the file."""

    path: str
    state: str
    changes: TableChanges


@dataclass(slots=True)
class TableDiffReport:
    """other: files that changed and are no tables."""

    tables: list[TableDiff] = field(default_factory=list)
    other: list[str] = field(default_factory=list)


def table_diff(project: Project, options: TableDiffOptions, progress: Progress) -> TableDiffReport:
    """Compares every table that changed. Raises PannierError for what cannot be compared: bytes
    that are not in the cache, a file that is no table, a key that does not tell rows apart.
    """
    report = TableDiffReport()
    sides = open_sides(project, options.wanted, progress)
    if sides is None:
        return report
    old, new, scope = sides
    for path in scope.targets or ():
        is_file = path in _files(old) | _files(new)
        if is_file and kind_of(path) is None:
            raise BadTarget(
                f"'{path}' is no table that can be compared",
                hint="tables end in " + ", ".join(sorted(KINDS)),
            )
    _check_lists(old, new)
    changed = _pairs(compare(old.state, new.state, scope))
    task = progress.task("Comparing", len(changed), unit="table")
    for path, (before, after) in sorted(changed.items()):
        kind = kind_of(path)
        if kind is None:
            report.other.append(path)
        else:
            state = ADDED if before is None else DELETED if after is None else MODIFIED
            left = _version(project, old, before) if before is not None else None
            right = _version(project, new, after) if after is not None else None
            with _spill(project, left, right) as spill:
                found = compare_tables(left, right, kind, options.key, options.limit, spill)
            report.tables.append(TableDiff(path, state, found))
        task.advance()
    task.close()
    return report


def _files(side: Side) -> set[str]:
    return {path for path, tracked in side.state.items() if not tracked.is_dir}


def _pairs(changes: Changes) -> dict[str, tuple[Entry | None, Entry | None]]:
    """The files that changed: (before, now). What was only renamed did not change."""
    pairs: dict[str, tuple[Entry | None, Entry | None]] = {}
    pairs |= {entry.path: (None, entry) for entry in changes.added if not entry.is_dir}
    pairs |= {entry.path: (entry, None) for entry in changes.deleted if not entry.is_dir}
    for old, new in changes.modified:
        before, after = (None if e.is_dir or e.hex is None else e for e in (old, new))
        if before is not None or after is not None:
            pairs[new.path] = (before, after)
    return pairs


def _check_lists(old: Side, new: Side) -> None:
    """Refuses to tell half of it: a directory that differs must be known on both sides."""
    for path in sorted(old.state.keys() | new.state.keys()):
        before, after = old.state.get(path), new.state.get(path)
        if before is not None and after is not None and before.hex == after.hex:
            continue
        for side, tracked in ((old, before), (new, after)):
            if tracked is not None and tracked.is_dir and not tracked.known():
                raise _not_here(path + "/", side, "its list of files")


def _version(project: Project, side: Side, entry: Entry) -> Version:
    """Where the bytes are. Objects are known to be what their names say before they are read."""
    shown = f"'{entry.path}' in '{side.name}'"
    if side.is_workspace:
        return Version(shown, project.absolute(entry.path))
    name = entry.hex or ""
    ref = _ref_of(side, entry.path)
    store = project.store_of(ref.out.digest.algorithm if ref.out.digest else "")
    if not name or not store.has(name):
        raise _not_here(entry.path, side, "it")
    if store.verify([name]):
        raise CorruptObject(name, where="the cache")
    return Version(shown, store.path(name))


def _ref_of(side: Side, path: str) -> OutRef:
    by_path = {ref.path: ref for ref in side.outs}
    while path not in by_path:
        path = path.rpartition("/")[0]
    return by_path[path]


def _not_here(path: str, side: Side, what: str) -> PannierError:
    return PannierError(
        f"'{path}' cannot be compared: {what} is not in the cache as it was in '{side.name}'",
        hint=f"bring it from the remote: dvc fetch --all-commits {shlex.quote(path.rstrip('/'))}",
    )


@contextmanager
def _spill(project: Project, *versions: Version | None) -> Iterator[str | None]:
    """A folder for what does not fit into memory, swept like all that is staged; None for small
    tables, and where the cache cannot be written to."""
    total = sum(os.path.getsize(v.path) for v in versions if v is not None)
    if total < _SPILL_ABOVE_BYTES:
        yield None
        return
    try:
        staging = Staging(project.store).__enter__()
    except (OSError, DiskError):
        yield None
        return
    try:
        yield staging.path
    finally:
        staging.__exit__(None, None, None)
