"""Outputs at a worktree remote, of which others change the files there: what it has now.

Each file that is not the recorded version is brought, for only its bytes tell its digest.
"""

from __future__ import annotations

from pannier.core.digest import MD5, Digest
from pannier.core.events import Progress
from pannier.core.manifest import Manifest
from pannier.core.record import replace
from pannier.core.stage import Meta, Out
from pannier.core.typed import Any
from pannier.project.index import OutRef
from pannier.project.project import Project
from pannier.project.targets import Selected
from pannier.project.versions import Row, cloud_entry, rows_of
from pannier.store.cargo import Cargo, Got, Lot, stow
from pannier.store.publishing import put_bytes
from pannier.store.transport import Facts, key_of_version
from pannier.store.versioned import VersionedRemote


def out_as_there(
    project: Project, remote: VersionedRemote, ref: OutRef, jobs: int | None, progress: Progress
) -> Out | None:
    """An output as its remote has it now, its bytes in the cache. None when nothing is there.

    Raises BadPath for a name that may not come from elsewhere, TransferFailed.
    """
    is_dir = ref.out.digest is not None and ref.out.digest.is_dir
    base = f"{ref.path}/" if is_dir else ref.path
    there = {
        key[len(base) :]: facts
        for key, facts in remote.latest(base).items()
        if (is_dir or key == base) and not key.endswith("/")
    }
    if not there:
        return None
    recorded = {row.path: row for row in rows_of(project, Selected(ref), remote.name) or ()}
    same = {
        path
        for path, row in recorded.items()
        if path in there and row.version_id == there[path].version_id
    }
    got = _bring(project, remote, ref, base, _without(there, same), is_dir, jobs, progress)
    if not is_dir:
        return ref.out if same else _file(ref.out, remote.name, there[""], got[""])
    if len(same) == len(recorded) == len(there):
        return ref.out
    rows = [_entry(path, remote.name, there[path], recorded, got) for path in sorted(there)]
    return _folder(project, ref.out, rows)


def _without(there: dict[str, Facts], same: set[str]) -> dict[str, Facts]:
    return {path: facts for path, facts in there.items() if path not in same}


def _bring(
    project: Project,
    remote: VersionedRemote,
    ref: OutRef,
    base: str,
    new: dict[str, Facts],
    is_dir: bool,
    jobs: int | None,
    progress: Progress,
) -> dict[str, Got]:
    if not new:
        return {}
    items = [
        (path, key_of_version(base + path, facts.version_id or ""), "")
        for path, facts in new.items()
    ]
    where = f"remote '{remote.name}'"
    cargo = Cargo(ref.path, is_dir, [Lot(remote.transport, items, where)])
    return stow(project.store, cargo, jobs, progress)


def _file(out: Out, remote: str, facts: Facts, got: Got) -> Out:
    return replace(
        out,
        digest=Digest(MD5, got.md5),
        meta=Meta(got.size_bytes),
        cloud=cloud_entry(remote, facts),
    )


def _entry(
    path: str, remote: str, facts: Facts, recorded: dict[str, Row], got: dict[str, Got]
) -> dict[str, Any]:
    if path not in got:
        return recorded[path].entry
    row = got[path]
    return {
        "relpath": path,
        "md5": row.md5,
        "size": row.size_bytes,
        "cloud": cloud_entry(remote, facts),
    }


def _folder(project: Project, out: Out, rows: list[dict[str, Any]]) -> Out:
    manifest = Manifest.of((row["relpath"], row["md5"]) for row in rows)
    name = manifest.digest_hex()
    put_bytes(project.store, name, manifest.to_bytes())
    project.store.keep_manifest(name, manifest)
    meta = Meta(sum(row.get("size", 0) for row in rows), len(rows))
    return replace(out, digest=Digest(MD5, name), meta=meta, files=tuple(rows))
