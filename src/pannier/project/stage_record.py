"""Stage record: what a stage's items hold now, and entering it into its pointer or lock file.

The order is that of docs/durability.md, section 3.6: outputs become objects first, then the record
that names them is written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence

from pannier.core.digest import MD5
from pannier.core.errors import BadPath, OutputMissing, PannierError
from pannier.core.events import Progress
from pannier.core.record import dataclass, replace
from pannier.core.stage import Dep, Out, ParamsDep, Stage
from pannier.disk.beneath import has_link_parent
from pannier.formats import values
from pannier.project import snapshot as snapshots
from pannier.project.index import load_datasets, outs_of
from pannier.project.lock_files import LockFiles
from pannier.project.project import Project
from pannier.project.snapshot import Snapshot
from pannier.project.tracking import ignore_in_git, read_bytes, shown, write_pointer
from pannier.project.workspace import relink, save

MeasureFar = Callable[[Stage, Dep], Dep]
"""A dependency that is far away, as it is now; one that is gone raises UrlMissing."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A stage with what its items hold now. looks: of its outputs, by path as declared."""

    stage: Stage
    looks: dict[str, Snapshot]


def see(
    project: Project,
    stage: Stage,
    progress: Progress,
    *,
    cwd: str = "",
    measure_far: MeasureFar | None = None,
) -> Seen:
    """Looks at all items of a stage. cwd: where the user stands, for messages. measure_far: of
    URLs that a command reads; None keeps what is recorded of them.

    Raises OutputMissing, BadPath for an output behind a link, PannierError for a dependency or a
    parameter that is not there, DiskError.
    """
    looks = see_outs(project, stage, progress, cwd=cwd)
    seen = with_inputs(project, with_outs(stage, looks), progress, cwd=cwd, measure_far=measure_far)
    return Seen(seen, looks)


def see_outs(
    project: Project, stage: Stage, progress: Progress, *, cwd: str = ""
) -> dict[str, Snapshot]:
    """Measures what is at the place of each output, by path as declared; not those far away.

    Raises OutputMissing, BadPath, DiskError.
    """
    for ref in outs_of(stage):
        # A repository may bring a link to anywhere and an output behind it: what lies there is not
        # data, and would be shared with the next push (docs/durability.md, hostile input S3).
        link = has_link_parent(project.root, ref.path) if ref.tracked else None
        if link is not None:
            raise BadPath(path=ref.path, reason=f"'{link}' is a link", where=f"'{stage.file}'")
    looks: dict[str, Snapshot] = {}
    for out in stage.outs:
        if "://" in out.path:
            continue
        path = stage.path_of(out)
        recorded = out.digest if stage.name is None else None
        look = snapshots.look_anew(project, path, recorded, progress)
        if look.kind == snapshots.ABSENT:
            raise OutputMissing(shown(path, cwd))
        looks[out.path] = snapshots.measure(project, look, progress)
    return looks


def with_outs(stage: Stage, looks: dict[str, Snapshot]) -> Stage:
    """The stage with its outputs as they were seen."""
    return replace(stage, outs=tuple(_seen_out(out, looks.get(out.path)) for out in stage.outs))


def with_inputs(
    project: Project,
    stage: Stage,
    progress: Progress,
    *,
    cwd: str = "",
    measure_far: MeasureFar | None = None,
) -> Stage:
    """The stage with its command, dependencies and parameters as they are now.

    Raises PannierError for one that is not there, or for a data set that is not recorded.
    """
    known = load_datasets(project) if any(dep.is_dataset for dep in stage.deps) else None
    return replace(
        stage,
        deps=tuple(
            replace(dep, extra={**dep.extra, "dataset": known.current(dep.path)})
            if known is not None and dep.is_dataset
            else measure_far(stage, dep)
            if measure_far is not None and dep.is_url and not stage.is_import
            else _seen_dep(project, stage, dep, progress)
            for dep in stage.deps
        ),
        params=tuple(_seen_params(project, stage, item, cwd) for item in stage.params),
        cmd_locked=stage.cmd,
    )


def store_outs(project: Project, seen: Seen, progress: Progress) -> Seen:
    """Puts the outputs into the store, flushed; those that Git keeps stay out of it."""
    for out in seen.stage.outs:
        look = seen.looks.get(out.path)
        if out.cache and look is not None:
            save(project, look, progress)
    return Seen(with_outs(seen.stage, seen.looks), seen.looks)


def write(project: Project, stage: Stage, locks: LockFiles) -> list[str]:
    """Writes the pointer, or the entry of the lock file; returns what changed, root-relative.

    Commit point: everything that it names must be durable before.
    """
    return write_all(project, [stage], locks)


def write_all(project: Project, stages: Sequence[Stage], locks: LockFiles) -> list[str]:
    """The same for several stages, each lock file once."""
    written = [one.file for one in stages if one.name is None and write_pointer(project, one)]
    return written + locks.record(one for one in stages if one.name is not None)


def settle(
    project: Project,
    seen: Seen,
    progress: Progress,
    *,
    with_links: bool = True,
    hidden: Collection[str] = (),
) -> list[str]:
    """What goes with a record: `.gitignore`, links of the configured kind. Returns the
    `.gitignore` files that changed, root-relative. hidden: paths that Git ignores already."""
    tracked = [ref for ref in outs_of(seen.stage) if ref.tracked]
    changed = ignore_in_git(project, [ref.path for ref in tracked if ref.path not in hidden])
    for ref in tracked:
        look = seen.looks.get(ref.out.path)
        if look is None or ref.out.digest is None:
            continue
        if with_links:
            relink(project, look, progress)
        digest = ref.out.digest
        project.statcache.put_links([(project.absolute(ref.path), digest.hex, digest.algorithm)])
    return changed


def _seen_out(out: Out, look: Snapshot | None) -> Out:
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


def _seen_params(project: Project, stage: Stage, params: ParamsDep, cwd: str) -> ParamsDep:
    path = stage.path_of(params)
    if os.path.isdir(project.absolute(path)):
        raise PannierError(f"'{path}' is a directory, expected a parameters file")
    data = read_bytes(project.absolute(path))
    if data is None:
        raise PannierError(f"dependency '{path}' does not exist")
    found, missing = values.select(values.load_params(data, path), params.wanted)
    if missing:
        names = ", ".join(sorted(missing))
        raise PannierError(f"Parameters '{names}' are missing from '{shown(path, cwd)}'.")
    return replace(params, locked=found)
