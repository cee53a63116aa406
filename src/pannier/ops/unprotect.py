"""unprotect: make linked files private and writable, before they are edited in place."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pannier.core.errors import BadPath, PannierError
from pannier.core.events import Progress
from pannier.core.path import is_inside, reason_to_refuse
from pannier.core.record import dataclass
from pannier.disk.beneath import has_link_parent
from pannier.disk.mutex import check_not_busy
from pannier.project.privatise import Found, find_protected, make_private
from pannier.project.project import Project
from pannier.project.targets import root_relative
from pannier.project.workspace import sweep


@dataclass(frozen=True, slots=True)
class UnprotectOptions:
    """cwd: root-relative directory that targets start from."""

    cwd: str = ""


def unprotect(
    project: Project, targets: Sequence[str], options: UnprotectOptions, progress: Progress
) -> int:
    """Replaces links into the cache by copies; returns how many files were changed.

    All targets are looked at before anything is changed. Links that lead elsewhere stay. Raises
    BadPath, PannierError for what is not there, CorruptObject, NoSpace.
    """
    sweep(project)
    paths = [_checked(project, target, options.cwd) for target in targets]
    check_not_busy(project.rwlock, [project.absolute(path) for path in paths], writing=True)
    found = [find_protected(project, path) for path in dict.fromkeys(paths)]
    _refuse_dead(found)
    count = 0
    done: set[str] = set()
    for one in found:
        one.protected[:] = [file for file in one.protected if file.path not in done]
        done.update(file.path for file in one.protected)
        count += make_private(project, one, progress)
        for path in one.foreign:
            progress.warn(f"'{path}' is a link that does not lead into the cache: it stays")
    return count


def _checked(project: Project, target: str, cwd: str) -> str:
    path = root_relative(project, cwd, target)
    if not os.path.exists(project.absolute(path)):
        raise PannierError(
            f"can't unprotect non-existing data '{target}'",
            hint="bring it with 'dvc pull'" if os.path.islink(project.absolute(path)) else None,
        )
    why = "it lies outside of the project" if not is_inside(path) else None
    if why is None and path:
        why = reason_to_refuse(path)
    if why is None and ".dvc" in path.split("/"):
        why = "it lies in a '.dvc' folder"
    link = has_link_parent(project.root, path) if why is None else None
    if link is not None:
        why = f"'{link}' is a link to elsewhere"
    if why is not None:
        raise BadPath(path=target, reason=why, where="the command line")
    return path


def _refuse_dead(found: list[Found]) -> None:
    dead = [path for one in found for path in one.dead]
    if dead:
        raise PannierError(
            "links lead to objects that are not in the cache:\n" + "\n".join(dead),
            hint="bring them with 'dvc fetch'",
        )
