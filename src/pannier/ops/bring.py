"""Data from elsewhere: copied into the workspace, or sent on to a remote without staying here."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager

from pannier.core.digest import MD5
from pannier.core.errors import BadPath, OutputMissing, PannierError
from pannier.core.events import Progress
from pannier.core.path import is_inside, reason_to_refuse
from pannier.core.plan import plan_checkout
from pannier.core.record import dataclass, replace
from pannier.core.source_errors import UrlMissing
from pannier.core.stage import Out, Stage
from pannier.disk import fsio
from pannier.disk.beneath import Root, has_link_parent
from pannier.disk.hashing import md5_of_fd
from pannier.formats import pointer
from pannier.ops.importing import check_path, check_record, send_on
from pannier.project import snapshot as snapshots
from pannier.project.index import inner_project, load_index
from pannier.project.keeping import keys_of, record_change
from pannier.project.project import Project
from pannier.project.removal import swap_folder
from pannier.project.snapshot import DIRECTORY, Snapshot
from pannier.project.targets import root_relative
from pannier.project.tracking import ignore_in_git, read_bytes, shown, write_pointer
from pannier.project.urls import open_url
from pannier.project.workspace import scratch_folder, sweep
from pannier.store.cargo import Cargo, Got, unload
from pannier.store.remote import Remote


@dataclass(frozen=True, slots=True)
class BringOptions:
    """out: where to, as typed (default: the source's own name here). force: what is there may go.
    remote: for add_to_remote, instead of the default one."""

    cwd: str = ""
    out: str | None = None
    force: bool = False
    remote: str | None = None
    jobs: int | None = None


@contextmanager
def _cargo_of(project: Project, source: str, options: BringOptions) -> Iterator[tuple[Cargo, str]]:
    """What source names, a URL or a path as typed, and the root-relative path that it goes to.

    Raises OutputMissing when nothing is there, BadPath.
    """
    sweep(project)
    origin = open_url(source, project, project.absolute(options.cwd))
    try:
        cargo = origin.cargo()
        yield cargo, _destination(project, source, origin.name, options)
    except UrlMissing:
        raise OutputMissing(source, origin.path or source) from None
    finally:
        origin.close()


def _destination(project: Project, source: str, name: str, options: BringOptions) -> str:
    """Where it goes: into a folder that is there, unless that is such data itself, for which there
    is the note of a killed run or a pointer."""
    path = root_relative(project, options.cwd, options.out or name)
    into = options.out and os.path.isdir(project.absolute(path))
    if into and read_bytes(_journal(project)) != _note(source, path):
        known = load_index(project, leave_out=[path]).out_covering(path)
        if known is None or known.path != path:
            path = posixpath.join(path, name)
    why = "it leaves the project" if not is_inside(path) else reason_to_refuse(path)
    link = has_link_parent(project.root, path) if why is None else None
    if link is not None:
        why = f"'{link}' is a link to elsewhere"
    inner = inner_project(project, path) if why is None else None
    if inner is not None:
        why = f"'{inner}' is a project of its own, whose commands have to track it"
    if why is not None:
        raise BadPath(path=options.out or name, reason=why, where="the command line")
    return path


def bring_in(project: Project, source: str, options: BringOptions, progress: Progress) -> str:
    """Copies a file or directory to options.out; returns its root-relative path.

    It appears there whole or not at all. What a killed run of the same command brought stays when
    the source gives the very same once more. Raises OutputMissing, BadPath, TransferFailed.
    """
    with _cargo_of(project, source, options) as (cargo, path):
        if load_index(project, leave_out=[path]).out_covering(path) is None:
            check_record(project, path, pointer.pointer_name(path), options.cwd)
        taken = os.path.lexists(project.absolute(path)) and not options.force
        if taken and read_bytes(_journal(project)) != _note(source, path):
            raise _taken(path, options)
        with scratch_folder(project, path) as scratch, Root(project.root) as root:
            new = f"{scratch}/new"
            got = unload(cargo, new, None, progress)
            if taken:
                if not _holds(project.absolute(path), got):
                    raise _taken(path, options)
                return path
            there = snapshots.look(project, path, MD5, progress)
            snapshots.load_sources(project, there)
            _record(project, there, {inner: row.md5 for inner, row in got.items()}, progress)
            fsio.write_atomic(_journal(project), _note(source, path), scratch=project.scratch)
            if root.stat(path) is None:
                root.place(new, path)
            elif there.kind == DIRECTORY:
                swap_folder(root, new, path, keys_of(there))
            else:
                root.swap(new, path, there.sources[0].folder.key(0) if there.sources else None)
    return path


def bring_done(project: Project) -> None:
    """What `bring_in` brought is tracked now."""
    fsio.remove_if_there(_journal(project))


def _journal(project: Project) -> str:
    return f"{project.scratch}/bringing"


def _note(source: str, path: str) -> bytes:
    """What goes where."""
    return f"{source}\0{path}".encode("utf-8", "surrogateescape")


def _taken(path: str, options: BringOptions) -> PannierError:
    return PannierError(
        f"The file '{shown(path, options.cwd)}' already exists locally. \n"
        "To override it, re-run with '--force'."
    )


def _holds(place: str, got: dict[str, Got]) -> bool:
    """Whether these files stand there, byte for byte, and nothing else. No stats are believed."""
    return _names_below(place) == got.keys() and all(
        _is(f"{place}/{inner}" if inner else place, row) for inner, row in got.items()
    )


def _names_below(place: str) -> set[str]:
    """Everything that is no folder, and folders with nothing in them; '' for a single file."""
    if os.path.islink(place) or not os.path.isdir(place):
        return {""}
    found = set()
    for folder, folders, names in os.walk(place):
        paths = [f"{folder}/{name}" for name in names]
        paths += [path for name in folders if os.path.islink(path := f"{folder}/{name}")]
        if not folders and not names and folder != place:
            paths.append(f"{folder}/")
        found |= {path[len(place) + 1 :] for path in paths}
    return found


def _is(path: str, row: Got) -> bool:
    """Whether a file holds this, links followed; a relink may have been on its way."""
    if not os.path.isfile(path) or os.path.getsize(path) != row.size_bytes:
        return False
    with open(path, "rb") as file:
        return md5_of_fd(file.fileno(), row.size_bytes)[0].hex() == row.md5


def _record(project: Project, look: Snapshot, want: dict[str, str], progress: Progress) -> None:
    """Writes down for `undo` what is to stand at a place, and keeps what only stands there now."""
    if project.recording is None:
        return
    snapshots.measure_entries(project, look, progress)
    have: dict[str, str | None] = dict(look.entries())
    stored = project.store.present({name for name in have.values() if name is not None})
    stored -= project.store.verify(sorted(stored))
    record_change(project, look, plan_checkout(have, want, stored | set(want.values())))


def add_to_remote(
    project: Project, source: str, options: BringOptions, progress: Progress
) -> tuple[str, list[str]]:
    """Sends data straight to a remote and writes the pointer; nothing stays in workspace or cache.

    Returns (the pointer's path, `.gitignore` files changed). Raises OutputMissing, TransferFailed.
    """
    with _cargo_of(project, source, options) as (cargo, path):
        name = posixpath.basename(path)
        file, wdir = pointer.pointer_name(path), posixpath.dirname(path)
        check_path(project, path, options.out or name)
        check_record(project, path, file, options.cwd)
        if os.path.lexists(project.absolute(path)) and not options.force:
            raise _taken(path, options)
        stage = Stage(file=file, wdir=wdir, outs=(Out(path=name),))
        with Remote(project.settings.remote(options.remote)) as remote:
            sent = send_on(project, stage, cargo, remote, options.jobs, progress)
    changed = ignore_in_git(project, [path])
    write_pointer(project, replace(stage, outs=(replace(sent, path=name),)))
    return stage.file, changed
