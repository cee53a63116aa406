"""What garbage collection took out of a project's cache: back where it was, or gone for good."""

from __future__ import annotations

from collections.abc import Sequence

from pannier.core.events import Progress
from pannier.disk.mounts import flush_below
from pannier.project.project import Project
from pannier.store import trash
from pannier.store.objects import Store
from pannier.store.trash import BroughtBack


def trash_marks(project: Project) -> set[str]:
    """The folders of the trash that can be brought back."""
    return {mark for store in (project.store, project.legacy) for mark in trash.marks(store)}


def objects_in_trash(project: Project, mark: str) -> int:
    return sum(len(trash.names_in(store, mark)) for store in (project.store, project.legacy))


def bring_back(project: Project, mark: str, progress: Progress) -> BroughtBack:
    """Brings back one folder of the trash, in both layouts. The project lock is held."""
    whole = BroughtBack()
    for store in (project.store, project.legacy):
        if mark not in trash.marks(store):
            continue
        store.hold()
        task = progress.task("Bringing back", len(trash.names_in(store, mark)))
        done = trash.bring_back(store, mark, task)
        task.close()
        whole.restored += done.restored
        whole.there += done.there
    return whole


def lose_trash(
    stores: Sequence[Store], older_than_ns: int | None, roots: Sequence[str], progress: Progress
) -> int:
    """Removes for good what is in the trash; returns how many objects that were. Raises DiskError.

    older_than_ns: only what was taken out before; None for all. roots: of the projects whose files
    may then be all that is left. What `checkout` puts in its place nobody flushes, for the cache
    has the bytes; so it is flushed before the cache has not.
    """
    if any(trash.due(store, older_than_ns) for store in stores):
        flush_below(roots)
    task = progress.task("Emptying the trash")
    count = sum(trash.empty(store, older_than_ns, task) for store in stores)
    task.close()
    return count
