"""undo: puts back what a command in the operation log changed; all of it or nothing.

Each path is left alone where it is as it was before the command, put back where it is as the
command left it, and a reason to refuse otherwise: nobody's later work is overwritten. So an undo
that was killed goes on where it was. The undo is an entry of the log itself.
"""

from __future__ import annotations

import os
import stat

from pannier.core.digest import MD5
from pannier.core.errors import PannierError
from pannier.core.events import Progress
from pannier.core.hashes import md5
from pannier.core.path import relative
from pannier.core.record import dataclass, field
from pannier.core.undo_errors import UndoRefused
from pannier.disk import fsio
from pannier.disk.beneath import has_link_parent
from pannier.disk.reading import read_regular
from pannier.formats.oplog import (
    Entry,
    FileChange,
    HooksChange,
    MoveChange,
    OutputChange,
    TrashBack,
    TrashChange,
    UnknownChange,
)
from pannier.git.repo import GitRepo
from pannier.project.aside import bring_back as bring_back_aside
from pannier.project.begun import still_at_work, unfinished
from pannier.project.committed import is_committed
from pannier.project.hook_files import HOOKS, is_ours, remove_hooks, write_hooks
from pannier.project.index import is_stage_file, load_index
from pannier.project.journal import Journal
from pannier.project.project import Project
from pannier.project.relocation import relocate
from pannier.project.restore import Restore, drop_kept, plan_restore, restore
from pannier.project.snapshot import ABSENT, DIRECTORY
from pannier.project.trashed import bring_back, objects_in_trash, trash_marks
from pannier.project.workspace import sweep


@dataclass(frozen=True, slots=True)
class UndoOptions:
    """number: of the entry; the last one when None. dry: only say what would be done. cwd:
    root-relative directory that paths are shown from."""

    number: int | None = None
    dry: bool = False
    cwd: str = ""


@dataclass(slots=True)
class UndoReport:
    """What became of paths, as the user sees them; directories end in '/'. objects: that came back
    from the cache's trash."""

    entry: Entry
    added: list[str] = field(default_factory=list)
    modified: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    objects: int = 0


@dataclass(slots=True)
class _Work:
    """What there is to do. files: with the bytes that are there now, those to be put back only."""

    files: list[tuple[FileChange, bytes | None]] = field(default_factory=list)
    outputs: list[Restore] = field(default_factory=list)
    moves: list[MoveChange] = field(default_factory=list)
    hooks: list[HooksChange] = field(default_factory=list)
    trash: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)


def undo(project: Project, options: UndoOptions, progress: Progress) -> UndoReport:
    """Raises UndoRefused before anything is touched; PannierError when there is no such entry."""
    journal = Journal(project.root)
    entry, again = _choose(journal, options.number, progress)
    holder = still_at_work(project, entry)
    if holder is not None:
        raise PannierError(
            f"cannot undo {named(entry)}: it is still running: the command of {holder}",
            hint="wait for it, or end it, and repeat the command",
        )
    if not options.dry:
        sweep(project)
    work = _look(project, journal, entry, options, progress, again)
    if work.changed or work.missing or work.unsure:
        shown = [relative(path, options.cwd) for path in work.changed]
        lost = [(relative(path, options.cwd), name) for path, name in work.missing]
        unsure = [relative(path, options.cwd) for path in work.unsure]
        raise UndoRefused(named(entry), shown, lost, unsure)
    report = _report(project, work, entry, options.cwd)
    if options.dry:
        _report_aside(report, bring_back_aside(project, entry, progress, dry=True), options.cwd)
        report.objects = sum(objects_in_trash(project, mark) for mark in work.trash)
        return report
    if project.recording is not None:
        project.recording.undoing(entry.number, again)
    for mark in work.trash:
        if project.recording is not None:
            project.recording.trash_back(mark)
        report.objects += bring_back(project, mark, progress).restored
    for move in reversed(work.moves):
        relocate(project, MoveChange(move.target, move.path, move.algorithm), progress)
    for output in reversed(work.outputs):
        restore(project, journal.folder, output, progress)
    _report_aside(report, bring_back_aside(project, entry, progress, dry=False), options.cwd)
    for change, _ in reversed(work.files):
        _put_file(project, change)
    for hooks in work.hooks:
        put = remove_hooks if hooks.placed else write_hooks
        if project.recording is not None:
            project.recording.hooks(HooksChange(hooks.names, not hooks.placed))
        put(_git_of(project).hooks_dir(), hooks.names)
    outputs = [change for change in entry.changes if isinstance(change, OutputChange)]
    drop_kept(project, journal.folder, outputs)
    if any(is_stage_file(os.path.basename(change.path)) for change, _ in work.files):
        _forget_unused(project)
    return report


def named(entry: Entry) -> str:
    """An entry in a sentence: `17 (add data)`."""
    return f"{entry.number} ({' '.join(entry.argv)})"


def _choose(journal: Journal, number: int | None, progress: Progress) -> tuple[Entry, Entry | None]:
    """(what to put back, the undo of it that was begun and is to go on)."""
    last = next(journal.newest_first(progress), None)
    if last is None:
        raise PannierError("there is nothing to undo: the operation log is empty")
    unfinished = last.undoes is not None and last.ended != "done"
    again = last if unfinished and number in (None, last.undoes) else None
    wanted = number if number is not None else last.undoes if again else last.number
    entry = journal.entry(wanted) if wanted is not None else None
    if entry is None:
        raise PannierError(
            f"the operation log has no entry {wanted}", hint="'dvc op log' lists those it has"
        )
    return entry, again


# -- looking: what is as the command left it? ----------------------------------------------------


def _look(
    project: Project,
    journal: Journal,
    entry: Entry,
    options: UndoOptions,
    progress: Progress,
    again: Entry | None,
) -> _Work:
    work = _Work()
    outputs: dict[str, list[OutputChange]] = {}
    for change in entry.changes:
        if isinstance(change, FileChange):
            _look_at_file(project, change, work)
        elif isinstance(change, OutputChange):
            outputs.setdefault(change.path, []).append(change)
        elif isinstance(change, MoveChange):
            _look_at_move(project, change, work)
        elif isinstance(change, TrashChange):
            _look_at_trash(project, journal, entry, change, progress, work)
        elif isinstance(change, TrashBack):
            raise PannierError(
                f"cannot undo {named(entry)}: what came back into the cache may be in use again",
                hint="repeat the gc instead; 'dvc undo <number>' undoes an older command",
            )
        elif isinstance(change, HooksChange):
            _look_at_hooks(project, change, work)
        elif isinstance(change, UnknownChange):
            raise PannierError(
                f"cannot undo {named(entry)}: it holds a change of the kind '{change.kind}',"
                " which this version does not know"
            )
    left = unfinished(project, journal.folder, entry, progress, again)
    begun = {one.path: one for one in left}
    for path, one in begun.items():
        outputs.setdefault(path, []).append(one.left or OutputChange(path, MD5, None, None, ()))
    for path, changes in outputs.items():
        since = _since(journal, entry, changes, progress)
        found = plan_restore(
            project, journal.folder, changes, progress, verify=not options.dry, since=since
        )
        nobody_knows = path in begun and begun[path].left is None
        (work.unsure if nobody_knows else work.changed).extend(found.changed)
        work.missing += found.missing
        if found.rows:
            work.outputs.append(found)
    return work


def _since(
    journal: Journal, entry: Entry, changes: list[OutputChange], progress: Progress
) -> list[OutputChange]:
    """What later commands did to an output of which this one left files unread."""
    if not any(change.left for change in changes):
        return []
    path = changes[0].path
    return [
        change
        for later in journal.newest_first(progress)
        if later.number > entry.number
        for change in later.changes
        if isinstance(change, OutputChange) and change.path == path
    ]


def _look_at_file(project: Project, change: FileChange, work: _Work) -> None:
    path = project.absolute(change.path)
    try:
        is_file = stat.S_ISREG(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_file, now = True, None
    else:
        now = _bytes_of(path) if is_file else None
    if has_link_parent(project.root, change.path) is not None or not is_file:
        work.changed.append(change.path)
    elif now == change.was:
        return
    elif (None if now is None else _md5(now)) in change.now:
        work.files.append((change, now))
    else:
        work.changed.append(change.path)


def _look_at_move(project: Project, change: MoveChange, work: _Work) -> None:
    """Whatever the data is now, it keeps it: a rename overwrites nothing."""
    paths = (change.path, change.target)
    here, there = (os.path.lexists(project.absolute(path)) for path in paths)
    behind_link = any(has_link_parent(project.root, path) is not None for path in paths)
    if behind_link or (here and there):
        work.changed.append(change.path)
    elif there:
        # A folder that Git keeps may have come with a stranger's repository: in another place a
        # `config.local` in it would count as the user's own.
        target = project.absolute(change.target)
        if os.path.isdir(target) and is_committed(target):
            work.changed.append(change.target)
        else:
            work.moves.append(change)
    elif not here:
        work.changed.append(change.target)


def _look_at_trash(
    project: Project,
    journal: Journal,
    entry: Entry,
    change: TrashChange,
    progress: Progress,
    work: _Work,
) -> None:
    if change.mark in trash_marks(project):
        work.trash.append(change.mark)
        return
    came_back = TrashBack(change.mark)
    if entry.ended == "done" and not any(
        came_back in later.changes for later in journal.newest_first(progress)
    ):
        raise PannierError(
            f"cannot undo {named(entry)}: what it took has left the trash for good",
            hint="'dvc fetch' brings what a remote has",
        )


def _look_at_hooks(project: Project, change: HooksChange, work: _Work) -> None:
    folder = _git_of(project).hooks_dir()
    names = [name for name in HOOKS if name in change.names]
    there = [name for name in names if os.path.lexists(os.path.join(folder, name))]
    work.changed += [
        os.path.relpath(os.path.join(folder, name), project.root)
        for name in there
        if not is_ours(folder, name)
    ]
    todo = there if change.placed else [name for name in names if name not in there]
    if todo:
        work.hooks.append(HooksChange(tuple(todo), change.placed))


def _git_of(project: Project) -> GitRepo:
    if project.git is None:
        raise PannierError(f"the project '{project.root}' does not use Git, so it has no hooks")
    return project.git


def _bytes_of(path: str) -> bytes:
    try:
        return read_regular(path)
    except OSError as error:
        fsio.fail(error, path)


def _md5(data: bytes) -> str:
    return md5(data).hexdigest()


def _report(project: Project, work: _Work, entry: Entry, cwd: str) -> UndoReport:
    report = UndoReport(entry)
    for found in work.outputs:
        is_dir = found.look.kind == DIRECTORY or (found.was or "").endswith(".dir")
        name = relative(found.path, cwd) + ("/" if is_dir else "")
        if found.look.kind == ABSENT:
            report.added.append(name)
        else:
            (report.deleted if found.was is None else report.modified).append(name)
    for move in work.moves:
        path = project.absolute(move.target)
        slash = "/" if os.path.isdir(path) and not os.path.islink(path) else ""
        report.added.append(relative(move.path, cwd) + slash)
        report.deleted.append(relative(move.target, cwd) + slash)
    for change, now in work.files:
        name = relative(change.path, cwd)
        if now is None:
            report.added.append(name)
        else:
            (report.deleted if change.was is None else report.modified).append(name)
    for hooks in work.hooks:
        (report.deleted if hooks.placed else report.added).extend(
            f"Git hook {name}" for name in hooks.names
        )
    return report


def _report_aside(report: UndoReport, paths: list[str], cwd: str) -> None:
    for path in paths:
        bare = path.removesuffix("/")
        name = relative(bare, cwd) + path[len(bare) :]
        if name not in report.added:
            report.added.append(name)


# -- doing ---------------------------------------------------------------------------------------


def _put_file(project: Project, change: FileChange) -> None:
    path = project.absolute(change.path)
    if change.was is None:
        fsio.unlink(path)
        fsio.sync_dir(os.path.dirname(path))
        return
    fsio.make_dirs(project.scratch)
    fsio.make_dirs(os.path.dirname(path))
    mode = None if change.mode is None else change.mode & 0o777
    fsio.write_atomic(path, change.was, mode=mode, scratch=project.scratch)


def _forget_unused(project: Project) -> None:
    """What no stage records after this is the user's own: a later `checkout` must not take it for
    an output of another branch, which it removes.
    """
    try:
        used = {project.absolute(ref.path) for ref in load_index(project).outs()}
    except PannierError:
        used = set()
    unused = [path for path, _, _ in project.statcache.links() if path not in used]
    project.statcache.drop_links(unused)
