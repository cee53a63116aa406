"""stage add: declare how data is made. stage list: what is declared."""

from __future__ import annotations

import os
import posixpath
import string
from collections import Counter
from collections.abc import Iterable, Sequence

from pannier.core.errors import BadTarget, Overlap, PannierError
from pannier.core.events import Progress
from pannier.core.graph import stage_graph
from pannier.core.path import is_within, join, relative
from pannier.core.record import dataclass
from pannier.core.stage import Stage
from pannier.core.typed import Any
from pannier.disk import fsio
from pannier.formats import pipeline, pipeline_edit, pointer
from pannier.formats.variables import DEFAULT_FILE
from pannier.project.index import (
    Index,
    find_stage_files,
    load_index,
    outs_of,
    parse_stage_file,
    workspace_reader,
)
from pannier.project.project import Project
from pannier.project.targets import TargetOptions, root_relative, select_stages
from pannier.project.tracking import ignore_in_git, read_bytes, stage_in_git
from pannier.project.workspace import sweep

_FORBIDDEN = set(string.punctuation) - {"-", "_"}
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class NewOut:
    """One output as it was asked for. section: "outs", "metrics" or "plots"."""

    path: str
    section: str = "outs"
    cache: bool = True
    persist: bool = False


@dataclass(frozen=True, slots=True)
class NewStage:
    """A stage to be declared. Paths are as typed: relative to wdir, which is relative to the
    folder of the `dvc.yaml`. params: `name,name`, `file:name,name` or `file:`."""

    name: str
    cmd: str
    deps: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    outs: tuple[NewOut, ...] = ()
    wdir: str | None = None
    always_changed: bool = False
    desc: str | None = None


@dataclass(frozen=True, slots=True)
class StageAddOptions:
    """cwd: root-relative folder of the `dvc.yaml`. force: an old stage of the name makes way."""

    cwd: str = ""
    force: bool = False


@dataclass(frozen=True, slots=True)
class StageAddReport:
    """file: the `dvc.yaml`. to_commit: root-relative paths for `git add`; staged: done already."""

    file: str
    to_commit: list[str]
    staged: bool


def add_stage(project: Project, new: NewStage, options: StageAddOptions) -> StageAddReport:
    """Writes a stage into the `dvc.yaml` of a folder. All is checked before.

    Raises PannierError, Overlap, Cycle, InvalidFile, DiskError.
    """
    sweep(project)
    _check(project, new, options.cwd)
    file = join(options.cwd, pointer.PIPELINE_NAME)
    absolute = project.absolute(file)
    previous = read_bytes(absolute)
    read = workspace_reader(project)
    index = load_index(project)
    known = {stage.address: stage for stage in index.stages}
    old = [stage for stage in index.stages if stage.file == file and stage.name == new.name]
    if not old and previous is not None:
        old = [one for one in index.stages if one.file == file and _group(one) == new.name]
    if old and not options.force:
        raise PannierError(
            f"Stage '{new.name}' already exists in '{pointer.PIPELINE_NAME}'. Use '--force' to"
            " overwrite."
        )
    data = pipeline_edit.with_stage(previous, new.name, definition_of(new), file)
    style = pipeline.PipelineOptions(
        bool_style=project.settings.get("parsing.bool") or "store_true",
        list_style=project.settings.get("parsing.list") or "nargs",
    )
    declared = pipeline.parse(data, file, read, style).stages
    made = [stage for stage in declared if new.name in (stage.name, _group(stage))]
    others = [stage for stage in known.values() if stage.file != file]
    _refuse_taken(made, [*others, *(stage for stage in declared if stage not in made)], options)
    stage_graph([*others, *declared], options.cwd)
    changed = [file] if data != previous else []
    if changed:
        fsio.make_dirs(project.scratch)
        fsio.write_atomic(absolute, data, scratch=project.scratch, within=project.root)
    ignored = [ref.path for stage in made for ref in outs_of(stage) if ref.tracked]
    changed += ignore_in_git(project, ignored)
    return StageAddReport(file, changed, stage_in_git(project, changed))


def _refuse_taken(made: list[Stage], others: list[Stage], options: StageAddOptions) -> None:
    """Raises Overlap for an output that another stage makes."""
    taken = {ref.path: ref.stage for stage in others for ref in outs_of(stage)}
    for ref in (ref for stage in made for ref in outs_of(stage)):
        if ref.path in taken:
            name = taken[ref.path].address_from(options.cwd)
            raise Overlap(
                f"output '{relative(ref.path, options.cwd)}' is already specified in stage:"
                f" '{name}'.\nUse `dvc remove {name}` to stop tracking the overlapping output."
            )


def definition_of(new: NewStage) -> dict[str, Any]:
    """The entry of `dvc.yaml`, keys and items in the order in which DVC writes them."""
    fields: dict[str, Any] = {}
    if new.desc:
        fields["desc"] = new.desc
    fields["cmd"] = new.cmd
    if new.wdir is not None and posixpath.normpath(new.wdir) != ".":
        fields["wdir"] = posixpath.normpath(new.wdir)
    if new.deps:
        fields["deps"] = sorted(map(_typed, new.deps))
    if new.params:
        fields["params"] = _params(new.params)
    for section in ("outs", "metrics", "plots"):
        items = [_out(out) for out in sorted(new.outs, key=_path) if out.section == section]
        if items:
            fields[section] = items
    if new.always_changed:
        fields["always_changed"] = True
    return fields


def _path(out: NewOut) -> str:
    return _typed(out.path)


def _typed(path: str) -> str:
    return path if "://" in path else posixpath.normpath(path)


def _out(out: NewOut) -> str | dict[str, Any]:
    flags: dict[str, Any] = {}
    if not out.cache:
        flags["cache"] = False
    if out.persist:
        flags["persist"] = True
    return {_typed(out.path): flags} if flags else _typed(out.path)


def _params(typed: Sequence[str]) -> list[Any]:
    """Names of the default file first, then the other files, all by order; a file that is named
    alone is taken as a whole."""
    by_file: dict[str, dict[str, None] | None] = {}
    for item in typed:
        file, colon, names = item.rpartition(":")
        file = _typed(file) if colon and file else DEFAULT_FILE
        listed = [name for name in names.split(",") if name]
        if not listed:
            by_file[file] = None
            continue
        known = by_file.setdefault(file, {})
        if known is not None:
            known |= dict.fromkeys(listed)
    own = by_file.pop(DEFAULT_FILE, {})
    found: list[Any] = [{DEFAULT_FILE: None}] if own is None else sorted(own)
    for file in sorted(by_file):
        wanted = by_file[file]
        found.append({file: sorted(wanted) if wanted is not None else None})
    return found


def _check(project: Project, new: NewStage, cwd: str) -> None:
    """Raises PannierError for what DVC refuses, before anything is read."""
    if not new.name or _FORBIDDEN & set(new.name):
        raise PannierError("Stage name cannot contain punctuation characters.")
    if not new.cmd:
        raise PannierError("command is not specified")
    folder = join(cwd, new.wdir or ".")
    if new.wdir is not None and not os.path.isdir(project.absolute(folder)):
        raise PannierError(
            f"stage working dir '{new.wdir}' does not exist",
            hint=f"make it with 'mkdir -p {new.wdir}'",
        )

    def absolute(path: str) -> str:
        return path if "://" in path else project.absolute(join(folder, path))

    deps = [absolute(path) for path in new.deps]
    outs = [absolute(out.path) for out in new.outs]
    for path, count in (Counter(deps) + Counter(outs)).items():
        if path in deps and path in outs:
            raise PannierError(f"'{path}' is specified as an output and as a dependency.")
        if count > 1:
            raise PannierError(f"file '{path}' is specified more than once.")


def _group(stage: Stage) -> str:
    return (stage.name or "").partition("@")[0]


# -- listing -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StageListOptions:
    """cwd: root-relative. everything: of the whole project. strict: a broken file is an error."""

    cwd: str = ""
    recursive: bool = False
    everything: bool = False
    strict: bool = False


def list_stages(
    project: Project, targets: Sequence[str], options: StageListOptions, progress: Progress
) -> list[tuple[str, str]]:
    """(name as seen from cwd, description) of stages. Raises BadTarget, InvalidFile."""
    if options.everything:
        stages: Iterable[Stage] = _all_below(project, "", options, progress)
    elif options.recursive and targets:
        folders = [root_relative(project, options.cwd, target) for target in targets]
        found = _all_below(project, "", options, progress)
        stages = [
            stage
            for folder in folders
            for stage in found
            if is_within(stage.file, folder) or folder in (stage.file, stage.address)
        ]
    else:
        file = join(options.cwd, pointer.PIPELINE_NAME)
        if not targets and not os.path.exists(project.absolute(file)):
            raise BadTarget(f"'{project.absolute(file)}' does not exist")
        selection = TargetOptions(cwd=options.cwd, only_stages=True)
        stages = select_stages(project, list(targets) or [pointer.PIPELINE_NAME], selection)
    return [(stage.address_from(options.cwd), described(stage)) for stage in stages]


def _all_below(
    project: Project, folder: str, options: StageListOptions, progress: Progress
) -> list[Stage]:
    index = Index()
    read = workspace_reader(project)
    for path in find_stage_files(project, folder, index):
        try:
            index.stages.extend(parse_stage_file(project, read, path))
        except PannierError as error:
            if options.strict:
                raise
            progress.debug(f"'{path}' is left out: {error}")
    return index.stages


def described(stage: Stage) -> str:
    """One line about a stage."""
    text = stage.desc.strip().split("\n")[0] if stage.desc and stage.desc.strip() else ""
    if not text:
        made = ", ".join(out.path for out in stage.outs if out.kind == "out")
        told = ", ".join(out.path for out in stage.outs if out.kind != "out")
        parts = [f"Outputs {made}"] if made else []
        parts += [f"Reports {told}"] if told else []
        read = [dep.path for dep in stage.deps] + [one.path for one in stage.params]
        text = "; ".join(parts) or (f"Depends on {', '.join(read)}" if read else "")
        text = text or "No outputs or dependencies"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "\N{HORIZONTAL ELLIPSIS}"
