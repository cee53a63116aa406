"""Targets: what a user names on the command line, as outputs and stages.

A target is a `.dvc` file, a stage name, `path/dvc.yaml[:name]`, a group name, an output, or a path
inside a tracked directory (docs/commands.md).
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from fnmatch import fnmatchcase

from pannier.core.errors import BadTarget, PannierError
from pannier.core.path import is_within, join
from pannier.core.record import dataclass
from pannier.core.stage import Stage
from pannier.formats import pointer
from pannier.project.index import (
    Index,
    OutRef,
    ancestors,
    load_index,
    outs_of,
    parse_stage_file,
    refuse_ignored,
    workspace_reader,
)
from pannier.project.project import Project


@dataclass(frozen=True, slots=True)
class Selected:
    """One output that was asked for. inside: '' for all of it, else a path below it."""

    ref: OutRef
    inside: str = ""


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """with_deps: the stages upstream too. recursive: targets are directories to search.
    glob: targets are shell patterns. cwd: root-relative directory that targets start from.
    only_stages: an output does not stand for its stage."""

    with_deps: bool = False
    recursive: bool = False
    glob: bool = False
    cwd: str = ""
    only_stages: bool = False


ALL_TARGETS = TargetOptions()


@dataclass(frozen=True, slots=True)
class RevisionOptions:
    """Which other revisions to take data from, beside the workspace."""

    all_branches: bool = False
    all_tags: bool = False
    all_commits: bool = False

    @property
    def any(self) -> bool:
        return self.all_branches or self.all_tags or self.all_commits


WORKSPACE_ONLY = RevisionOptions()


def root_relative(project: Project, cwd: str, target: str) -> str:
    """A path as typed, from the root; starts with '..' when it leaves the project."""
    absolute = os.path.normpath(os.path.join(project.root, cwd, target))
    relative = os.path.relpath(absolute, project.root)
    return "" if relative == "." else relative


def select_outs(project: Project, targets: Sequence[str], options: TargetOptions) -> list[Selected]:
    """The outputs that targets name; all of the project without targets.

    Raises BadTarget, InvalidFile.
    """
    resolver = _Resolver(project, options)
    if not targets:
        return [Selected(ref) for ref in resolver.index.outs()]
    chosen = [selected for target in targets for selected in resolver.resolve(target)]
    if options.with_deps:
        stages = resolver.with_upstream([selected.ref.stage for selected in chosen])
        addresses = {selected.ref.stage.address for selected in chosen}
        chosen += [
            Selected(ref)
            for stage in stages
            if stage.address not in addresses
            for ref in outs_of(stage)
        ]
    unique = {(item.ref.stage.address, item.ref.path, item.inside): item for item in chosen}
    return list(unique.values())


def select_stages(project: Project, targets: Sequence[str], options: TargetOptions) -> list[Stage]:
    """The stages that targets name; all of the project without targets."""
    return [stage for stage, _ in select_named(project, targets, options)]


def select_named(
    project: Project, targets: Sequence[str], options: TargetOptions
) -> list[tuple[Stage, str | None]]:
    """The same, each with the target that names it first; None for one that came along.

    An error is about the target that it comes from.
    """
    resolver = _Resolver(project, options)
    if not targets:
        return [(stage, None) for stage in resolver.index.stages]
    names: dict[str, str] = {}
    chosen: list[Stage] = []
    for target in targets:
        try:
            found = resolver.resolve_stages(target)
        except PannierError as error:
            error.about = target
            raise
        chosen += found
        for stage in found:
            names.setdefault(stage.address, target)
    if options.with_deps:
        chosen = resolver.with_upstream(chosen)
    unique = {stage.address: stage for stage in chosen}
    return [(stage, names.get(address)) for address, stage in unique.items()]


class _Resolver:
    """Finds what targets name, and reads no more of the project than that takes."""

    def __init__(self, project: Project, options: TargetOptions) -> None:
        self._project, self._options = project, options
        self._read = workspace_reader(project)
        self._index: Index | None = None

    @property
    def index(self) -> Index:
        if self._index is None:
            self._index = load_index(self._project)
        return self._index

    def resolve(self, target: str) -> list[Selected]:
        path = root_relative(self._project, self._options.cwd, target)
        stages = self._named_stages(target, path)
        if stages is None:
            found = self._output(path)
            if found is not None:
                return [found]
            raise self._unknown(target)
        return [Selected(ref) for stage in stages for ref in outs_of(stage)]

    def resolve_stages(self, target: str) -> list[Stage]:
        path = root_relative(self._project, self._options.cwd, target)
        stages = self._named_stages(target, path)
        if stages is None:
            found = None if self._options.only_stages else self._output(path)
            if found is None:
                raise self._unknown(target)
            return [found.ref.stage]
        return stages

    def _named_stages(self, target: str, path: str) -> list[Stage] | None:
        """The stages of a target that is not an output; None when it might be one."""
        stages = self._named(target, path)
        if stages and self._index is None:
            refuse_ignored(self._project, stages)
        return stages

    def _named(self, target: str, path: str) -> list[Stage] | None:
        if self._options.glob and any(mark in target for mark in "*?["):
            return self._globbed(target)
        if self._options.recursive and os.path.isdir(self._project.absolute(path)):
            return [stage for stage in self.index.stages if is_within(stage.file, path)]
        if pointer.is_pointer_name(posixpath.basename(path)):
            stages = parse_stage_file(self._project, self._read, path)
            if not stages:
                raise BadTarget(f"'{self._project.absolute(path)}' does not exist")
            return stages
        file, colon, name = target.rpartition(":")
        if file and colon and not name:
            return None  # no stage is called so, and the whole file is not meant
        file = file or ("dvc.yaml" if colon else "")
        if file and pointer.is_pipeline_name(posixpath.basename(file)):
            return self._in_pipeline(file, name)
        if pointer.is_pipeline_name(posixpath.basename(target)):
            return self._in_pipeline(target, "")
        if "/" not in target and self._covering_pointer(path) is None:
            pipeline_file = join(self._options.cwd, "dvc.yaml")
            declared = parse_stage_file(self._project, self._read, pipeline_file)
            return [s for s in declared if _is_named(s, target)] or None
        return None

    def _in_pipeline(self, file: str, name: str) -> list[Stage]:
        path = root_relative(self._project, self._options.cwd, file)
        if self._read(path) is None:
            raise BadTarget(f"'{file}' does not exist")
        stages = parse_stage_file(self._project, self._read, path)
        if not name:
            return stages
        named = [stage for stage in stages if _is_named(stage, name)]
        if not named:
            raise BadTarget(f"Stage '{name}' not found inside '{file}' file")
        return named

    def _globbed(self, pattern: str) -> list[Stage]:
        full = join(self._options.cwd, pattern)
        found = [
            stage
            for stage in self.index.stages
            if fnmatchcase(stage.file, full)
            or (stage.name is not None and fnmatchcase(stage.name, pattern))
            or any(fnmatchcase(ref.path, full) for ref in outs_of(stage))
        ]
        if not found:
            raise BadTarget(f"'{pattern}' matches no output and no stage")
        return found

    def _output(self, path: str) -> Selected | None:
        ref = self._covering_pointer(path) or self.index.out_covering(path)
        if ref is None:
            return None
        if self._index is None:
            refuse_ignored(self._project, [ref.stage])
        return Selected(ref, path[len(ref.path) + 1 :] if path != ref.path else "")

    def _covering_pointer(self, path: str) -> OutRef | None:
        """The usual place first: `a/b.dvc` for `a/b/c`. It need not read the whole project."""
        for folder in reversed([p for p in ancestors(path) if p]):
            for stage in parse_stage_file(self._project, self._read, folder + ".dvc"):
                for ref in outs_of(stage):
                    if is_within(path, ref.path):
                        return ref
        return None

    def _unknown(self, target: str) -> BadTarget:
        if self._read(join(self._options.cwd, "dvc.yaml")) is None:
            why = "'dvc.yaml' does not exist"
        else:
            why = f"Stage '{target}' not found inside 'dvc.yaml' file"
        if self._options.only_stages:
            return BadTarget(why, hint="'dvc stage list' names them")
        return BadTarget(
            f"'{target}' does not exist as an output or a stage name in 'dvc.yaml': {why}"
        )

    def with_upstream(self, stages: Sequence[Stage]) -> list[Stage]:
        """The stages and everything that their dependencies are made by."""
        index = self.index
        chosen = {stage.address: stage for stage in stages}
        pending = list(stages)
        while pending:
            stage = pending.pop()
            wanted = [stage.path_of(dep) for dep in stage.deps if not dep.is_url]
            for ref in index.outs():
                if ref.stage.address in chosen:
                    continue
                if any(is_within(p, ref.path) or is_within(ref.path, p) for p in wanted):
                    chosen[ref.stage.address] = ref.stage
                    pending.append(ref.stage)
        return list(chosen.values())


def _is_named(stage: Stage, name: str) -> bool:
    """True for the stage of that name and for the members of the group of that name."""
    return stage.name is not None and (stage.name == name or stage.name.startswith(name + "@"))
