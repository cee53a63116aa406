"""cache migrate: objects of DVC before 3.0 get the names that they have since.

Old objects stay where they are. A file becomes a new object by one more name (a hard link), or a
copy where that does not work; a directory's list is written anew, with the new names of its files.
Source: docs/formats.md, sections 2, 4 and 22.
"""

from __future__ import annotations

import os
import posixpath
from array import array
from collections.abc import Iterator

from pannier.core.digest import LEGACY, MD5, Digest, is_object_name
from pannier.core.errors import CorruptObject, MissingObject, PannierError
from pannier.core.events import Progress
from pannier.core.manifest import Manifest
from pannier.core.path import is_inside
from pannier.core.record import dataclass, field, replace
from pannier.core.stage import Dep, Out, Stage
from pannier.core.typed import Any
from pannier.disk import fsio
from pannier.disk.link import HARDLINK
from pannier.disk.walk import Folder, stat_key
from pannier.formats import lockfile, pointer, yamlio
from pannier.project import snapshot as snapshots
from pannier.project.index import OutRef, load_index, outs_of
from pannier.project.project import Project
from pannier.project.tracking import ignore_in_git, read_bytes, stage_in_git, write_pointer
from pannier.project.workspace import sweep
from pannier.store.intake import Intake
from pannier.store.publishing import put_bytes, settle
from pannier.store.sources import Source, hash_unknown


@dataclass(frozen=True, slots=True)
class MigrateOptions:
    """files: rewrite pointers and lock files, too. dry: only say what would be done."""

    files: bool = False
    dry: bool = False


@dataclass(slots=True)
class MigrateReport:
    """objects: how many got a new name, or would. changed: pointers and lock files (dry: pointers
    and pipelines), root-relative. left: (path, why) of what keeps its old form. damaged: names of
    old objects that are in quarantine now."""

    objects: int = 0
    changed: list[str] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    to_commit: list[str] = field(default_factory=list)
    staged: bool = False


def migrate(project: Project, options: MigrateOptions, progress: Progress) -> MigrateReport:
    """Raises InvalidFile before anything is changed, DiskError, NoSpace."""
    stages = _old_stages(project) if options.files else []
    report = MigrateReport()
    if options.dry:
        report.objects = sum(1 for _ in _listing(project))
        report.changed = list(dict.fromkeys(stage.file for stage in stages))
        return report
    sweep(project)
    names = _migrate_objects(project, report, progress)
    if options.files:
        _Rewriter(project, names, report, progress).rewrite(stages)
        report.staged = stage_in_git(project, report.to_commit)
    return report


# -- objects ----


def _listing(project: Project) -> Iterator[str]:
    return (name for name in project.legacy.listing() if is_object_name(name))


def _migrate_objects(project: Project, report: MigrateReport, progress: Progress) -> dict[str, str]:
    """Old name -> new name, of all old objects that are good."""
    every = sorted(_listing(project))
    if not every:
        return {}
    legacy, store = project.legacy, project.store
    bad = legacy.verify(every)
    report.damaged = sorted(bad)
    good = [name for name in every if name not in bad]
    names = _migrate_files(project, [n for n in good if not n.endswith(".dir")], report, progress)
    for name in good:
        if not name.endswith(".dir"):
            continue
        try:
            manifest = _translated(legacy.manifest(name), names)
        except (CorruptObject, MissingObject) as error:
            report.damaged.append(name)
            progress.warn(str(error))
            continue
        if manifest is None:
            continue  # a file of it is not here: its list would name what is not there
        new = manifest.digest_hex()
        report.objects += not store.has(new)
        put_bytes(store, new, manifest.to_bytes())
        names[name] = new
    return names


def _migrate_files(
    project: Project, wanted: list[str], report: MigrateReport, progress: Progress
) -> dict[str, str]:
    store = project.store
    clock_ns = project.clock_ns()
    sources = _sources(project, wanted)
    intake = Intake(store, [HARDLINK], clock_ns, progress)
    # Hashed before, so that it is known which of them are new.
    snapshots.recall(project, sources, MD5)
    hash_unknown(sources, MD5, clock_ns, progress)
    found = {
        source.folder.path + source.folder.names[index]: source.hex(index)
        for source in sources
        for index in range(len(source.folder))
    }
    report.objects += len(store.missing(set(found.values())))
    intake.put(sources)
    settle(store, found.values())
    known = snapshots.Snapshot(
        "", project.legacy.root, MD5, snapshots.OTHER, clock_ns=clock_ns, sources=sources
    )
    snapshots.remember(project, known, flushed=False)
    return found


def _sources(project: Project, names: list[str]) -> list[Source]:
    """The old objects in columns, a folder each. The folder's path: the first two digits."""
    folders: dict[str, Folder] = {}
    for name in names:
        prefix = name[:2]
        folder = folders.setdefault(prefix, Folder(prefix))
        folder.names.append(name[2:])
        folder.stats.extend(array("q", stat_key(os.lstat(project.legacy.path(name)))))
    root = project.legacy.root
    return [Source(f"{root}/{p}", f"{root}/{p}", folder) for p, folder in folders.items()]


def _translated(manifest: Manifest, names: dict[str, str]) -> Manifest | None:
    """A directory's list with today's names; None when one of them is not known."""
    if not all(name in names for name in manifest.hexes):
        return None
    return Manifest(manifest.paths, [names[name] for name in manifest.hexes])


# -- pointers and lock files ----


def _old_stages(project: Project) -> list[Stage]:
    """The stages that record something in the old way."""
    return [
        stage
        for stage in load_index(project).stages
        if any(map(_is_old, stage.outs))
        or any(_is_old(dep) for dep in stage.deps if not dep.is_url and dep.repo is None)
    ]


def _is_old(item: Out | Dep) -> bool:
    return item.digest is not None and item.digest.algorithm == LEGACY


class _Unknown(PannierError):
    """The new digest of an item cannot be found out."""


class _Rewriter:
    """Writes stages with their new digests. A stage is written whole or not at all."""

    def __init__(
        self,
        project: Project,
        names: dict[str, str],
        report: MigrateReport,
        progress: Progress,
    ) -> None:
        self._project, self._names, self._report = project, names, report
        self._progress = progress

    def rewrite(self, stages: list[Stage]) -> None:
        fresh: dict[str, list[Stage]] = {}
        for stage in stages:
            try:
                renewed_stage = self._renewed(stage)
            except _Unknown as why:
                self._report.left.append((stage.address, str(why)))
            else:
                fresh.setdefault(stage.file, []).append(renewed_stage)
        for file, renewed in fresh.items():
            # First, as in `add`: a killed run finds the stage by its old form again.
            refs = [ref for stage in renewed for ref in outs_of(stage)]
            ignores = ignore_in_git(self._project, _cached(refs))
            if pointer.is_pointer_name(posixpath.basename(file)):
                changed = file if write_pointer(self._project, renewed[0]) else None
            else:
                changed = self._write_lock(file, renewed)
            if changed is not None:
                self._report.changed.append(changed)
                self._report.to_commit += [changed, *ignores]
        self._report.to_commit = list(dict.fromkeys(self._report.to_commit))

    def _write_lock(self, file: str, stages: list[Stage]) -> str | None:
        project = self._project
        path = file.removesuffix(".yaml") + ".lock"
        before = read_bytes(project.absolute(path))
        document = yamlio.load(before, path) if before is not None else {}
        entries = {s.name: _swapped(document["stages"][s.name], s) for s in stages if s.name}
        after = lockfile.update(before, entries, path)
        if after == before:
            return None
        fsio.make_dirs(project.scratch)
        fsio.write_atomic(project.absolute(path), after, scratch=project.scratch)
        return path

    def _renewed(self, stage: Stage) -> Stage:
        outs = tuple(
            replace(out, digest=self._new(out, stage.path_of(out))) if _is_old(out) else out
            for out in stage.outs
        )
        deps = tuple(
            replace(dep, digest=self._new(dep, stage.path_of(dep))) if _is_old(dep) else dep
            for dep in stage.deps
        )
        renewed = replace(stage, outs=outs, deps=deps)
        if stage.md5 is not None and stage.name is None:
            renewed = replace(renewed, md5=pointer.stage_checksum(renewed))
        return renewed

    def _new(self, item: Out | Dep, path: str) -> Digest:
        """The digest of today: from the old object, else from an unchanged file at its place."""
        assert item.digest is not None
        known = self._names.get(item.digest.hex)
        if known is not None:
            return Digest(MD5, known)
        if not is_inside(path):
            raise _Unknown(f"'{path}' is not in the cache")
        look = snapshots.look(self._project, path, LEGACY, self._progress)
        if snapshots.measure(self._project, look, self._progress).digest != item.digest:
            raise _Unknown(f"'{path}' is neither in the cache nor, as recorded, in the workspace")
        now = snapshots.look(self._project, path, MD5, self._progress)
        digest = snapshots.measure(self._project, now, self._progress).digest
        if digest is None:
            raise _Unknown(f"'{path}' vanished")
        return digest


def _swapped(entry: dict[str, Any], stage: Stage) -> dict[str, Any]:
    """A lock entry with the digests of the renewed stage, and nothing else changed."""
    fresh = {("deps", dep.path): dep.digest for dep in stage.deps if dep.digest is not None} | {
        ("outs", out.path): out.digest for out in stage.outs if out.digest is not None
    }
    swapped = dict(entry)
    for section in ("deps", "outs"):
        items = []
        for item in entry.get(section, ()):
            digest = fresh.get((section, item["path"]))
            if digest is not None and digest.algorithm == MD5 and "hash" not in item:
                rest = {key: value for key, value in item.items() if key not in ("path", "md5")}
                item = {"path": item["path"], "hash": MD5, "md5": digest.hex, **rest}
            items.append(item)
        if items:
            swapped[section] = items
    return swapped


def _cached(refs: list[OutRef]) -> list[str]:
    return [ref.path for ref in refs if ref.tracked]
