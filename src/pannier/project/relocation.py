"""Relocation: data gets another place in the workspace, by one rename that overwrites nothing."""

from __future__ import annotations

import os

from pannier.core.events import Progress
from pannier.disk import fsio
from pannier.disk.beneath import Root
from pannier.formats.oplog import MoveChange
from pannier.project import snapshot as snapshots
from pannier.project.project import Project


def relocate(project: Project, change: MoveChange, progress: Progress) -> None:
    """Renames change.path to change.target, both root-relative, and flushes both names.

    It is recorded first. What is known of the data goes along: its digests, and that it was put
    there for an output. Whether it may move is for the caller to decide.
    """
    source, target = project.absolute(change.path), project.absolute(change.target)
    known = snapshots.look(project, change.path, change.algorithm, progress)
    if project.recording is not None:
        project.recording.move(change)
    with Root(project.root) as root:
        root.place(source, change.target)
    snapshots.follow(project, known, change.target, progress)
    links = [(name, kind) for path, name, kind in project.statcache.links() if path == source]
    project.statcache.drop_links([source])
    project.statcache.put_links([(target, name, kind) for name, kind in links])
    for folder in dict.fromkeys((os.path.dirname(target), os.path.dirname(source))):
        fsio.sync_dir(folder)
