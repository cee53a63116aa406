"""add: start tracking files and directories, or record their new content."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence

from pannier.core.digest import DIR_SUFFIX, MD5, Digest
from pannier.core.errors import (
    BadPath,
    BadTarget,
    NotThere,
    OutputMissing,
    OutsideProject,
    Overlap,
    PannierError,
    PointerIgnored,
    TrackedByGit,
)
from pannier.core.events import Progress
from pannier.core.hashes import md5
from pannier.core.manifest import parse_manifest
from pannier.core.path import is_inside, is_within, reason_to_refuse
from pannier.core.record import dataclass, field, replace
from pannier.core.stage import Meta, Out, Stage
from pannier.disk.beneath import has_link_parent
from pannier.disk.mutex import check_not_busy
from pannier.formats import pointer
from pannier.project import snapshot as snapshots
from pannier.project.carried import carry_versions
from pannier.project.index import (
    Index,
    OutRef,
    ignore_rules,
    inner_project,
    load_index,
    outs_of,
    parse_stage_file,
    refuse_other_record,
    stage_files_of,
    workspace_reader,
)
from pannier.project.presence import manifest_of, recorded_manifest
from pannier.project.project import Project
from pannier.project.snapshot import ABSENT, Snapshot
from pannier.project.targets import root_relative
from pannier.project.tracking import (
    ignore_in_git,
    shown,
    stage_in_git,
    with_out,
    write_pointer,
)
from pannier.project.workspace import refuse_other, relink, save, sweep
from pannier.store.publishing import put_bytes
from pannier.store.remote import Remote

_NAME_MAX = 255


@dataclass(frozen=True, slots=True)
class AddOptions:
    """cwd: root-relative directory that targets start from. save: put the bytes into the store.
    relink: replace files by links where links are configured."""

    cwd: str = ""
    save: bool = True
    relink: bool = True


@dataclass(frozen=True, slots=True)
class AddReport:
    """to_commit: root-relative paths for `git add`. staged: that was done already."""

    pointers: list[str] = field(default_factory=list)
    to_commit: list[str] = field(default_factory=list)
    staged: bool = False


@dataclass(frozen=True, slots=True)
class _Task:
    """One target. stage: the pointer's, present or to be made. inside: the path below the output
    when only a part of a tracked directory is added."""

    path: str
    stage: Stage
    out: Out
    out_path: str
    inside: str = ""

    def on(self, stage: Stage) -> _Task:
        """The same task on a newer state of its stage."""
        out = next(out for out in stage.outs if out.path == self.out.path)
        return replace(self, stage=stage, out=out)

    @property
    def is_new(self) -> bool:
        return self.out.digest is None


def add(
    project: Project, targets: Sequence[str], options: AddOptions, progress: Progress
) -> AddReport:
    """Tracks targets. Everything is checked before anything is written.

    Raises OutputMissing, OutsideProject, TrackedByGit, PointerIgnored, Overlap, BadPath,
    UnstorableEntries, FileChanged, DiskError.
    """
    sweep(project)
    # The targets' own directories are walked once, for their data; see _check_inside.
    roots = [root_relative(project, options.cwd, target) for target in targets]
    index = load_index(project, leave_out=roots)
    tasks = [_task(project, index, target, options.cwd) for target in targets]
    tasks = list({task.path: task for task in tasks}.values())
    _check_overlaps(project, index, tasks)
    _check_git(project, tasks, options.cwd)
    check_not_busy(project.rwlock, [project.absolute(task.path) for task in tasks], writing=True)
    looks = [_look(project, task, progress) for task in tasks]
    for task, look in zip(tasks, looks, strict=True):
        refuse_other(project, look)
        _check_inside(project, task, look)
    _bring_manifests(project, tasks)
    _check_vanished(project, tasks, looks, options.cwd)
    changed: list[str] = []
    written: dict[str, Stage] = {}
    for planned, look in zip(tasks, looks, strict=True):
        # Two parts of one directory: the second one changes what the first one wrote.
        task = planned.on(written.get(planned.stage.file, planned.stage))
        if options.save and look.kind != ABSENT:
            save(project, look, progress)
        if task.inside or not options.save:
            snapshots.measure_entries(project, look, progress)
        if look.digest is None and look.kind != ABSENT:
            raise OutputMissing(shown(task.path, options.cwd), project.absolute(task.path))
        stage = _recorded(project, task, look, options)
        changed += ignore_in_git(project, [task.out_path])
        write_pointer(project, stage)
        written[stage.file] = stage
        if options.save and options.relink and look.kind != ABSENT:
            relink(project, look, progress)
        if options.save:  # else DVC, too, takes it for the user's own when it is tracked no more
            _note_link(project, stage, task)
    pointers = list(written)
    to_commit = list(dict.fromkeys([*changed, *pointers]))
    return AddReport(pointers, to_commit, stage_in_git(project, to_commit))


def _look(project: Project, task: _Task, progress: Progress) -> Snapshot:
    """What is at a target's place; of a part with the directory's algorithm."""
    recorded = task.out.digest
    if recorded is not None and task.inside:
        return snapshots.look(project, task.path, recorded.algorithm, progress)
    return snapshots.look_anew(project, task.path, recorded, progress)


def _note_link(project: Project, stage: Stage, task: _Task) -> None:
    digest = next(out.digest for out in stage.outs if out.path == task.out.path)
    if digest is not None:
        absolute = project.absolute(task.out_path)
        project.statcache.put_links([(absolute, digest.hex, digest.algorithm)])


def _task(project: Project, index: Index, target: str, cwd: str) -> _Task:
    path = root_relative(project, cwd, target)
    absolute = project.absolute(path)
    if not is_inside(path):
        raise OutsideProject(os.path.normpath(absolute))
    why = "it is the project itself" if path == "" else reason_to_refuse(path)
    if why is None and _meets_cache(project, absolute):
        why = "the cache lies there"
    inner = inner_project(project, path) if why is None else None
    if inner is not None:
        why = f"'{inner}' is a project of its own, whose commands have to track it"
    if why is not None:
        raise BadPath(path=target, reason=why, where="the command line")
    link = has_link_parent(project.root, path)
    if link is not None:
        raise BadPath(path=target, reason=f"'{link}' is a link to elsewhere", where="the project")
    covering = index.out_covering(path)
    # What vanished from a tracked directory is recorded as gone; see `_bring_manifests`.
    if not os.path.lexists(absolute) and not _is_part(project, covering, path):
        raise OutputMissing(target.rstrip("/"), absolute)
    is_part = covering is not None and covering.path != path
    rules = ignore_rules(project, posixpath.dirname(path))
    found = rules.explain(path, os.path.isdir(absolute))
    # What is named of a tracked directory is taken, as by DVC: a pattern says what is found there.
    if found is not None and not found[2].startswith("!") and not is_part:
        raise BadTarget(f"Path '{target}' is ignored by {found[0]}:{found[1]}:{found[2]}")
    if covering is not None:
        return _tracked_task(covering, path, target)
    name = posixpath.basename(path)
    if len(os.fsencode(name)) + len(".dvc") > _NAME_MAX:
        raise BadPath(path=target, reason="its name leaves no room for '.dvc'", where="add")
    out = Out(path=name)
    stage = Stage(file=pointer.pointer_name(path), wdir=posixpath.dirname(path), outs=(out,))
    return _Task(path, stage, out, path)


def _meets_cache(project: Project, absolute: str) -> bool:
    """True for a folder that holds the cache, and for what lies in it: it would hold itself."""
    cache = os.path.realpath(project.cache_dir)
    folder, name = os.path.split(absolute)
    place = os.path.join(os.path.realpath(folder), name)  # a link into the cache is no cache
    return is_within(cache, place) or is_within(place, cache)


def _is_part(project: Project, covering: OutRef | None, path: str) -> bool:
    """True for a path in a directory that is here and whose content is recorded."""
    if covering is None or covering.path == path:
        return False
    if not os.path.isdir(project.absolute(covering.path)):
        return False
    return covering.out.digest is not None and covering.out.digest.is_dir


def _tracked_task(covering: OutRef, path: str, target: str) -> _Task:
    stage = covering.stage
    if stage.cmd is not None or stage.name is not None:
        raise Overlap(
            f"cannot update '{target}': overlaps with an output of stage: '{stage.address}'",
            hint=f"record what the stage made with 'dvc commit {stage.address}'",
        )
    inside = path[len(covering.path) + 1 :] if path != covering.path else ""
    return _Task(path, stage, covering.out, covering.path, inside)


def _check_overlaps(project: Project, index: Index, tasks: list[_Task]) -> None:
    for task in tasks:
        if not task.is_new or task.inside:
            continue
        if os.path.lexists(project.absolute(task.stage.file)) and task.stage.file not in {
            stage.file for stage in index.stages
        }:
            raise Overlap(f"'{task.stage.file}' is there already, and ignored by .dvcignore")
        if task.stage not in index.stages:
            refuse_other_record(index, task.stage.file, task.path)
        for ref in index.outs():
            _refuse_overlap(task, ref)
        for other in tasks:
            if other is not task and is_within(other.path, task.path):
                raise Overlap(f"'{other.path}' lies in '{task.path}': add one of them")


def _check_inside(project: Project, task: _Task, look: Snapshot) -> None:
    """Refuses a directory that holds pointers or pipelines with outputs of their own."""
    if look.tree is None or task.inside:
        return
    read = workspace_reader(project)
    for folder in look.tree.folders:
        for name in stage_files_of(folder.names):
            path = f"{task.path}/{folder.join(name)}"
            for stage in parse_stage_file(project, read, path):
                for ref in outs_of(stage):
                    _refuse_overlap(task, ref)


def _refuse_overlap(task: _Task, ref: OutRef) -> None:
    if ref.path != task.path and is_within(ref.path, task.path):
        raise Overlap(
            f"The output paths:\n'{task.path}'('{task.stage.address}')\n"
            f"'{ref.path}'('{ref.stage.address}')\n"
            "overlap and are thus in the same tracked directory.\n"
            "To keep reproducibility, outputs should be in separate tracked directories "
            "or tracked individually."
        )


def _check_git(project: Project, tasks: list[_Task], cwd: str) -> None:
    git = project.git
    if git is None:
        return
    fresh = [task for task in tasks if task.is_new]
    tracked = git.tracked([project.absolute(task.path) for task in fresh])
    for task in fresh:
        if project.absolute(task.path) in tracked:
            raise TrackedByGit(shown(task.path, cwd))
    pointers = {project.absolute(task.stage.file): task.stage.file for task in fresh}
    for path in git.ignored(list(pointers)):
        raise PointerIgnored(shown(pointers[path], cwd))


def _recorded(project: Project, task: _Task, look: Snapshot, options: AddOptions) -> Stage:
    """The stage with the new content of its output."""
    if not task.inside:
        assert look.digest is not None
        digest, meta = look.digest, look.meta
    else:
        digest, meta = _updated_directory(project, task, look, options)
    stage = with_out(task.stage, task.out.path, digest, meta)
    return carry_versions(project, task.stage, stage)


def _bring_manifests(project: Project, tasks: list[_Task]) -> None:
    """What the directories hold of which only a part is added: from the store, else a remote.

    Nothing else is brought. Raises PannierError where it is in neither.
    """
    for task in {task.out_path: task for task in tasks if task.inside}.values():
        recorded = task.out.digest
        if recorded is None or not recorded.is_dir:
            raise PannierError(
                f"'{task.out_path}' has no recorded content yet",
                hint=f"record it first with 'dvc add {task.out_path}'",
            )
        if task.out.files is not None:
            listed = recorded_manifest(project, task.out)
            assert listed is not None
            project.store.keep_manifest(recorded.hex, listed)
        elif manifest_of(project, recorded) is None:
            _bring_manifest(project, task, recorded)


def _check_vanished(project: Project, tasks: list[_Task], looks: list[Snapshot], cwd: str) -> None:
    """Raises OutputMissing for what is not there, and was not recorded either."""
    for task, look in zip(tasks, looks, strict=True):
        if look.kind != ABSENT:
            continue
        known = manifest_of(project, task.out.digest) if task.inside and task.out.digest else None
        if known is None or not known.below(task.inside):
            raise OutputMissing(shown(task.path, cwd), project.absolute(task.path))


def _bring_manifest(project: Project, task: _Task, recorded: Digest) -> None:
    if not (task.out.remote or project.settings.default_remote()):
        raise PannierError(
            f"the list of files of '{task.out_path}' is not in the cache",
            hint="name the remote that has it with 'dvc remote default', and repeat",
        )
    with Remote(project.settings.remote(task.out.remote)) as remote:
        try:
            data = remote.read(recorded.algorithm, recorded.hex)
        except NotThere:
            raise PannierError(
                f"the list of files of '{task.out_path}' is neither in the cache nor on remote"
                f" '{remote.name}'",
                hint=f"whoever has it can bring it there with 'dvc push {task.out_path}'",
            ) from None
    manifest = parse_manifest(data, recorded.hex)
    store = project.store_of(recorded.algorithm)
    put_bytes(store, recorded.hex, data)
    store.keep_manifest(recorded.hex, manifest)


def _updated_directory(
    project: Project, task: _Task, look: Snapshot, options: AddOptions
) -> tuple[Digest, Meta]:
    """The content of a tracked directory after a part of it was exchanged.

    The rest of the directory need not be in the workspace.
    """
    recorded = task.out.digest
    assert recorded is not None  # of `_bring_manifests`, or of the part before
    store = project.store_of(recorded.algorithm)
    old = store.manifest(recorded.hex)
    removed = old.below(task.inside)
    prefix = task.inside
    added = [
        (f"{prefix}/{path}" if path else prefix, name) for path, name in look.entries().items()
    ]
    new = old.with_changes(removed.paths, added)
    data = new.to_bytes()
    name = md5(data).hexdigest() + DIR_SUFFIX
    store.keep_manifest(name, new)
    if options.save:
        put_bytes(store, name, data)
    if name == recorded.hex and recorded.algorithm == MD5:
        return recorded, task.out.meta  # nothing changed
    # Only for one new file the sum is known: of what is replaced nothing tells the size, and DVC
    # leaves the sum out then, and after a sum of nothing.
    before, size = task.out.meta.size_bytes, None
    if len(new) == len(old) + 1 and look.kind == snapshots.FILE and before:
        size = before + (look.meta.size_bytes or 0)
    return Digest(recorded.algorithm, name), Meta(size, len(new))
