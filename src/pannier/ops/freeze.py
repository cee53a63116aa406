"""freeze, unfreeze: whether a stage is left alone when its dependencies change."""

from __future__ import annotations

from collections.abc import Sequence

from pannier.core.errors import BadTarget, PannierError
from pannier.core.record import dataclass, replace
from pannier.disk import fsio
from pannier.formats import pipeline_edit
from pannier.project.naming import Named, named_stages
from pannier.project.project import Project
from pannier.project.tracking import read_bytes, write_pointer
from pannier.project.workspace import sweep


@dataclass(frozen=True, slots=True)
class FreezeOptions:
    """cwd: root-relative directory that targets start from. frozen: what the stages shall be."""

    cwd: str = ""
    frozen: bool = True


def freeze(project: Project, targets: Sequence[str], options: FreezeOptions) -> list[Named]:
    """Sets or clears the flag; returns what was named, in order. All targets or none.

    Raises BadTarget, InvalidFile, PannierError for a stage that stands for others, too.
    """
    sweep(project)
    named = [_checked(project, target, options.cwd) for target in targets]
    for one in named:
        stage = one.stages[0]
        if stage.name is None:
            write_pointer(project, replace(stage, frozen=options.frozen))
            continue
        path = project.absolute(stage.file)
        before = read_bytes(path) or b""
        after = pipeline_edit.with_frozen(before, stage.name, options.frozen, stage.file)
        if after != before:
            fsio.make_dirs(project.scratch)
            fsio.write_atomic(path, after, scratch=project.scratch)
    return named


def _checked(project: Project, target: str, cwd: str) -> Named:
    named = named_stages(project, target, cwd)
    try:
        if named.shown and not named.name:
            raise BadTarget(
                f"Stage name not provided.Please specify the name as: `{named.shown}:stage_name`"
            )
        stage = named.stages[0]
        if stage.name is not None:
            text = read_bytes(project.absolute(stage.file)) or b""
            if pipeline_edit.is_parametrized(text, stage.name, stage.file):
                raise PannierError(
                    f"cannot dump a parametrized stage: '{stage.address_from(cwd)}'",
                    hint=f"edit '{named.shown}' by hand: its text stands for several stages, "
                    "or holds expressions",
                )
    except PannierError as error:
        error.about = target
        raise
    return named
