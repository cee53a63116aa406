"""Outputs at a remote with cloud versions: which file lies where, and what pointers say of it.

Each file has its own name there, and a pointer names its version: `cloud:` of an output, or of each
row of `files:` for a directory (docs/formats.md, section 9). What a push uploads is written into
the pointer when it is there, so a push changes pointers and lock files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from pannier.core.digest import LEGACY, MD5
from pannier.core.errors import CorruptObject, NotThere
from pannier.core.events import Progress
from pannier.core.path import is_within
from pannier.core.record import dataclass, field, replace
from pannier.core.stage import Out, Stage
from pannier.core.typed import Any
from pannier.formats import pointer
from pannier.formats.entries import version_at
from pannier.project.lock_files import LockFiles
from pannier.project.presence import recorded_manifest
from pannier.project.project import Project
from pannier.project.targets import Selected
from pannier.project.tracking import write_pointer
from pannier.project.used import is_ours, keep_lists
from pannier.store import transfer
from pannier.store.objects import Store
from pannier.store.pace import Pace
from pannier.store.transport import Facts, Result, key_of_version
from pannier.store.versioned import Known, VersionedRemote

_INLINE = ("version_id", "etag", "checksum")


@dataclass(slots=True)
class Moved:
    """transferred: files that moved. missing: (algorithm, digest, path). failures: (path, why).
    recorded: keys whose versions were written down."""

    transferred: int = 0
    missing: list[tuple[str, str, str]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    recorded: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Row:
    """One file of an output. path: below the output, "" for the output itself. key: its name at
    the remote. version_id: as recorded for this remote, "" for none. entry: as recorded."""

    path: str
    key: str
    md5: str
    version_id: str
    entry: dict[str, Any]


def versioned_outs(selected: Iterable[Selected], *, pushing: bool = False) -> list[Selected]:
    """Those whose data may travel."""
    return [
        item
        for item in selected
        if item.ref.tracked and is_ours(item.ref.stage) and (item.ref.out.push or not pushing)
    ]


def rows_of(project: Project, item: Selected, remote: str) -> list[Row] | None:
    """All files of an output; None when the list of a directory is not here."""
    out, base = item.ref.out, item.ref.path
    if out.digest is None or out.digest.algorithm == LEGACY:
        return None
    if not out.digest.is_dir:
        entry = {"cloud": out.cloud} if out.cloud else out.extra
        return [Row("", base, out.digest.hex, version_at(entry, remote), entry)]
    manifest = recorded_manifest(project, out)
    if manifest is None:
        return None
    entries = {row["relpath"]: row for row in out.files or ()}
    return [
        Row(
            path,
            f"{base}/{path}",
            md5,
            version_at(entries.get(path, {}), remote),
            entries.get(path, {}),
        )
        for path, md5 in manifest
    ]


def _elsewhere(rows: Iterable[Row], remote: str) -> str | None:
    """Another remote that versions are recorded of: an entry has room for one."""
    names = (name for row in rows for name in row.entry.get("cloud") or () if name != remote)
    return next(names, None)


# -- push ----


def push_versions(
    project: Project,
    remote: VersionedRemote,
    selected: Sequence[Selected],
    pace: Pace,
    progress: Progress,
    bad: frozenset[tuple[str, str]] = frozenset(),
) -> Moved:
    """Uploads the files of the workspace's outputs that the remote lacks, and writes down their
    versions. One that cannot travel does not stop the others.

    bad: (key, version id) of what is there with wrong bytes; only these files are uploaded then.
    """
    moved = Moved()
    store = project.store
    plans: list[tuple[Selected, list[Row]]] = []
    for item in versioned_outs(selected, pushing=True):
        rows = rows_of(project, item, remote.name)
        if rows is None:
            if item.ref.out.digest is not None:
                moved.failures.append((item.ref.path, _why_no_rows(item.ref.out)))
            continue
        other = _elsewhere(rows, remote.name)
        if other is not None:
            moved.failures.append((item.ref.path, f"its versions are those of remote '{other}'"))
            continue
        plans.append((item, rows))
    wanted = {row.key: row for item, rows in plans for row in _inside(rows, item)}
    if bad:
        wanted = {key: row for key, row in wanted.items() if (key, row.version_id) in bad}
    if not wanted:
        return moved
    known = remote.known({key: row.version_id for key, row in wanted.items()})
    known.forget(bad)
    told, items = _to_send(store, wanted, known, moved)
    if items:
        remote.check_keeps_versions(any(key in known.latest for _, key, _ in items))
        told |= _send(store, remote, items, wanted, pace, progress, moved)
    _record(project, remote.name, plans, told)
    moved.recorded.update(told)
    return moved


def _why_no_rows(out: Out) -> str:
    if out.digest is not None and out.digest.algorithm == LEGACY:
        return "it was added by DVC before 3.0; 'dvc cache migrate --dvc-files' makes it new"
    return "the list of its files is not in the cache"


def _inside(rows: list[Row], item: Selected) -> list[Row]:
    return [row for row in rows if not item.inside or is_within(row.path, item.inside)]


def _to_send(
    store: Store, wanted: dict[str, Row], known: Known, moved: Moved
) -> tuple[dict[str, Facts], list[tuple[str, str, str]]]:
    """(what is there and was not written down, what is to be uploaded)."""
    told: dict[str, Facts] = {}
    items: list[tuple[str, str, str]] = []
    here = store.present({row.md5 for row in wanted.values()})
    for key, row in wanted.items():
        if row.version_id and known.has(key, row.version_id):
            continue
        if row.md5 not in here:
            moved.missing.append((MD5, row.md5, key))
            continue
        same = known.same(key, row.md5, os.path.getsize(store.path(row.md5)))
        if same is not None:
            told[key] = same
        else:
            items.append((store.path(row.md5), key, row.md5))
    return told, items


def _send(
    store: Store,
    remote: VersionedRemote,
    items: list[tuple[str, str, str]],
    wanted: dict[str, Row],
    pace: Pace,
    progress: Progress,
    moved: Moved,
) -> dict[str, Facts]:
    told: dict[str, Facts] = {}
    task = progress.task(f"Pushing to {remote.name}", len(items))
    pace.show(task)

    def send(some: Iterable[tuple[str, str, str]]) -> Iterable[Result]:
        return remote.transport.upload_many(some, pace.jobs, pace)

    for result in transfer.retrying(items, send, lambda item: item[1], pace):
        task.advance()
        error = result.error
        if isinstance(error, CorruptObject):
            store.quarantine(wanted[result.key].md5)
        if error is None and (result.facts is None or not result.facts.version_id):
            moved.failures.append((result.key, "the server did not say which version it became"))
        elif error is not None:
            moved.failures.append((result.key, str(error)))
        else:
            assert result.facts is not None
            told[result.key] = result.facts
            moved.transferred += 1
    remote.transport.flush()
    task.close()
    return told


def _record(
    project: Project, remote: str, plans: list[tuple[Selected, list[Row]]], told: dict[str, Facts]
) -> None:
    """Commit point: what is written down is there."""
    stages: dict[str, tuple[Stage, dict[str, Out]]] = {}
    for item, rows in plans:
        if any(row.key in told for row in rows):
            stage = item.ref.stage
            _, outs = stages.setdefault(stage.address, (stage, {}))
            outs[item.ref.out.path] = _with_versions(project, item.ref.out, rows, remote, told)
    for stage, outs in stages.values():
        write_outs(project, stage, outs)


def write_outs(project: Project, stage: Stage, outs: dict[str, Out]) -> None:
    """Enters outputs into a stage's pointer or lock file, and nothing else of the stage."""
    if stage.name is not None:
        LockFiles(project).record_outs(stage, list(outs.values()))
        return
    stage = replace(stage, outs=tuple(outs.get(out.path, out) for out in stage.outs))
    if stage.is_import and stage.md5:
        stage = replace(stage, md5=pointer.stage_checksum(replace(stage, md5=None)))
    write_pointer(project, stage)


def _with_versions(
    project: Project, out: Out, rows: list[Row], remote: str, told: dict[str, Facts]
) -> Out:
    assert out.digest is not None
    if not out.digest.is_dir:
        extra = {key: value for key, value in out.extra.items() if key not in _INLINE}
        return replace(out, cloud=cloud_entry(remote, told[rows[0].key]), extra=extra)
    files = [
        _file_entry(project, row, remote, told) for row in sorted(rows, key=lambda row: row.path)
    ]
    return replace(out, files=tuple(files))


def _file_entry(project: Project, row: Row, remote: str, told: dict[str, Facts]) -> dict[str, Any]:
    facts = told.get(row.key)
    if facts is None and row.entry:
        return row.entry
    entry: dict[str, Any] = {"relpath": row.path, "md5": row.md5}
    size = row.entry.get("size")
    if size is None:
        size = facts.size_bytes if facts else _size_of(project.store, row.md5)
    if size is not None:
        entry["size"] = size
    if row.entry.get("isexec"):
        entry["isexec"] = True
    if facts is not None:
        entry["cloud"] = cloud_entry(remote, facts)
    return entry


def _size_of(store: Store, md5: str) -> int | None:
    try:
        return os.path.getsize(store.path(md5))
    except OSError:
        return None


def cloud_entry(remote: str, facts: Facts) -> dict[str, Any]:
    told = {"etag": facts.checksum[1]} if facts.checksum else {}
    return {remote: {**told, "version_id": facts.version_id}}


# -- fetch ----


def fetch_versions(
    project: Project,
    remote: VersionedRemote,
    selected: Sequence[Selected],
    pace: Pace,
    progress: Progress,
) -> Moved:
    """Downloads the recorded versions of what the cache lacks, every byte checked."""
    moved = Moved()
    store = project.store
    store.hold()
    keys: dict[str, str] = {}
    labels: dict[str, str] = {}
    chosen = versioned_outs(selected)
    for item in chosen:
        rows = rows_of(project, item, remote.name)
        digest = item.ref.out.digest
        if rows is None:
            if digest is not None:
                moved.missing.append((digest.algorithm, digest.hex, item.ref.path))
            continue
        if item.ref.stage.is_import and not any(row.version_id for row in rows):
            continue  # its source keeps the data
        for row in _inside(rows, item):
            labels.setdefault(row.md5, row.key)
            if row.version_id:
                keys.setdefault(row.md5, key_of_version(row.key, row.version_id))
    missing = sorted(store.missing(set(labels)))
    names = [name for name in missing if name in keys]
    gone = [name for name in missing if name not in keys]
    done = transfer.fetch(store, remote, names, {}, pace, progress, keys)
    moved.transferred += done.done
    for name, error in done.failed.items():
        if isinstance(error, NotThere):
            gone.append(name)
        else:
            moved.failures.append((labels[name], str(error)))
    moved.missing += [(MD5, name, labels[name]) for name in gone]
    keep_lists(project, chosen)
    return moved
