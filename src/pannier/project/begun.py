"""Begun: what the commands of a run are about to make, written down before they make it.

When the run is killed, nobody is left to say what they made. Then a file of their outputs is theirs
if it changed for the last time before all commands had ended, which a witness wrote down, and
somebody's later work otherwise (docs/durability.md, section 3.11).
"""

from __future__ import annotations

import os

from pannier.core.digest import MD5
from pannier.core.errors import DiskError
from pannier.core.events import Progress
from pannier.core.path import is_inside
from pannier.core.record import dataclass
from pannier.core.stage import Stage
from pannier.disk.beneath import has_link_parent
from pannier.disk.claims import Holder, holder_of
from pannier.disk.witness import Witness, ended_ns
from pannier.formats.oplog import Entry, Making, OutputChange, Stats
from pannier.project import snapshot as snapshots
from pannier.project.keeping import keys_of
from pannier.project.project import Project
from pannier.project.snapshot import DIRECTORY, Snapshot


class Begun:
    """Tells the operation log which commands of one run are begun."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._witness: Witness | None = None
        self._is_off = project.recording is None

    def note(self, stage: Stage) -> list[int]:
        """For the moment before a stage's command starts: descriptors for it to hold."""
        paths = [stage.path_of(out) for out in stage.outs if not out.persist]
        paths = [path for path in paths if is_inside(path)]
        recording = self._project.recording
        if recording is None or not paths or self._is_off:
            return []
        if self._witness is None:
            path = recording.mark_path()
            if path is None:
                self._is_off = True
                return []
            try:
                self._witness = Witness(path)
            except (OSError, DiskError):
                self._is_off = True  # an undo after a kill then says what it does not know
        witness = self._witness
        mark = witness.mark if witness is not None else 0
        recording.making(Making(tuple(paths), mark))
        return [witness.fd] if witness is not None else []

    def close(self) -> None:
        """The run ends in order."""
        if self._witness is not None:
            self._witness.close()
            self._witness = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An output of which an entry does not say what became of it. left: the files that its command
    made; None where nobody knows whose they are."""

    path: str
    left: OutputChange | None


def unfinished(
    project: Project, folder: str, entry: Entry, progress: Progress, again: Entry | None
) -> list[Unfinished]:
    """What a killed run was making. folder: of the log. again: an undo of it that was killed, and
    has kept or taken away some of that already."""
    found = []
    for path, making in _open(entry).items():
        if has_link_parent(project.root, path) is not None:
            continue
        left = None
        ended = ended_ns(f"{folder}/{entry.number}.ended", making.mark)
        if ended is not None:
            goes_on = again is not None
            files = _changed_until(project, path, *ended, progress, goes_on=goes_on)
            known = {row[0]: row for row in files} | _kept(path, again)
            left = OutputChange(path, MD5, None, None, (), left=tuple(known.values()))
        found.append(Unfinished(path, left))
    return found


def _kept(path: str, again: Entry | None) -> dict[str, Stats]:
    """Files that an undo kept as the run's, as they were: one more name moves the ctime."""
    found: dict[str, Stats] = {}
    for change in again.changes if again is not None else ():
        if isinstance(change, OutputChange) and change.path == path:
            for row in change.stats:
                found.setdefault(row[0], row)
    return found


def still_at_work(project: Project, entry: Entry) -> Holder | None:
    """Who writes to what a run was making: itself, or a command that outlived it."""
    return holder_of(f"{project.scratch}/stages", _open(entry))


def _open(entry: Entry) -> dict[str, Making]:
    """The outputs that commands were begun to make, and of which nothing was written down since."""
    found: dict[str, Making] = {}
    for change in entry.changes if not entry.ended else ():
        if isinstance(change, Making):
            found |= dict.fromkeys(change.paths, change)
        elif isinstance(change, OutputChange):
            found.pop(change.path, None)
    return found


def _changed_until(
    project: Project, path: str, device: int, time_ns: int, progress: Progress, *, goes_on: bool
) -> tuple[Stats, ...]:
    """The files of an output whose last change was not later."""
    try:
        if os.lstat(project.absolute(path)).st_dev != device:
            return ()  # another clock
    except OSError:
        return ()
    look = snapshots.look(project, path, MD5, progress)
    snapshots.load_sources(project, look)
    moved = _moved_in(look, time_ns, goes_on)
    return tuple(
        (inner, *key)
        for inner, key in keys_of(look).items()
        if key[1] <= time_ns and inner not in moved
    )


def _moved_in(look: Snapshot, time_ns: int, goes_on: bool) -> set[str]:
    """The files that may have come to an output later than their own stats say: with a folder that
    was moved, or by a link."""
    late: set[str] = set()
    for folder in look.tree.folders if look.tree is not None else ():
        place = f"{look.absolute}/{folder.path}" if folder.path else look.absolute
        parent = folder.path.rpartition("/")[0] if folder.path else None
        if parent in late or _is_late(place, time_ns, goes_on):
            late.add(folder.path)
    return {
        source.folder.join(name) if look.kind == DIRECTORY else ""
        for source in look.sources
        for name in source.folder.names
        if source.folder.path in late
        or (name in source.folder.links and _is_late(f"{source.base}/{name}", time_ns, False))
    }


def _is_late(path: str, time_ns: int, goes_on: bool) -> bool:
    """goes_on: what came into a folder or left it, which moves its mtime as well, tells nothing."""
    try:
        found = os.lstat(path)
    except OSError:
        return True
    return found.st_ctime_ns > time_ns and not (goes_on and found.st_mtime_ns > time_ns)
