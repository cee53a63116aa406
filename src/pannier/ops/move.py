"""move: rename tracked data, with its pointer and its `.gitignore` lines."""

from __future__ import annotations

import os
import posixpath

from pannier.core.errors import (
    BadPath,
    BadTarget,
    DiskError,
    Overlap,
    PannierError,
    PointerIgnored,
    TrackedByGit,
)
from pannier.core.events import Progress
from pannier.core.path import is_inside, is_within, join, reason_to_refuse, relative
from pannier.core.record import dataclass, field, replace
from pannier.core.stage import Dep, Stage
from pannier.disk import fsio
from pannier.disk.beneath import has_link_parent
from pannier.disk.mutex import check_not_busy
from pannier.formats import pointer
from pannier.formats.entries import reason_against_output
from pannier.formats.oplog import MoveChange
from pannier.project.index import Index, OutRef, inner_project, load_index
from pannier.project.project import Project
from pannier.project.relocation import relocate
from pannier.project.targets import root_relative
from pannier.project.tracking import ignore_in_git, read_bytes, show_to_git, stage_in_git
from pannier.project.workspace import sweep


@dataclass(frozen=True, slots=True)
class MoveOptions:
    """cwd: root-relative directory that both paths start from."""

    cwd: str = ""


@dataclass(frozen=True, slots=True)
class MoveReport:
    """to_commit: root-relative paths for `git add`. staged: that was done already."""

    to_commit: list[str] = field(default_factory=list)
    staged: bool = False


@dataclass(frozen=True, slots=True)
class _Plan:
    """source, target: root-relative places of the data. before, after: the stage. Its file moves
    along when it is named after the output."""

    source: str
    target: str
    before: Stage
    after: Stage
    text: bytes


def move(
    project: Project, source: str, target: str, options: MoveOptions, progress: Progress
) -> MoveReport:
    """Moves one tracked file or directory by a rename.

    Everything is checked before anything is changed. Killed anywhere and given again it ends as it
    would have: the old pointer goes last. Raises BadTarget, BadPath, PannierError, DiskError.
    """
    sweep(project)
    index = load_index(project)
    ref = _find(project, index, source, options.cwd)
    plan = _plan(project, ref, target, options.cwd)
    _check(project, index, plan, options.cwd)
    paths = [project.absolute(plan.source), project.absolute(plan.target)]
    check_not_busy(project.rwlock, paths, writing=True)
    tracked = ref.tracked
    changed = ignore_in_git(project, [plan.target]) if tracked else []
    moves_file = plan.after.file != plan.before.file
    if moves_file:
        _write(project, plan)
    _move_data(project, plan, progress)
    if tracked:
        changed += show_to_git(project, [plan.source])
    if moves_file:
        fsio.remove_durable(project.absolute(plan.before.file))
    else:
        _write(project, plan)
    _note_link(project, plan)
    to_commit = list(dict.fromkeys([*changed, plan.before.file, plan.after.file]))
    return MoveReport(to_commit, stage_in_git(project, to_commit))


# -- deciding ----


def _find(project: Project, index: Index, source: str, cwd: str) -> OutRef:
    path = root_relative(project, cwd, source)
    for ref in index.outs():
        if ref.path == path and "://" not in ref.out.path:
            stage = ref.stage
            if stage.name is not None or stage.cmd is not None:
                shown = stage.address_from(cwd)
                raise PannierError(
                    "move is not permitted for stages that are not data sources. You need to "
                    f"either move '{shown}' to a new location and edit it by hand, or remove "
                    f"'{shown}' and create a new one at the desired location."
                )
            return ref
    if pointer.is_pointer_name(posixpath.basename(path)):
        raise BadTarget(
            f"DVC file '{source}' cannot be an output.",
            hint=f"name the data, as in 'dvc move {source.removesuffix('.dvc')} ...'",
        )
    raise BadTarget(f"Unable to find DVC file with output '{source}'")


def _plan(project: Project, ref: OutRef, target: str, cwd: str) -> _Plan:
    place = root_relative(project, cwd, target)
    absolute = project.absolute(place)
    if target.endswith("/") or (os.path.isdir(absolute) and not _was_begun(project, ref, place)):
        place = join(place, posixpath.basename(ref.path))
    if is_inside(place) and pointer.is_pointer_name(posixpath.basename(place)):
        raise BadTarget(f"DVC file '{target}' cannot be an output.")
    if not is_inside(place):
        where = os.path.normpath(project.absolute(posixpath.dirname(place)))
        raise BadTarget(f"stage working dir '{where}' is outside of DVC repo")
    return _plan_to(project, ref, place)


def _was_begun(project: Project, ref: OutRef, place: str) -> bool:
    """True when a killed run of this very move has brought the data to place already."""
    if not place or not is_inside(place) or os.path.lexists(project.absolute(ref.path)):
        return False
    plan = _plan_to(project, ref, place)
    return read_bytes(project.absolute(plan.after.file)) == plan.text


def _plan_to(project: Project, ref: OutRef, place: str) -> _Plan:
    stage = after = ref.stage
    own_name = pointer.pointer_name(posixpath.basename(ref.path))
    if posixpath.basename(stage.file) == own_name and len(stage.outs) == 1:
        folder = posixpath.dirname(place)
        after = replace(stage, file=pointer.pointer_name(place), wdir=folder)
    outs = tuple(
        replace(out, path=relative(place, after.wdir)) if out is ref.out else out
        for out in stage.outs
    )
    deps = tuple(_moved_dep(stage, after.wdir, dep) for dep in stage.deps)
    after = replace(after, outs=outs, deps=deps)
    if after.md5 is not None or after.is_import:
        after = replace(after, md5=pointer.stage_checksum(after))
    text = pointer.dump(after, read_bytes(project.absolute(stage.file)))
    return _Plan(ref.path, place, stage, after, text)


def _moved_dep(stage: Stage, wdir: str, dep: Dep) -> Dep:
    """A dependency as seen from another directory."""
    if dep.is_url or dep.repo is not None or dep.db is not None or dep.path.startswith("/"):
        return dep
    full = stage.path_of(dep)
    if is_inside(full):
        return replace(dep, path=relative(full, wdir))
    return replace(dep, path="../" * (wdir.count("/") + 1 if wdir else 0) + full)


def _check(project: Project, index: Index, plan: _Plan, cwd: str) -> None:
    """Raises what stands against the move. Nothing was written so far."""
    target, folder = plan.target, posixpath.dirname(plan.target)
    shown = os.path.relpath("/" + target, "/" + cwd)
    why = reason_to_refuse(target) or reason_against_output(target, "", "", cache=True)
    inner = inner_project(project, target) if why is None else None
    if inner is not None:
        why = f"'{inner}' is a project of its own, whose commands have to track it"
    if why is not None:
        raise BadPath(path=shown, reason=why, where="the command line")
    for path in (plan.source, target):
        link = has_link_parent(project.root, path)
        if link is not None:
            raise BadPath(path=path, reason=f"'{link}' is a link to elsewhere", where="the project")
    if not os.path.isdir(project.absolute(folder)):
        raise BadTarget(
            f"stage working dir '{project.absolute(folder)}' does not exist",
            hint=f"make it with 'mkdir -p {os.path.relpath('/' + folder, '/' + cwd)}'",
        )
    resumed = _check_pointer(project, plan, cwd)
    _check_place(project, plan, shown, resumed)
    for ref in index.outs():
        if ref.stage.file in (plan.before.file, plan.after.file) and ref.path in (
            plan.source,
            target,
        ):
            continue
        if is_within(target, ref.path) or is_within(ref.path, target):
            raise Overlap(f"'{shown}' overlaps with '{ref.path}' of '{ref.stage.address}'")
    if is_within(target, plan.source):
        raise BadTarget(f"'{shown}' lies in what is to be moved")


def _check_pointer(project: Project, plan: _Plan, cwd: str) -> bool:
    """Whether the new pointer is there already, as a killed run of this very move leaves it."""
    if plan.after.file == plan.before.file:
        return False
    absolute = project.absolute(plan.after.file)
    if os.path.lexists(absolute):
        if read_bytes(absolute) == plan.text and plan.after.file != plan.before.file:
            return True
        shown = os.path.relpath("/" + plan.after.file, "/" + cwd)
        raise BadTarget(f"'{shown}' already exists")
    if project.git is not None and project.git.is_ignored(absolute):
        raise PointerIgnored(os.path.relpath("/" + plan.after.file, "/" + cwd))
    return False


def _check_place(project: Project, plan: _Plan, shown: str, resumed: bool) -> None:
    source, target = project.absolute(plan.source), project.absolute(plan.target)
    if os.path.lexists(target):
        if resumed and not os.path.lexists(source):
            return  # a killed run had moved it
        raise BadTarget(
            f"'{shown}' is there already, and would be overwritten",
            hint="move it away, or choose another name",
        )
    if project.git is not None and project.git.is_tracked(target):
        raise TrackedByGit(shown)
    content = os.readlink(source) if os.path.islink(source) else "/"
    if not content.startswith("/") and os.path.dirname(source) != os.path.dirname(target):
        raise BadTarget(
            f"'{plan.source}' is a link to '{content}', which would lead elsewhere from there",
            hint="put the file itself in its place, and repeat the command",
        )
    if os.path.lexists(source):
        devices = {os.lstat(os.path.dirname(path)).st_dev for path in (source, target)}
        if len(devices) > 1 or os.path.ismount(source):
            raise DiskError(
                target,
                0,
                "it lies on another file system, where a rename does not reach",
                hint="copy the data there, add it with 'dvc add', and remove the old one",
            )


# -- doing ----


def _write(project: Project, plan: _Plan) -> None:
    fsio.make_dirs(project.scratch)
    path = project.absolute(plan.after.file)
    if read_bytes(path) != plan.text:
        fsio.write_atomic(path, plan.text, scratch=project.scratch)


def _move_data(project: Project, plan: _Plan, progress: Progress) -> None:
    source, target = project.absolute(plan.source), project.absolute(plan.target)
    if os.path.lexists(source):
        relocate(project, MoveChange(plan.source, plan.target, _algorithm(plan)), progress)
        return
    if not os.path.lexists(target):
        progress.warn(f"'{source}' missing")
        return
    for folder in dict.fromkeys((os.path.dirname(target), os.path.dirname(source))):
        fsio.sync_dir(folder)


def _algorithm(plan: _Plan) -> str:
    digest = next(
        (out.digest for out in plan.before.outs if plan.before.path_of(out) == plan.source), None
    )
    return digest.algorithm if digest is not None else "md5"


def _note_link(project: Project, plan: _Plan) -> None:
    project.statcache.drop_links([project.absolute(plan.source)])
    for out in plan.after.outs:
        if plan.after.path_of(out) == plan.target and out.digest is not None:
            absolute = project.absolute(plan.target)
            project.statcache.put_links([(absolute, out.digest.hex, out.digest.algorithm)])
