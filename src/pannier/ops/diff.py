"""diff: what changed between two revisions, or between one and the workspace."""

from __future__ import annotations

from pannier.core.diff import Changes, Entry, Scope, compare
from pannier.core.events import Progress
from pannier.core.record import dataclass, field
from pannier.project.presence import is_in_cache, recorded_manifest
from pannier.project.project import Project
from pannier.project.sides import HEAD_TO_WORKSPACE, Range, Side, open_sides


@dataclass(frozen=True, slots=True)
class DiffOptions:
    """hide_missing: do not look for what the cache lacks of the old revision. That is only looked
    for when no new revision is named."""

    wanted: Range = HEAD_TO_WORKSPACE
    hide_missing: bool = False


@dataclass(slots=True)
class DiffReport:
    """not_in_cache: of the old revision; None when it was not asked for."""

    changes: Changes = field(default_factory=Changes)
    not_in_cache: list[Entry] | None = None

    def __bool__(self) -> bool:
        return bool(self.changes) or bool(self.not_in_cache)


def diff(project: Project, options: DiffOptions, progress: Progress) -> DiffReport:
    """Writes nothing. Raises GitError, BadTarget, InvalidFile, DiskError.

    Before the first commit there is nothing to compare with, and nothing differs.
    """
    sides = open_sides(project, options.wanted, progress)
    if sides is None:
        return DiffReport()
    old, new, scope = sides
    report = DiffReport(compare(old.state, new.state, scope))
    report.changes.unknown.clear()  # DVC says nothing of them here
    if options.wanted.new is None and not options.hide_missing:
        report.not_in_cache = _not_in_cache(project, old, new, scope)
    return report


def _not_in_cache(project: Project, old: Side, new: Side, scope: Scope) -> list[Entry]:
    """What the old revision names and the cache lacks."""
    found: list[Entry] = []
    for ref in old.outs:
        digest, parts = ref.out.digest, scope.parts(ref.path)
        if digest is None:
            continue
        store = project.store_of(digest.algorithm)
        if not store.has(digest.hex):
            if "" in parts:
                found.append(Entry(ref.path, digest.hex, digest.is_dir))
            continue
        if not digest.is_dir or is_in_cache(project, digest, new.looks.get(ref.path)):
            continue
        manifest = recorded_manifest(project, ref.out)
        missing = store.missing(manifest.hexes) if manifest is not None else set()
        found += [
            Entry(f"{ref.path}/{inner}", name)
            for part in parts
            for inner, name in (manifest.below(part) if manifest is not None else ())
            if name in missing
        ]
    return sorted(found, key=lambda entry: entry.path)
