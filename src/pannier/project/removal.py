"""Removal: taking an output out of the workspace. Whether it may go is for the caller to decide."""

from __future__ import annotations

from pannier.disk.beneath import Root
from pannier.disk.walk import scan
from pannier.project.keeping import record_removal
from pannier.project.project import Project
from pannier.project.snapshot import FILE, OTHER, Snapshot
from pannier.project.workspace import scratch_folder
from pannier.store.statcache import fingerprint


def remove(project: Project, look: Snapshot) -> bool:
    """Takes an output away; False when it changed meanwhile, and stays."""
    record_removal(project, look)
    with Root(project.root) as root:
        if look.kind == OTHER:
            root.delete(look.path, None)
            return True
        if look.kind == FILE:
            root.delete(look.path, look.sources[0].folder.key(0))
            return True
        if _is_all_tracked(look):
            return _remove_whole(project, root, look)
        for source in look.sources:
            for index, name in enumerate(source.folder.names):
                root.delete(f"{look.path}/{source.folder.join(name)}", source.folder.key(index))
        if look.tree is not None:
            for folder in reversed(look.tree.folders):
                inner = f"{look.path}/{folder.path}" if folder.path else look.path
                root.delete_folder_if_empty(inner)
        return True


def _is_all_tracked(look: Snapshot, place: str = "") -> bool:
    """True when the directory (now at place) holds what was looked at and nothing else."""
    tree = scan(place or look.absolute)
    now = fingerprint((f.path, f.names, f.stats) for f in tree.folders)
    return now == look.fingerprint and not (tree.skipped or tree.problems)


def _remove_whole(project: Project, root: Root, look: Snapshot) -> bool:
    """One rename takes a directory away, so that a kill leaves all of it or nothing."""
    with scratch_folder(project, look.path) as scratch:
        aside = f"{scratch}/old"
        root.take(look.path, aside)
        if _is_all_tracked(look, aside):
            return True
        root.place(aside, look.path)
        return False
