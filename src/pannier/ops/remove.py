"""remove: stop tracking data, and take stages out of a pipeline."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from pannier.core.errors import BadPath, BadTarget, DiskError, PannierError, UnsavedChanges
from pannier.core.events import Progress
from pannier.core.path import is_inside
from pannier.core.record import dataclass
from pannier.disk import fsio
from pannier.disk.beneath import has_link_parent
from pannier.disk.mutex import check_not_busy
from pannier.formats import lockfile, pipeline_edit, pointer
from pannier.project import snapshot as snapshots
from pannier.project.index import OutRef, outs_of
from pannier.project.naming import Named, named_stages
from pannier.project.privatise import find_links, make_private
from pannier.project.project import Project
from pannier.project.removal import remove as remove_output
from pannier.project.snapshot import ABSENT, OTHER, Snapshot
from pannier.project.tracking import read_bytes, show_to_git
from pannier.project.workspace import sweep

Ask = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class RemoveOptions:
    """cwd: root-relative directory that targets start from. outs: the data too."""

    cwd: str = ""
    outs: bool = False


def remove(
    project: Project,
    targets: Sequence[str],
    options: RemoveOptions,
    ask: Ask,
    progress: Progress,
) -> None:
    """Removes `.dvc` files and stages, with their `.gitignore` lines and lock entries.

    All targets are looked up, and all data that would go is checked, before anything is changed.
    ask: whether data may go that is nowhere else. Raises BadTarget, InvalidFile, UnsavedChanges.
    """
    sweep(project)
    journal = f"{project.scratch}/removing"
    begun = (read_bytes(journal) or b"").decode("utf-8", "replace").split("\0")
    named = _named(project, targets, options.cwd, begun)
    stages = list({stage.address: stage for one in named for stage in one.stages}.values())
    refs = [ref for stage in stages for ref in outs_of(stage) if _is_here(ref)]
    check_not_busy(project.rwlock, [project.absolute(ref.path) for ref in refs], writing=True)
    looks = [_look(project, ref, progress) for ref in refs] if options.outs else []
    lost = [_not_stored(project, look) for look in looks]
    _check_saved(project, refs, looks, lost, ask)
    if not options.outs:
        # Once nothing records the data, gc takes its objects: a link to one would lead nowhere.
        for ref in refs:
            make_private(project, find_links(project, ref.path), progress)
    # What is looked up by goes last: a killed command can be given again.
    for look, unsaved in zip(looks, lost, strict=True):
        if look.kind != ABSENT and not remove_output(project, look, unsaved):
            raise DiskError(
                look.absolute,
                0,
                "it changed while it was looked at, or holds what is not part of the data",
                hint="look at it, then repeat the command",
            )
    # The user's own now: no later checkout takes it for an output of another branch.
    project.statcache.drop_links([project.absolute(ref.path) for ref in refs])
    show_to_git(project, [ref.path for ref in refs if ref.tracked])
    if len(targets) > 1:
        # One after the other they go: a killed command must know which it had removed already.
        fsio.make_dirs(project.scratch)
        fsio.write_atomic(
            journal, "\0".join(targets).encode("utf-8", "surrogateescape"), scratch=project.scratch
        )
    for stage in stages:
        if stage.name is None:
            fsio.remove_durable(project.absolute(stage.file))
    for file in dict.fromkeys(stage.file for stage in stages if stage.name is not None):
        _take_out(project, file, [s.name for s in stages if s.file == file and s.name])
    fsio.remove_durable(journal)


def _named(project: Project, targets: Sequence[str], cwd: str, begun: Sequence[str]) -> list[Named]:
    """What targets name. begun: those of a run that was killed; they may be gone already."""
    named = []
    for target in targets:
        try:
            named.append(_checked(project, target, cwd))
        except BadTarget:
            if target not in begun:
                raise
    return named


def _checked(project: Project, target: str, cwd: str) -> Named:
    """What a target names, if it can be removed."""
    try:
        named = named_stages(project, target, cwd)
    except BadTarget as error:
        if error.hint is None:
            raise
        name = pointer.pointer_name(target)
        message = f"'{target}' is not a .dvc file. Do you mean '{name}'?: {error.message}"
        raise BadTarget(message) from None
    for stage in named.stages:
        if stage.name is None:
            continue
        text = read_bytes(project.absolute(stage.file)) or b""
        if pipeline_edit.is_parametrized(text, stage.name, stage.file):
            raise PannierError(
                f"cannot remove a parametrized stage: '{stage.address_from(cwd)}'",
                hint=f"edit '{named.shown}' by hand: its text stands for several stages, "
                "or holds expressions",
            )
    return named


def _is_here(ref: OutRef) -> bool:
    return "://" not in ref.out.path and is_inside(ref.path)


# -- the data ----


def _look(project: Project, ref: OutRef, progress: Progress) -> Snapshot:
    link = has_link_parent(project.root, ref.path)
    if link is not None:
        raise BadPath(path=ref.path, reason=f"'{link}' is a link", where=f"'{ref.stage.file}'")
    algorithm = ref.out.digest.algorithm if ref.out.digest is not None else "md5"
    look = snapshots.look(project, ref.path, algorithm, progress)
    if look.kind == OTHER and not _is_dead_link(project, look):
        raise DiskError(
            look.absolute,
            0,
            "something that is no file or directory stands where data belongs",
            hint="remove it yourself, then repeat the command",
        )
    return snapshots.measure_entries(project, look, progress)


def _is_dead_link(project: Project, look: Snapshot) -> bool:
    """True for a link into our own cache whose object is gone: it holds no data."""
    return look.is_link and os.readlink(look.absolute).startswith(project.cache_dir + "/")


def _check_saved(
    project: Project,
    refs: list[OutRef],
    looks: list[Snapshot],
    lost: list[list[str]],
    ask: Ask,
) -> None:
    """Asks before data goes that is nowhere else (docs/durability.md, D5)."""
    unsaved: list[str] = []
    for ref, look, inner in zip(refs, looks, lost, strict=False):
        unsaved += _unsaved(project, ref, look, inner)
    if not unsaved:
        return
    paths = ", ".join(f"'{look.path}'" for look in looks if look.kind != ABSENT)
    question = (
        f"{paths} is going to be removed, and {len(unsaved)} of its files are nowhere else. "
        "Are you sure?"
    )
    if not ask(question):
        raise _not_saved(unsaved)


def _not_saved(paths: list[str]) -> UnsavedChanges:
    error = UnsavedChanges(paths)
    error.message = "the data is not in the cache, and would be lost:\n" + "\n".join(paths)
    error.hint = "keep it with 'dvc commit', or remove it yourself first"
    return error


def _not_stored(project: Project, look: Snapshot) -> list[str]:
    """The files of an output (relative to it) whose bytes the store lacks."""
    if look.kind == ABSENT:
        return []
    entries = look.entries()
    store = project.store_of(look.algorithm)
    lost = store.missing(set(entries.values()))
    lost |= store.verify(sorted(set(entries.values()) - lost))
    return [inner for inner, name in entries.items() if name in lost]


def _unsaved(project: Project, ref: OutRef, look: Snapshot, lost: list[str]) -> list[str]:
    """Absolute paths of the files that are neither in the store nor, as they are, in Git."""
    inner = lost if ref.out.cache or look.kind == ABSENT else list(look.entries())
    files = [f"{look.absolute}/{path}" if path else look.absolute for path in inner]
    if ref.out.cache or project.git is None or not files:
        return files
    return project.git.not_held(files)


# -- the pipeline ----


def _take_out(project: Project, file: str, names: list[str]) -> None:
    """Takes stages out of a `dvc.yaml`, after their entries of the lock file."""
    lock = project.absolute(file.removesuffix(".yaml") + ".lock")
    before = read_bytes(lock)
    if before is not None:
        _write(project, lock, before, lockfile.without(before, names, lock))
    path = project.absolute(file)
    text = read_bytes(path) or b""
    _write(project, path, text, pipeline_edit.without_stages(text, names, file))


def _write(project: Project, path: str, before: bytes, after: bytes | None) -> None:
    if after is None:
        fsio.remove_durable(os.path.realpath(path))
    elif after != before:
        fsio.make_dirs(project.scratch)
        fsio.write_atomic(path, after, scratch=project.scratch)
