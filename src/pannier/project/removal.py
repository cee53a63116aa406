"""Removal: taking an output out of the workspace, or another in its place.

Whether it may go is for the caller to decide.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Mapping

from pannier.core.errors import DiskError, FileChanged
from pannier.core.plan import CheckoutPlan
from pannier.disk.beneath import Root
from pannier.disk.walk import StatKey, scan
from pannier.project.keeping import keys_of, record_change, record_removal
from pannier.project.project import Project
from pannier.project.snapshot import DIRECTORY, FILE, OTHER, Snapshot
from pannier.project.workspace import scratch_folder
from pannier.store.statcache import fingerprint

NO_FILE: StatKey = (0, 0, 0, 0)
"""Where a link leads to nothing: any link may go from there, but no file."""


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
        root.put_back(aside, look.path)
        return False


def swap_folder(root: Root, new: str, path: str, expected: Mapping[str, StatKey]) -> None:
    """Puts new in the place of a directory, if that holds the expected files and no others.

    Anything else in it, also what is never part of data (`.git`, ignored files), makes the names
    go back: it would be deleted unseen. Raises DiskError, FileChanged.
    """
    root.swap(new, path, None)
    now = scan(new)
    found = {
        folder.join(name): folder.key(index)
        for folder in now.folders
        for index, name in enumerate(folder.names)
    }
    found |= {name: NO_FILE for name, _ in now.problems if expected.get(name) == NO_FILE}
    strange = [name for name, _ in now.skipped + now.problems if name not in found]
    if not strange and _without_ctime(found) == _without_ctime(expected):
        return
    root.swap_back(new, path)
    strange += sorted(found.keys() - expected.keys())
    if strange:
        raise DiskError(
            f"{root.path}/{path}",
            errno.ENOTEMPTY,
            f"it must make room, but holds what is not part of the data: '{strange[0]}'",
            hint="move that away and repeat the command",
        )
    raise FileChanged(f"{root.path}/{path}")


def _without_ctime(keys: Mapping[str, StatKey]) -> dict[str, tuple[int, int, int]]:
    return {path: (key[0], key[2], key[3]) for path, key in keys.items()}
