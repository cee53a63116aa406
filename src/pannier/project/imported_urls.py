"""What the pointer of an import from a URL says of its source, and whether that changed.

A checksum that the place tells without the bytes is written down where there is one; else the
digest of the bytes, which for a path on this machine the StatCache remembers.
"""

from __future__ import annotations

import os

from pannier.core.digest import MD5, Digest
from pannier.core.events import Progress
from pannier.core.manifest import Manifest
from pannier.core.record import replace
from pannier.core.source_errors import UrlMissing
from pannier.core.stage import Dep, Meta, Out, Stage
from pannier.core.typed import Any
from pannier.project import snapshot as snapshots
from pannier.project.project import Project
from pannier.project.snapshot import ABSENT, OTHER
from pannier.project.urls import Origin, open_url
from pannier.project.workspace import scratch_folder
from pannier.store.cargo import unload
from pannier.store.transport import Facts


def dep_of(project: Project, stage: Stage, origin: Origin, fs_config: dict[str, str]) -> Dep:
    """The dependency of a new import, of which nothing but its place is known yet."""
    extra: dict[str, Any] = {"fs_config": dict(fs_config)} if fs_config else {}
    if origin.path is None:
        return Dep(path=origin.url, extra=extra)
    typed = origin.url.removeprefix("file://")
    path = origin.path
    if not os.path.isabs(os.path.expanduser(typed)):
        path = os.path.relpath(origin.path, project.absolute(stage.wdir))
    return Dep(path=path, extra=extra)


def origin_of(project: Project, stage: Stage) -> Origin:
    """The source of an import. A relative path starts from where its pointer says."""
    dep = stage.deps[0]
    config = dep.extra.get("fs_config")
    cwd = project.absolute(stage.wdir)
    return open_url(dep.path, project, cwd, config, trusted=False)


def brought_from(dep: Dep, origin: Origin, facts: Facts | None, brought: Out) -> Dep:
    """The dependency as it was when its data was brought. facts: told before that."""
    if facts is not None and facts.checksum is not None:
        return _told(dep, facts)
    is_exec = origin.path is not None and facts is not None and os.access(origin.path, os.X_OK)
    meta = replace(brought.meta, is_exec=is_exec)
    return _hashed(dep, brought.digest, meta)


def _told(dep: Dep, facts: Facts) -> Dep:
    extra = {key: value for key, value in dep.extra.items() if key != "version_id"}
    if facts.version_id:
        extra["version_id"] = facts.version_id
    meta = Meta(facts.size_bytes)
    return replace(dep, checksum=facts.checksum, digest=None, meta=meta, extra=extra)


def _hashed(dep: Dep, digest: Digest | None, meta: Meta) -> Dep:
    """A digest of bytes: of a URL it is read back as its checksum."""
    if digest is not None and dep.is_url:
        return replace(dep, checksum=("md5", digest.hex), digest=None, meta=meta)
    return replace(dep, checksum=None, digest=digest, meta=meta)


def measured(project: Project, dep: Dep, origin: Origin, progress: Progress) -> Dep:
    """The dependency as it is now; no byte stays here. Raises UrlMissing.

    What its place tells is believed; else everything is read.
    """
    if origin.path is not None:
        return _measured_here(project, dep, origin.path, progress)
    facts = origin.look()
    if facts is not None and facts.checksum is not None:
        return _told(dep, facts)
    cargo = origin.cargo()
    with scratch_folder(project, "") as scratch:
        got = unload(cargo, f"{scratch}/new", None, progress)
    size = sum(row.size_bytes for row in got.values())
    if not cargo.is_dir:
        return _hashed(dep, Digest(MD5, got[""].md5), Meta(size))
    manifest = Manifest.of((path, row.md5) for path, row in got.items())
    return _hashed(dep, Digest(MD5, manifest.digest_hex()), Meta(size, len(manifest)))


def _measured_here(project: Project, dep: Dep, path: str, progress: Progress) -> Dep:
    look = snapshots.look(project, os.path.relpath(path, project.root), MD5, progress)
    if look.kind in (ABSENT, OTHER):
        raise UrlMissing(dep.path)
    snapshots.measure(project, look, progress)
    return _hashed(dep, look.digest, look.meta)


def is_same(old: Dep, new: Dep) -> bool:
    """Tells whether two states of a dependency are of the same bytes."""
    return (old.digest, old.checksum) == (new.digest, new.checksum)
