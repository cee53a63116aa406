"""op log: what commands changed, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from pannier.core.events import Progress
from pannier.core.record import dataclass
from pannier.formats.oplog import Entry, HooksChange, paths_of
from pannier.project.journal import Journal
from pannier.project.project import Project


@dataclass(frozen=True, slots=True)
class Logged:
    """One entry, summed up. files, outputs: root-relative paths. hooks: of Git, by name.
    kept_bytes: what is kept for its undo alone."""

    entry: Entry
    files: list[str]
    outputs: list[str]
    hooks: list[str]
    kept_bytes: int


def op_log(project: Project, limit: int | None, progress: Progress) -> Iterator[Logged]:
    """At most limit entries."""
    journal = Journal(project.root)
    for entry in islice(journal.newest_first(progress), limit):
        files, outputs = paths_of(entry.changes)
        hooks = [n for c in entry.changes if isinstance(c, HooksChange) for n in c.names]
        yield Logged(entry, files, outputs, hooks, journal.kept_bytes(entry.number))
