"""check-ignore: whether `.dvcignore` files leave paths out, and which pattern says so."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from pannier.core.path import is_inside
from pannier.core.record import dataclass
from pannier.project.index import ignore_rules
from pannier.project.project import Project
from pannier.project.targets import root_relative


@dataclass(frozen=True, slots=True)
class Verdict:
    """target: as it was given. pattern: `file:line:pattern` of the one that decides; None when
    none matches. is_taken_back: that one is negated, so the path is not left out.
    """

    target: str
    pattern: str | None = None
    is_taken_back: bool = False


def check_ignored(project: Project, cwd: str, targets: Iterable[str]) -> Iterator[Verdict]:
    """One verdict for each target, as it comes. cwd: root-relative, what targets start from.

    A path need not exist. One outside of the project is never left out.
    """
    for target in targets:
        path = root_relative(project, cwd, target)
        if not path or not is_inside(path):
            yield Verdict(target)
            continue
        # The files of patterns down to the path's own folder; itself may be one.
        rules = ignore_rules(project, os.path.dirname(path))
        found = rules.explain(path, os.path.isdir(project.absolute(path)))
        if found is None:
            yield Verdict(target)
            continue
        file, line, pattern = found
        where = f"{file}:{line}:" if file else ":"
        yield Verdict(target, where + pattern, pattern.startswith("!"))
