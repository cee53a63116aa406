"""What is written beside the data when something is tracked: pointer, `.gitignore`, Git's view."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable

from pannier.core.digest import Digest
from pannier.core.record import replace
from pannier.core.stage import Meta, Out, Stage
from pannier.disk import fsio
from pannier.disk.reading import read_small, unreadable
from pannier.formats import ignore, pointer
from pannier.project.project import Project


def read_bytes(path: str) -> bytes | None:
    try:
        return read_small(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unreadable(error, path) from None


def write_pointer(project: Project, stage: Stage) -> bool:
    """Writes a `.dvc` file, keeping what its author wrote in it; False when nothing changed.

    Commit point: everything that it refers to must be durable before (docs/durability.md, D1).
    """
    path = project.absolute(stage.file)
    previous = read_bytes(path)
    data = pointer.dump(stage, previous)
    if data == previous:
        return False
    fsio.make_dirs(project.scratch)
    fsio.write_atomic(path, data, scratch=project.scratch, within=project.root)
    return True


def with_out(stage: Stage, path: str, digest: Digest | None, meta: Meta) -> Stage:
    """The stage with one output's recorded content exchanged. Cloud versions no longer hold."""
    outs: list[Out] = []
    for out in stage.outs:
        if out.path == path:
            outs.append(replace(out, digest=digest, meta=meta, files=None, cloud=None))
        else:
            outs.append(out)
    return replace(stage, outs=tuple(outs))


def ignore_in_git(project: Project, paths: Iterable[str]) -> list[str]:
    """Makes Git ignore data (root-relative paths); returns the `.gitignore` files changed.

    An output that a stage will make in a folder that is not there yet has to wait for that.
    """
    git = project.git
    paths = [path for path in paths if os.path.isdir(os.path.dirname(project.absolute(path)))]
    if git is None or not paths:
        return []
    absolute = {path: project.absolute(path) for path in paths}
    already = git.ignored(list(absolute.values()))
    changed: list[str] = []
    for path in paths:
        if absolute[path] in already:
            continue
        file = posixpath.join(posixpath.dirname(path), ".gitignore")
        target = project.absolute(file)
        entry = ignore.gitignore_entry(posixpath.basename(path))
        text = ignore.add_entry(read_bytes(target), entry)
        if text is not None:
            fsio.make_dirs(project.scratch)
            fsio.write_atomic(target, text, scratch=project.scratch, within=project.root)
            changed.append(file)
    return list(dict.fromkeys(changed))


def show_to_git(project: Project, paths: Iterable[str]) -> list[str]:
    """Takes data (root-relative paths) out of `.gitignore` again; returns the files changed.

    A file that held nothing else is removed, and not among them.
    """
    if project.git is None:
        return []
    names: dict[str, list[str]] = {}
    for path in paths:
        file = posixpath.join(posixpath.dirname(path), ".gitignore")
        names.setdefault(file, []).append(posixpath.basename(path))
    changed: list[str] = []
    for file, entries in names.items():
        target = project.absolute(file)
        before = None if os.path.islink(target) else read_bytes(target)
        after = before
        for name in entries:
            after = ignore.remove_entry(after, name) if after is not None else None
        if after == before:
            continue
        if after is None:
            fsio.remove_durable(target)
            continue
        fsio.make_dirs(project.scratch)
        fsio.write_atomic(target, after, scratch=project.scratch)
        changed.append(file)
    return changed


def stage_in_git(project: Project, paths: list[str]) -> bool:
    """Does what `core.autostage` asks for: `git add` of what was produced; tells whether it did."""
    if project.git is None or not paths or not project.settings.flag("core.autostage"):
        return False
    absolute = [project.absolute(path) for path in paths]
    gone = [path for path in absolute if not os.path.lexists(path)]
    unknown = set(gone) - project.git.tracked(gone) if gone else set()
    project.git.add([path for path in absolute if path not in unknown])
    return True


def shown(path: str, cwd: str) -> str:
    """A root-relative path as the user sees it from cwd (root-relative)."""
    return os.path.relpath("/" + path, "/" + cwd) if cwd else path
