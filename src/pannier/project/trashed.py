"""What garbage collection took out of a project's cache, back where it was."""

from __future__ import annotations

from pannier.core.events import Progress
from pannier.project.project import Project
from pannier.store import trash
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
