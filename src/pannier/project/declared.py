"""What the pipelines of a place declare beside outputs: parameters, metrics, artifacts."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pannier.core.errors import BadTarget
from pannier.core.events import Progress
from pannier.core.path import join
from pannier.core.record import dataclass
from pannier.core.stage import Stage
from pannier.core.typed import Any
from pannier.formats import yamlio
from pannier.formats.pipeline import Pipeline, PipelineOptions, parse_document
from pannier.formats.pointer import is_pipeline_name
from pannier.formats.template import split
from pannier.formats.values import load_params, select
from pannier.formats.variables import Read
from pannier.project.index import Index, find_stage_files, is_stage_file, parse_stage_file
from pannier.project.project import Project
from pannier.project.revisions import RevisionTree, WorkspaceTree
from pannier.project.sources import Place
from pannier.project.used import stage_files_at

Reads = Mapping[str, str | None]
"""Path of each file that something was read from -> its object in Git, None when not there."""


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

    def metric_outs(self) -> list[str]:
        """Paths from the root of its stages' metrics."""
        return [
            stage.path_of(out)
            for stage in self.pipeline.stages
            for out in stage.outs
            if out.kind == "metric"
        ]

    def metrics_at_top(self) -> list[str]:
        """Paths from the root of the metrics named at its top."""
        return [join(self.folder, path) for path in self.pipeline.metrics]

    def metrics(self) -> list[str]:
        """Both."""
        return self.metric_outs() + self.metrics_at_top()

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
    return [
        declare(project, tree.read, path)[0]
        for path in paths
        if is_pipeline_name(posixpath.basename(path))
    ]


def declare(
    project: Project, read: Read, path: str, documents: dict[tuple[str, bytes], Any] | None = None
) -> tuple[Declared, list[str]]:
    """One pipeline, and the paths of all files that it was read from. Raises InvalidFile.

    documents: values of files by path and bytes, for a caller that reads one at many revisions.
    """
    options = PipelineOptions(
        bool_style=project.settings.get("parsing.bool") or "store_true",
        list_style=project.settings.get("parsing.list") or "nargs",
    )
    names: dict[str, None] = {}

    def noted(name: str) -> bytes | None:
        names[name] = None
        return read(name)

    data = noted(path) or b""
    documents = {} if documents is None else documents
    if (path, data) not in documents:
        documents[path, data] = yamlio.load(data, path)
    document = documents[path, data]
    pipeline = parse_document(document, data, path, noted, options)
    return Declared(path, pipeline, tuple(_references(document, path, noted))), list(names)


class WantedParams:
    """names: file, from the root -> names of its parameters, none for the whole file."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}

    def whole(self, path: str) -> None:
        self.names[path] = []

    def some(self, path: str, names: Sequence[str]) -> None:
        if not names:
            self.whole(path)
        elif self.names.get(path) != []:
            known = self.names.setdefault(path, [])
            known += [name for name in names if name not in known]

    def stages(self, stages: Iterable[Stage]) -> None:
        """What stages depend on."""
        for stage in stages:
            for item in stage.params:
                self.some(stage.path_of(item), item.wanted)

    def pipelines(self, pipelines: Sequence[Declared], *, deps: bool) -> None:
        """All that pipelines declare; deps: without the files at their top."""
        for one in pipelines:
            self.stages(one.pipeline.stages)
        for path in [path for one in pipelines for path in one.params() if not deps]:
            self.whole(path)
        for one in pipelines:
            for path, name in one.references:
                self.some(path, [name])


def is_of_dvc(name: str) -> bool:
    """True for a file, by its path, that is ours or DVC's: no data, no parameters, no metrics."""
    name = posixpath.basename(name)
    return is_stage_file(name) or name in ("dvc.lock", ".dvcignore", ".gitignore")


def _references(document: Any, file: str, read: Read) -> Iterator[tuple[str, str]]:
    """Variables that expressions use, each with the file in `vars` that it comes from.

    `params.yaml`, which needs no naming there, is left out, as DVC does.
    """
    names = dict.fromkeys(_names(document))
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
