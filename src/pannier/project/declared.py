"""What the pipelines of a place declare beside outputs: parameters, metrics, artifacts."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from pannier.core.errors import BadTarget
from pannier.core.events import Progress
from pannier.core.path import join
from pannier.core.record import dataclass
from pannier.core.stage import Stage
from pannier.formats import yamlio
from pannier.formats.pipeline import Pipeline, PipelineOptions, parse
from pannier.formats.pointer import is_pipeline_name
from pannier.formats.template import split
from pannier.formats.values import load_params, select
from pannier.formats.variables import Read
from pannier.project.index import Index, find_stage_files, parse_stage_file
from pannier.project.revisions import RevisionTree, WorkspaceTree
from pannier.project.sources import Place
from pannier.project.used import stage_files_at


@dataclass(frozen=True, slots=True)
class Declared:
    """One `dvc.yaml`. file: from the project's root. pipeline: what it says.

    references: (file, name) of the variables that its expressions use.
    """

    file: str
    pipeline: Pipeline
    references: tuple[tuple[str, str], ...] = ()

    @property
    def folder(self) -> str:
        return posixpath.dirname(self.file)

    def metrics(self) -> list[str]:
        """Paths from the root: those of its stages, then those at its top."""
        outs = [
            stage.path_of(out)
            for stage in self.pipeline.stages
            for out in stage.outs
            if out.kind == "metric"
        ]
        return outs + [join(self.folder, path) for path in self.pipeline.metrics]

    def params(self) -> list[str]:
        """Paths from the root of the files named at its top."""
        return [join(self.folder, path) for path in self.pipeline.params]


def declared(place: Place, progress: Progress) -> list[Declared]:
    """Every pipeline of a place, in the order of their paths. Raises InvalidFile."""
    project = place.project
    if project is None:
        return []
    tree: RevisionTree | WorkspaceTree
    if place.source.sha is None:
        tree = WorkspaceTree(project.root)
        index = Index()
        paths = []
        for path in find_stage_files(project, "", index):
            paths.append(path)
            index.stages.extend(parse_stage_file(project, tree.read, path))
    else:
        place.index(progress)  # of a mirror it brings all that is needed, at once
        tree, paths = stage_files_at(project, place.source.sha, place.source.memo)
    options = PipelineOptions(
        bool_style=project.settings.get("parsing.bool") or "store_true",
        list_style=project.settings.get("parsing.list") or "nargs",
    )
    result = []
    for path in paths:
        if is_pipeline_name(posixpath.basename(path)):
            data = tree.read(path) or b""
            pipeline = parse(data, path, tree.read, options)
            result.append(Declared(path, pipeline, tuple(_references(data, path, tree.read))))
    return result


def _references(data: bytes, file: str, read: Read) -> Iterator[tuple[str, str]]:
    """Variables that expressions use, each with the file in `vars` that it comes from.

    `params.yaml`, which needs no naming there, is left out, as DVC does.
    """
    names = dict.fromkeys(_names(document := yamlio.load(data, file)))
    if not names:
        return
    folder = posixpath.dirname(file)
    listed = [item for item in document.get("vars", ()) if isinstance(item, str)]
    for path in dict.fromkeys(join(folder, item.partition(":")[0]) for item in listed):
        text = read(path)
        found = select(load_params(text, path), list(names))[0] if text is not None else {}
        yield from ((path, name) for name in found)


def _names(value: object) -> Iterator[str]:
    """`a.b` of every `${a.b}` and `${a[b]}` within a value."""
    if isinstance(value, str):
        for piece in split(value) if "${" in value else ():
            if isinstance(piece, tuple):
                yield piece[0].strip().replace("[", ".").replace("]", "")
    elif isinstance(value, dict):
        for item in value.values():
            yield from _names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)


def stages_named(found: Iterable[Declared], names: Iterable[str], cwd: str) -> list[Stage]:
    """Stages by name: `train`, a group's name, `sub/dvc.yaml:train`, a whole `dvc.yaml`.

    cwd: where files in names start from, '' at the root. Raises BadTarget, in DVC's words.
    """
    by_file = {one.file: one.pipeline.stages for one in found}
    chosen: list[Stage] = []
    for name in names:
        shown, _, stage = name.rpartition(":")
        if not shown and is_pipeline_name(posixpath.basename(name)):
            shown, stage = name, ""
        shown = shown or "dvc.yaml"
        stages = by_file.get(posixpath.normpath(f"/{cwd}/{shown}").lstrip("/"))
        if stages is None:
            raise BadTarget(f"'{shown}' does not exist")
        those = [
            one
            for one in stages
            if not stage or stage in (one.name, (one.name or "").split("@")[0])
        ]
        if not those and stage:
            raise BadTarget(f"Stage '{stage}' not found inside '{shown}' file")
        chosen += those
    return chosen
