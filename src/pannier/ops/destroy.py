"""destroy: take DVC out of a project. The data stays, and Git's own files with it."""

from __future__ import annotations

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

    First every output becomes a file of its own: a link would lead nowhere afterwards. The folder
    `.dvc` itself goes last, so that a killed command can be given again. Raises InvalidFile,
    CorruptObject, DiskError.
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
    for path in outs:
        if has_link_parent(project.root, path) is None and os.path.lexists(project.absolute(path)):
            make_private(project, find_protected(project, path), progress)
    for file in files:
        fsio.remove_durable(project.absolute(file))
        if pointer.is_pipeline_name(file):
            fsio.remove_durable(project.absolute(file.removesuffix(".yaml") + ".lock"))
    fsio.remove_durable(project.absolute(".dvcignore"))
    _remove_own(project.dvc_dir)


def _remove_own(folder: str) -> None:
    """Removes `.dvc`, its settings last: they say where the rest of a half removed one is."""
    try:
        for name in sorted(os.listdir(folder), key=lambda name: (name in _LAST, name)):
            path = f"{folder}/{name}"
            if os.path.islink(path) or not os.path.isdir(path):
                fsio.remove_if_there(path)
            else:
                trees.remove_tree(path)
        fsio.rmdir(folder)
        fsio.sync_dir(os.path.dirname(folder))
    except OSError as error:
        fsio.fail(error, error.filename or folder)
