"""destroy: take DVC out of a project. The data stays, and Git's own files with it."""

from __future__ import annotations

import contextlib
import os

from pannier.core.errors import DiskError
from pannier.core.events import Progress
from pannier.core.path import is_inside
from pannier.disk import fsio, trees
from pannier.disk.beneath import has_link_parent
from pannier.disk.mutex import check_not_busy
from pannier.formats import pointer
from pannier.project.index import Index, find_stage_files, parse_stage_file, workspace_reader
from pannier.project.privatise import find_protected, make_private
from pannier.project.project import Project
from pannier.project.workspace import sweep

_LAST = ("config.local", "config")


def destroy(project: Project, progress: Progress) -> None:
    """Removes every stage file and lock file, `.dvcignore` and `.dvc`, a cache in it included.

    First every output becomes a file of its own, for a link would lead nowhere afterwards, and is
    durable. The folder `.dvc` itself goes last, so that a killed command can be given again. Raises
    InvalidFile, CorruptObject, DiskError.
    """
    if os.path.islink(project.dvc_dir):
        raise DiskError(
            project.dvc_dir,
            0,
            "it is a link: what it leads to would be removed",
            hint="remove the link and what it leads to yourself",
        )
    sweep(project)
    index = Index()
    read = workspace_reader(project)
    files: list[str] = []
    for file in find_stage_files(project, "", index):
        index.stages.extend(parse_stage_file(project, read, file))
        files.append(file)
    outs = [ref.path for ref in index.outs() if "://" not in ref.out.path and is_inside(ref.path)]
    check_not_busy(project.rwlock, [project.absolute(path) for path in outs], writing=True)
    here = [path for path in outs if os.path.lexists(project.absolute(path))]
    mine = [path for path in here if has_link_parent(project.root, path) is None]
    _make_durable(project, mine, progress)
    for file in files:
        fsio.remove_durable(project.absolute(file))
        if pointer.is_pipeline_name(file):
            fsio.remove_durable(project.absolute(file.removesuffix(".yaml") + ".lock"))
    fsio.remove_durable(project.absolute(".dvcignore"))
    _remove_own(project.dvc_dir)


def _make_durable(project: Project, paths: list[str], progress: Progress) -> None:
    """Makes files of their own of all that stands at the paths, with bytes and names on the disk.

    What `checkout` put in its place was flushed by nobody, for it could be made again of the cache.
    """
    with contextlib.ExitStack() as stack:
        disks = [stack.enter_context(fsio.barrier(place)) for place in _places(project, paths)]
        for path in paths:
            make_private(project, find_protected(project, path), progress)
        for disk in disks:
            try:
                disk.flush()
            except OSError as error:
                fsio.fail(error, disk.folder)


def _places(project: Project, paths: list[str]) -> list[str]:
    """A folder on each file system that the paths, or their names, lie on."""
    found: dict[int, str] = {}
    for path in map(project.absolute, paths):
        for place in (os.path.dirname(path), path):
            if os.path.isdir(place) and not os.path.islink(place):
                found.setdefault(os.stat(place).st_dev, place)
    return list(found.values())


def _remove_own(folder: str) -> None:
    """Removes `.dvc`, its settings last: they say where the rest of a half removed one is."""
    try:
        for name in sorted(os.listdir(folder), key=lambda name: (name in _LAST, name)):
            path = f"{folder}/{name}"
            if os.path.islink(path) or not os.path.isdir(path):
                fsio.remove_if_there(path)
            else:
                trees.remove_filled(path)
        fsio.rmdir(folder)
        fsio.sync_dir(os.path.dirname(folder))
    except OSError as error:
        fsio.fail(error, error.filename or folder)
