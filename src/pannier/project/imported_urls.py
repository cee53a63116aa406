"""What the pointer of an import from a URL says of its source, and whether that changed.

A checksum that the place tells without the bytes is written down where there is one; else the
digest of the bytes, which for a path on this machine the StatCache remembers.
"""

from __future__ import annotations

import json
import os

from pannier.core.digest import DIR_SUFFIX, MD5, Digest
from pannier.core.events import Progress
from pannier.core.hashes import md5
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


def dep_of(project: Project, stage: Stage, origin: Origin, fs_config: dict[str, Any]) -> Dep:
    """The dependency of a new import, of which nothing but its place is known yet."""
    extra: dict[str, Any] = {"fs_config": dict(fs_config)} if fs_config else {}
    if origin.path is None:
        return Dep(path=origin.url, extra=extra)
    typed = origin.url.removeprefix("file://")
    path = origin.path
    if not os.path.isabs(os.path.expanduser(typed)):
        path = os.path.relpath(origin.path, project.absolute(stage.wdir))
    return Dep(path=path, extra=extra)


def origin_of(
    project: Project, stage: Stage, version_id: str | None = None, *, dep: Dep | None = None
) -> Origin:
    """The source of an import, or a dependency of a command. A relative path starts from where its
    pointer says.

    version_id: of a single file with cloud versions, the one that is meant, not the latest.
    """
    dep = dep or stage.deps[0]
    config = dep.extra.get("fs_config")
    cwd = project.absolute(stage.wdir)
    origin = open_url(dep.path, project, cwd, config, trusted=False)
    if origin.versions is not None:
        origin.pinned = version_id or origin.pinned
    return origin


def recorded_origin(project: Project, stage: Stage) -> Origin:
    """The source of an import as it was; where it has cloud versions it still has what it had."""
    dep = stage.deps[0]
    version_id = dep.extra.get("version_id")
    origin = origin_of(project, stage, str(version_id) if version_id else None)
    if origin.versions is not None and dep.files:
        rows = {f"{origin.prefix}{row['relpath']}": row for row in dep.files}
        origin.take_versions({key: _facts_of(row) for key, row in rows.items()})
    return origin


def _facts_of(row: dict[str, Any]) -> Facts:
    etag = row.get("etag")
    checksum = ("etag", str(etag)) if etag else None
    return Facts(
        row.get("size"), checksum, str(row["version_id"]) if row.get("version_id") else None
    )


def told_of(dep: Dep, origin: Origin) -> Dep | None:
    """The dependency as its place tells it without the bytes; None where only they tell.

    Of a folder it is the digest of a list of all checksums, as with DVC. Raises UrlMissing.
    """
    origin.look()
    facts, entries = origin.facts, origin.entries
    if facts is not None:
        if facts.checksum is None:
            return None
        extra = {key: value for key, value in dep.extra.items() if key != "version_id"}
        if facts.version_id:
            extra["version_id"] = facts.version_id
        meta = Meta(facts.size_bytes)
        return replace(dep, checksum=facts.checksum, digest=None, meta=meta, extra=extra)
    cut = len(origin.prefix)
    if origin.versions is not None:
        files = [_row_of(key[cut:], facts) for key, facts in sorted(origin.versions.items())]
        return replace(dep, checksum=None, digest=None, meta=Meta(), files=tuple(files))
    rows: list[dict[str, str]] = []
    for entry in entries or ():
        if entry.checksum is None:
            return None
        rows.append({entry.checksum[0]: entry.checksum[1], "relpath": entry.key[cut:]})
    if not rows:
        return None
    name = md5(json.dumps(rows, sort_keys=True).encode()).hexdigest() + DIR_SUFFIX
    size = sum(entry.size_bytes or 0 for entry in entries or ())
    return _hashed(dep, Digest(MD5, name), Meta(size, len(rows)))


def _row_of(path: str, facts: Facts) -> dict[str, Any]:
    row: dict[str, Any] = {"relpath": path}
    if facts.checksum is not None:
        row["etag"] = facts.checksum[1]
    if facts.size_bytes is not None:
        row["size"] = facts.size_bytes
    if facts.version_id:
        row["version_id"] = facts.version_id
    return row


def brought_from(dep: Dep, origin: Origin, told: Dep | None, brought: Out) -> Dep:
    """The dependency as it was when its data was brought. told: by its place, before that."""
    if told is not None:
        return told
    is_exec = origin.path is not None and os.path.isfile(origin.path)
    is_exec = is_exec and os.access(str(origin.path), os.X_OK)
    return _hashed(dep, brought.digest, replace(brought.meta, is_exec=is_exec))


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
    told = told_of(dep, origin)
    if told is not None:
        return told
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
    return (old.digest, old.checksum, old.files) == (new.digest, new.checksum, new.files)
