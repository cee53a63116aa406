"""Outputs of a stage in the workspace: cleared before its command runs, or brought back without it.

Nothing that is only here is lost by either: bytes that are no verified object stay in the operation
log's folder, for `undo`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from pannier.core.digest import MD5
from pannier.core.errors import DiskError, FileChanged, UnstorableEntries
from pannier.core.events import Progress
from pannier.core.path import is_inside
from pannier.core.plan import plan_checkout
from pannier.core.stage import Out
from pannier.disk.beneath import has_link_parent
from pannier.project import snapshot as snapshots
from pannier.project.aside import take_aside
from pannier.project.keeping import FEW_ROWS, record_left, record_made
from pannier.project.materialise import Materialiser
from pannier.project.presence import recorded_manifest
from pannier.project.privatise import find_protected, make_private
from pannier.project.project import Project
from pannier.project.removal import remove
from pannier.project.snapshot import ABSENT, DIRECTORY, FILE, OTHER, Snapshot

_SOON_READ = 16 << 20
"""Bytes that are read in a moment. Their digests hold where stats do not: a file that an undo takes
away and the next one brings back is another one by its stats."""


def clear(project: Project, path: str, out: Out, progress: Progress) -> None:
    """Takes an output away so that a command can make it anew, and with the folder what is no data
    in it. path: root-relative.

    Raises FileChanged when somebody wrote to it meanwhile, DiskError; UnstorableEntries where the
    folder can be neither looked through nor kept.
    """
    try:
        look = _look(project, path, out, progress)
    except UnstorableEntries as error:
        if not take_aside(project, path, progress, [name for name, _ in error.problems]):
            raise
        return
    if look.kind == ABSENT:
        return
    snapshots.measure_entries(project, look, progress)
    if not remove(project, look, _unsaved(project, look)):
        raise FileChanged(look.absolute)
    take_aside(project, path, progress)


def note_left(project: Project, paths: Iterable[str], progress: Progress) -> None:
    """Tells the operation log what a command that failed has left in the place of outputs, so that
    `undo` knows it from what somebody puts there later. Somebody waits to be told that it failed:
    what is much is not read. Raises DiskError."""
    if project.recording is None:
        return
    for path in paths:
        if not is_inside(path) or has_link_parent(project.root, path) is not None:
            continue
        look = snapshots.look(project, path, MD5, progress)
        if look.kind in (FILE, DIRECTORY):
            folders = [source.folder for source in snapshots.load_sources(project, look)]
            size = sum(folder.size_bytes for folder in folders)
            if size > _SOON_READ or sum(map(len, folders)) > FEW_ROWS:
                record_left(project, look)
                continue
            snapshots.measure_entries(project, look, progress)
            record_made(project, look, stored=False)


def bring(project: Project, path: str, out: Out, progress: Progress) -> bool:
    """Makes an output what is recorded, from the cache; False when that does not have all of it.

    Raises FileChanged, DiskError, NoSpace.
    """
    digest = out.digest
    if digest is None:
        return False
    try:
        look = _look(project, path, out, progress)
    except UnstorableEntries as error:
        if not take_aside(project, path, progress, [name for name, _ in error.problems]):
            raise
        look = _look(project, path, out, progress)
    if look.digest == digest:
        return True
    snapshots.measure_entries(project, look, progress)
    if look.digest == digest:
        return True
    manifest = recorded_manifest(project, out)
    if digest.is_dir and manifest is None:
        return False
    want = dict(manifest) if manifest is not None else {"": digest.hex}
    have: dict[str, str | None] = dict(look.entries())
    if look.kind == OTHER:
        have = {"": None}
    store = project.store_of(digest.algorithm)
    unsaved = set(_unsaved(project, look))
    stored = store.present(set(want.values()))
    stored |= {name for inner, name in have.items() if name is not None and inner not in unsaved}
    plan = plan_checkout(have, want, stored)
    if plan.missing:
        return False
    worker = Materialiser(project, look, out.meta.is_exec, progress)
    return not worker.apply(plan, want, digest.is_dir, digest).missing


def _look(project: Project, path: str, out: Out, progress: Progress) -> Snapshot:
    link = has_link_parent(project.root, path)
    if link is not None:
        raise DiskError(
            project.absolute(path),
            0,
            f"'{link}' is a link: nothing is written through it",
            hint="put the folder itself in its place",
        )
    algorithm = out.digest.algorithm if out.digest is not None else "md5"
    look = snapshots.look(project, path, algorithm, progress)
    if look.kind == OTHER and not look.is_link:
        raise DiskError(
            look.absolute,
            0,
            "something that is no file or directory stands where data belongs",
            hint="move it away and repeat",
        )
    return look


def _unsaved(project: Project, look: Snapshot) -> list[str]:
    """The files (relative to the output) whose bytes are no good object of the cache."""
    if look.kind in (ABSENT, OTHER):
        return []
    store = project.store_of(look.algorithm)
    entries = look.entries()
    names = set(entries.values())
    bad = store.missing(names) | store.verify(sorted(store.present(names)))
    return [path for path, name in entries.items() if name in bad]


def release(project: Project, path: str, progress: Progress) -> None:
    """Frees an output that stays while its command runs from the cache's bytes: it will be written
    to in place."""
    if os.path.lexists(project.absolute(path)):
        make_private(project, find_protected(project, path), progress)
