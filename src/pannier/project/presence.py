"""Whether everything that an output names is in the store, and where it is not."""

from __future__ import annotations

from pannier.core.digest import Digest
from pannier.core.errors import CorruptObject, MissingObject
from pannier.core.manifest import Manifest
from pannier.core.stage import Out
from pannier.project.project import Project
from pannier.project.snapshot import Snapshot, note_present


def manifest_of(project: Project, digest: Digest) -> Manifest | None:
    """The content of a directory; None when its manifest is not in the store (or was damaged)."""
    try:
        return project.store_of(digest.algorithm).manifest(digest.hex)
    except (MissingObject, CorruptObject):
        return None


def recorded_manifest(project: Project, out: Out) -> Manifest | None:
    """The content of an output that is a directory, from the pointer itself or from the store."""
    if out.files is not None:
        return Manifest.of((row["relpath"], row["md5"]) for row in out.files)
    if out.digest is None or not out.digest.is_dir:
        return None
    return manifest_of(project, out.digest)


def is_in_cache(project: Project, digest: Digest, snapshot: Snapshot | None = None) -> bool:
    """True when the object, and for a directory each object it names, is in the store.

    snapshot: of the workspace, when it holds this very digest: then an earlier answer may hold.
    """
    store = project.store_of(digest.algorithm)
    if not digest.is_dir:
        return store.has(digest.hex)
    if not store.has(digest.hex):
        return False
    same = snapshot if snapshot is not None and snapshot.digest == digest else None
    row = same.row if same is not None else None
    if row is not None and row.present and row.present == store.presence():
        return True
    seen = store.presence(lasting=True) if same is not None else b""
    manifest = manifest_of(project, digest)
    if manifest is None or store.missing(set(manifest.hexes)):
        return False
    if same is not None:
        note_present(project, same, seen)
    return True


def was_complete(project: Project, absolute: str, digest: Digest) -> bool:
    """True when all objects of a directory that stood at absolute were seen in the store, and
    nothing appeared in or left the store since."""
    row = project.statcache.tree(absolute, digest.algorithm)
    if row is None or row.hex != digest.hex or not row.present:
        return False
    return row.present == project.store_of(digest.algorithm).presence()
