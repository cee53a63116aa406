"""Removal: taking an output out of the workspace. Whether it may go is for the caller to decide."""

from __future__ import annotations

from collections.abc import Collection

from pannier.core.plan import CheckoutPlan
from pannier.disk.beneath import Root
from pannier.disk.walk import StatKey, scan
from pannier.project.keeping import keys_of, record_change, record_removal
from pannier.project.project import Project
from pannier.project.snapshot import DIRECTORY, FILE, OTHER, Snapshot
from pannier.project.workspace import scratch_folder
from pannier.store.statcache import fingerprint


def remove(project: Project, look: Snapshot, unsaved: Collection[str] = ()) -> bool:
    """Takes an output away; False when it changed meanwhile, and stays.

    unsaved: its files (relative to it) that the store lacks: the operation log keeps them.
    """
    whole = look.kind == DIRECTORY and _is_all_tracked(look)
    linked: Collection[str] = ()
    if unsaved:
        plan = CheckoutPlan(delete=list(look.entries()), unsaved=list(unsaved))
        record_change(project, look, plan, "")
        linked = unsaved
    else:
        record_removal(project, look)
    with Root(project.root) as root:
        if look.kind == OTHER:
            root.delete(look.path, None)
            return True
        if look.kind == FILE:
            root.delete(look.path, look.sources[0].folder.key(0))
            return True
        if whole:
            return _remove_whole(project, root, look, linked)
        for source in look.sources:
            for index, name in enumerate(source.folder.names):
                root.delete(f"{look.path}/{source.folder.join(name)}", source.folder.key(index))
        if look.tree is not None:
            for folder in reversed(look.tree.folders):
                inner = f"{look.path}/{folder.path}" if folder.path else look.path
                root.delete_folder_if_empty(inner)
        return True


def _is_all_tracked(look: Snapshot, place: str = "", linked: Collection[str] = ()) -> bool:
    """True when the directory (now at place) holds what was looked at and nothing else.

    linked: files that got one more name since, which moves their ctime.
    """
    tree = scan(place or look.absolute)
    if tree.skipped or tree.problems:
        return False
    if not linked:
        now = fingerprint((f.path, f.names, f.stats) for f in tree.folders)
        return now == look.fingerprint
    there = {f.join(name): f.key(at) for f in tree.folders for at, name in enumerate(f.names)}
    return _but_ctimes(there, linked) == _but_ctimes(keys_of(look), linked)


def _but_ctimes(keys: dict[str, StatKey], of: Collection[str]) -> dict[str, StatKey]:
    changed = {path: keys[path] for path in of if path in keys}
    return keys | {path: (m, 0, size, inode) for path, (m, _, size, inode) in changed.items()}


def _remove_whole(project: Project, root: Root, look: Snapshot, linked: Collection[str]) -> bool:
    """One rename takes a directory away, so that a kill leaves all of it or nothing."""
    with scratch_folder(project, look.path) as scratch:
        aside = f"{scratch}/old"
        root.take(look.path, aside)
        if _is_all_tracked(look, aside, linked):
            return True
        root.place(aside, look.path)
        return False
