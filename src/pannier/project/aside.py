"""Aside: what is no data in the folder of an output makes room for a command, and comes back.

A command that makes its output anew finds nothing in its place. What no cache will ever have (a
`.git`, what `.dvcignore` leaves out) goes to the operation log's folder, all of it by one rename;
`undo` gives it its places again as far as they are free, and never overwrites.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence

from pannier.core.errors import DiskError
from pannier.core.events import Progress
from pannier.core.path import is_within
from pannier.core.record import dataclass, field
from pannier.disk import fsio, mounts
from pannier.disk.beneath import Root, has_link_parent
from pannier.formats.oplog import AsideBack, AsideChange, Entry
from pannier.project.committed import is_committed
from pannier.project.project import Project
from pannier.project.recording import folder_of

_CANNOT = {errno.EXDEV, errno.EBUSY, errno.EACCES, errno.EPERM}
"""What a rename says of a folder that cannot be moved, and will not be the next time."""

_SHOWN = 3


def take_aside(project: Project, path: str, progress: Progress, odd: Sequence[str] = ()) -> bool:
    """Takes away whatever stands in a folder, root-relative; False when it stays. odd: what in it
    cannot be data, when the data is there, too.

    It stays where it cannot be kept; a warning says why, or that `undo` brings it back. A place
    without a folder, or with an empty one, is none of this. Raises DiskError.
    """
    absolute = project.absolute(path)
    names = _names_in(absolute)
    if not names:
        return False
    what = f"'{path}' holds what is no data ({_some(odd or names)})"
    place, why = _place_for(project, path)
    if place:
        why = _move(project, path, place)
    if why:
        progress.warn(f"{what}; it stays there: {why}")
        return False
    assert project.recording is not None
    number = project.recording.number
    progress.warn(f"{what}; it makes room, and 'dvc undo {number}' brings it back")
    return True


def _names_in(absolute: str) -> list[str]:
    try:
        return [] if os.path.islink(absolute) else sorted(os.listdir(absolute))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        fsio.fail(error, absolute)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


def _place_for(project: Project, path: str) -> tuple[str, str]:
    """(where the folder may go, "") once the log says so, or ("", why it may not).

    Raises DiskError when the log cannot be written: a command that ran nevertheless might make
    something else of what is in its way, and it would be recorded.
    """
    absolute, recording = project.absolute(path), project.recording
    real = os.path.realpath(absolute)
    if is_within(os.path.realpath(project.cache_dir), real):
        return "", "the cache is in it"
    if mounts.is_mounted_on(real):
        return "", "another file system is mounted there"
    try:
        folder = recording.keep_folder() if recording is not None else None
        if recording is None or folder is None:
            return "", "nothing is kept for 'dvc undo' here ('pannier.undo_days' is 0)"
        if os.stat(folder).st_dev != os.lstat(absolute).st_dev:
            return "", "'.dvc/tmp' is on another file system"
        place = recording.next_place()
        recording.aside(AsideChange(path, place))
    except DiskError as error:
        if error.errno != errno.ELOOP:  # what failed once may work when the command is repeated
            raise
        return "", error.message
    return f"{folder}/{place.rpartition('/')[2]}", ""


def _move(project: Project, path: str, place: str) -> str:
    """Moves a folder to a place of the log; why it cannot be moved, else ""."""
    absolute = project.absolute(path)
    try:
        with Root(project.root) as root:
            root.take(path, place)
    except OSError as error:
        if error.errno in _CANNOT:
            return os.strerror(error.errno)
        fsio.fail(error, absolute)
    try:
        for folder in (os.path.dirname(place), os.path.dirname(absolute)):
            fsio.sync_dir(folder)
    except OSError as error:
        fsio.fail(error, error.filename or absolute)
    return ""


# -- and back ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Way:
    """How one folder comes back. moves: what has its place free. merged: folders that stand in
    both places. stuck: what has something else in its place. Each is "" for the folder itself, or
    a path below it that begins with '/'."""

    moves: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)


def bring_back(project: Project, entry: Entry, progress: Progress, *, dry: bool) -> list[str]:
    """Gives what an entry took aside its places again; returns these, root-relative, folders with a
    '/' behind.

    What has something newer in its place stays where it is kept, and a warning says where. dry:
    only says what it would do. Raises DiskError.
    """
    folder, found = folder_of(project.root), []
    for change in (one for one in entry.changes if isinstance(one, AsideChange)):
        if _is_believed(project, folder, change):
            found += _bring_back(project, folder, change, progress, dry=dry)
    return found


def _is_believed(project: Project, folder: str, change: AsideChange) -> bool:
    """False for what is not there any more, and for a log that came with a repository: moved from
    where Git has it, a `config.local` would count as the user's own."""
    if has_link_parent(folder, change.kept) is not None:
        return False
    kept = f"{folder}/{change.kept}"
    return stat.S_ISDIR(_mode(kept)) and not is_committed(kept)


def _mode(path: str) -> int:
    try:
        return os.lstat(path).st_mode
    except OSError:
        return 0


def _bring_back(
    project: Project, folder: str, change: AsideChange, progress: Progress, *, dry: bool
) -> list[str]:
    with Root(folder) as kept, Root(project.root) as root:
        way = _find_way(kept, change.kept, root, change.path)
        names = {inner: _shown(kept, change, inner) for inner in way.moves}
        if way.moves and not dry:
            if project.recording is not None:
                project.recording.aside_back(AsideBack(change.path, change.kept))
            with fsio.barrier(project.root) as barrier:
                for inner in list(way.moves):
                    _put(kept, root, change, inner, way)
                for inner in reversed(way.merged):
                    kept.delete_folder_if_empty(change.kept + inner)
                barrier.flush()
    if way.stuck:
        place = os.path.relpath(f"{folder}/{change.kept}", project.root)
        there = _some([change.path + inner for inner in way.stuck])
        progress.warn(
            f"something else is in the place of {there}: what was there stays in '{place}'"
        )
    return [name for inner, name in names.items() if inner not in way.stuck]


def _find_way(kept: Root, place: str, root: Root, path: str) -> _Way:
    way, pending = _Way(), [""]
    while pending:
        inner = pending.pop()
        try:
            there, mine = root.stat(path + inner), kept.stat(place + inner)
            if there is None:
                way.moves.append(inner)
            elif mine is not None and stat.S_ISDIR(there.st_mode) and stat.S_ISDIR(mine.st_mode):
                below = [f"{inner}/{name}" for name in kept.names(place + inner)]
                pending += reversed(below)
                way.merged.append(inner)
            else:
                way.stuck.append(inner)
        except (OSError, DiskError):  # a link or a file on the way, no right to look
            way.stuck.append(inner)
    return way


def _put(kept: Root, root: Root, change: AsideChange, inner: str, way: _Way) -> None:
    try:
        if not kept.hand_over(change.kept + inner, root, change.path + inner):
            way.stuck.append(inner)
    except OSError as error:
        if error.errno not in _CANNOT:
            fsio.fail(error, f"{root.path}/{change.path}{inner}")
        way.stuck.append(inner)


def _shown(kept: Root, change: AsideChange, inner: str) -> str:
    found = kept.stat(change.kept + inner)
    slash = "/" if found is not None and stat.S_ISDIR(found.st_mode) else ""
    return f"{change.path}{inner}{slash}"
