"""Naming: targets that name a stage itself, as the commands that edit stages take them.

Unlike in `targets`, neither an output nor a group stands for its stage.
"""

from __future__ import annotations

import os
import posixpath

from pannier.core.errors import BadTarget
from pannier.core.path import join
from pannier.core.record import dataclass
from pannier.core.stage import Stage
from pannier.formats import pointer
from pannier.project.index import parse_stage_file, workspace_reader
from pannier.project.project import Project
from pannier.project.targets import root_relative


@dataclass(frozen=True, slots=True)
class Named:
    """What one target names. shown: its `dvc.yaml` as typed, '' for a pointer.

    name: '' when a whole `dvc.yaml` was named.
    """

    target: str
    stages: tuple[Stage, ...]
    shown: str = ""
    name: str = ""


def named_stages(project: Project, target: str, cwd: str) -> Named:
    """The stages of a `.dvc` file, of a `dvc.yaml`, or of the name of one stage.

    Raises BadTarget for what is none of them, InvalidFile. The error is about the target.
    """
    try:
        return _named(project, target, cwd)
    except BadTarget as error:
        error.about = target
        raise


def _named(project: Project, target: str, cwd: str) -> Named:
    read = workspace_reader(project)
    path = root_relative(project, cwd, target)
    if pointer.is_pointer_name(posixpath.basename(path)):
        stages = parse_stage_file(project, read, path)
        if not stages:
            raise BadTarget(f"'{project.absolute(path)}' does not exist")
        return Named(target, tuple(stages))
    shown, name = _split(target)
    file = root_relative(project, cwd, shown)
    if read(file) is None:
        where = shown if shown == pointer.PIPELINE_NAME else project.absolute(file)
        raise BadTarget(f"'{where}' does not exist", hint=_guess(project, target, cwd))
    stages = parse_stage_file(project, read, file)
    if not name:
        return Named(target, tuple(stages), shown)
    found = tuple(stage for stage in stages if stage.name == name)
    if not found:
        raise BadTarget(
            f"Stage '{name}' not found inside '{shown}' file", hint=_guess(project, target, cwd)
        )
    return Named(target, found, shown, name)


def _split(target: str) -> tuple[str, str]:
    """(file, stage name) of a target that is no pointer."""
    file, colon, name = target.rpartition(":")
    if file and colon and not name:
        return pointer.PIPELINE_NAME, target  # a colon and no name: no stage is called so
    if colon and (not file or pointer.is_pipeline_name(posixpath.basename(file))):
        return file or pointer.PIPELINE_NAME, name
    if pointer.is_pipeline_name(posixpath.basename(target)):
        return target, ""
    return pointer.PIPELINE_NAME, target


def _guess(project: Project, target: str, cwd: str) -> str | None:
    if os.path.isfile(project.absolute(join(cwd, pointer.pointer_name(target)))):
        return f"did you mean '{pointer.pointer_name(target)}'?"
    return None
