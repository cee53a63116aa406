"""commit: record the workspace's present content of outputs that are tracked already."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pannier.core.digest import MD5
from pannier.core.errors import BadPath, CommitDeclined, OutputMissing, PannierError
from pannier.core.events import Progress
from pannier.core.record import dataclass, replace
from pannier.core.stage import Dep, Out, ParamsDep, Stage
from pannier.disk import fsio
from pannier.disk.beneath import has_link_parent
from pannier.disk.mutex import check_not_busy
from pannier.formats import lockfile, values
from pannier.ops.tracking import ignore_in_git, read_bytes, shown, write_pointer
from pannier.project import snapshot as snapshots
from pannier.project.index import OutRef, outs_of
from pannier.project.project import Project
from pannier.project.targets import ALL_TARGETS, TargetOptions, select_named
from pannier.project.workspace import relink, save, sweep

Ask = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class CommitOptions:
    """force: do not ask. relink: replace files by links where links are configured."""

    targets: TargetOptions = ALL_TARGETS
    force: bool = False
    relink: bool = True


@dataclass(frozen=True, slots=True)
class CommitReport:
    """written: root-relative paths of the pointers and lock files that changed."""

    written: list[str]


def commit(
    project: Project,
    targets: Sequence[str],
    options: CommitOptions,
    ask: Ask,
    progress: Progress,
) -> CommitReport:
    """Stores what the selected stages' outputs hold now, then writes pointers and lock files.

    ask: shown for a stage whose record would change. Raises CommitDeclined, OutputMissing,
    FileChanged, DiskError.
    """
    sweep(project)
    named = select_named(project, targets, options.targets)
    paths = [project.absolute(ref.path) for stage, _ in named for ref in outs_of(stage)]
    check_not_busy(project.rwlock, paths, writing=True)
    written: list[str] = []
    for stage, target in named:
        try:
            written += _commit_stage(project, stage, options, ask, progress)
        except PannierError as error:
            error.about = target
            raise
    return CommitReport(written)


def _commit_stage(
    project: Project, stage: Stage, options: CommitOptions, ask: Ask, progress: Progress
) -> list[str]:
    for ref in outs_of(stage):
        _refuse_link_on_the_way(project, ref)
    looks = {out.path: _look(project, stage, out, options, progress) for out in stage.outs}
    deps = [_seen_dep(project, stage, dep, progress) for dep in stage.deps]
    params = [_seen_params(project, stage, item) for item in stage.params]
    fresh = replace(
        stage,
        deps=tuple(deps),
        params=tuple(params),
        outs=tuple(_seen_out(out, looks[out.path]) for out in stage.outs),
        cmd_locked=stage.cmd,
    )
    changes = _changes(stage, fresh)
    if changes and not options.force:
        question = (
            f"{' and '.join(changes)} of stage: "
            f"'{stage.address_from(options.targets.cwd)}' changed. "
            "Are you sure you want to commit it?"
        )
        if not ask(question):
            raise CommitDeclined(stage.address_from(options.targets.cwd))
    for out in fresh.outs:
        look = looks[out.path]
        if out.cache and look is not None:
            save(project, look, progress)
    fresh = replace(fresh, outs=tuple(_seen_out(out, looks[out.path]) for out in fresh.outs))
    changed = _write(project, fresh)
    _after(project, fresh, looks, options, progress)
    return changed


def _refuse_link_on_the_way(project: Project, ref: OutRef) -> None:
    """A repository may bring a link to anywhere and an output behind it: what lies there is not
    data, and would be shared with the next push (docs/durability.md, hostile input S3)."""
    link = has_link_parent(project.root, ref.path) if ref.tracked else None
    if link is not None:
        raise BadPath(path=ref.path, reason=f"'{link}' is a link", where=f"'{ref.stage.file}'")


def _look(
    project: Project, stage: Stage, out: Out, options: CommitOptions, progress: Progress
) -> snapshots.Snapshot | None:
    if "://" in out.path:
        return None
    path = stage.path_of(out)
    look = snapshots.look(project, path, MD5, progress)
    if look.kind == snapshots.ABSENT:
        raise OutputMissing(shown(path, options.targets.cwd), project.absolute(path))
    return snapshots.measure(project, look, progress)


def _seen_out(out: Out, look: snapshots.Snapshot | None) -> Out:
    if look is None or look.digest is None:
        return out
    if look.digest == out.digest:
        return replace(out, meta=look.meta) if out.files is None else out
    return replace(out, digest=look.digest, meta=look.meta, files=None, cloud=None)


def _seen_dep(project: Project, stage: Stage, dep: Dep, progress: Progress) -> Dep:
    if stage.is_import or dep.is_url or dep.repo is not None or dep.db is not None:
        return dep
    path = stage.path_of(dep)
    look = snapshots.look(project, path, MD5, progress)
    if look.kind == snapshots.ABSENT:
        raise PannierError(f"dependency '{path}' does not exist")
    snapshots.measure(project, look, progress)
    return replace(dep, digest=look.digest, meta=look.meta)


def _seen_params(project: Project, stage: Stage, params: ParamsDep) -> ParamsDep:
    path = stage.path_of(params)
    data = read_bytes(project.absolute(path))
    if data is None:
        raise PannierError(f"dependency '{path}' does not exist")
    found, missing = values.select(values.load_params(data, path), params.wanted)
    if missing:
        names = ", ".join(sorted(missing))
        raise PannierError(f"Parameters '{names}' are missing from '{path}'.")
    return replace(params, locked=found)


def _changes(old: Stage, new: Stage) -> list[str]:
    """What a commit would change of the record, in the words of DVC's question."""
    deps = [
        item.path for item, now in zip(old.deps, new.deps, strict=True) if item.digest != now.digest
    ] + [
        item.path
        for item, now in zip(old.params, new.params, strict=True)
        if item.locked != now.locked
    ]
    outs = [
        item.path for item, now in zip(old.outs, new.outs, strict=True) if item.digest != now.digest
    ]
    found = []
    if deps:
        found.append(f"dependencies {deps}")
    if outs:
        found.append(f"outputs {outs}")
    if old.cmd is not None and old.cmd != old.cmd_locked:
        found.append("md5")
    return found


def _write(project: Project, stage: Stage) -> list[str]:
    if stage.name is None:
        return [stage.file] if write_pointer(project, stage) else []
    path = stage.file.removesuffix(".yaml") + ".lock"
    absolute = project.absolute(path)
    previous = read_bytes(absolute)
    data = lockfile.update(previous, {stage.name: lockfile.entry(stage)})
    if data == previous:
        return []
    fsio.make_dirs(project.scratch)
    fsio.write_atomic(absolute, data, scratch=project.scratch, within=project.root)
    return [path]


def _after(
    project: Project,
    stage: Stage,
    looks: dict[str, snapshots.Snapshot | None],
    options: CommitOptions,
    progress: Progress,
) -> None:
    tracked = [ref for ref in outs_of(stage) if ref.tracked]
    ignore_in_git(project, [ref.path for ref in tracked])
    for ref in tracked:
        look = looks[ref.out.path]
        if look is None or ref.out.digest is None:
            continue
        if options.relink:
            relink(project, look, progress)
        digest = ref.out.digest
        project.statcache.put_links([(project.absolute(ref.path), digest.hex, digest.algorithm)])
