"""The graph of a project, of its stages or outputs, as it is to be drawn."""

from __future__ import annotations

import os
from collections.abc import Iterable

from pannier.core.errors import PannierError
from pannier.core.graph import Graph, Made, Outputs, output_graph, stage_graph
from pannier.core.path import is_within, relative
from pannier.core.record import dataclass
from pannier.core.stage import Stage
from pannier.core.typed import Any
from pannier.project.index import load_index
from pannier.project.project import Project
from pannier.project.targets import Selected, TargetOptions, select_outs, select_stages


@dataclass(frozen=True, slots=True)
class DagOptions:
    """target: a stage, a group, a stage file or an output; None for all of the project.

    full: not only what the target needs, but all that hangs together with it. outs: of outputs.
    collapse: one node for a group of stages. cwd: root-relative directory that names start from.
    """

    target: str | None = None
    full: bool = False
    outs: bool = False
    collapse: bool = False
    cwd: str = ""


@dataclass(frozen=True, slots=True)
class Dag:
    """names: of the nodes, as the user sees them. graph: what each needs."""

    names: list[str]
    graph: Graph


def dag(project: Project, options: DagOptions) -> Dag:
    """Raises Overlap, Cycle, BadTarget, InvalidFile."""
    if options.outs and options.collapse:
        raise PannierError("`--outs` and `--collapse-foreach-matrix` are mutually exclusive")
    stages = load_index(project).stages
    if options.outs:
        return _of_outputs(project, stages, options)
    graph = stage_graph(stages, options.cwd)
    names = [stage.address_from(options.cwd) for stage in stages]
    if options.target is not None:
        targets = TargetOptions(cwd=options.cwd)
        chosen = select_stages(project, [options.target], targets)
        places = {stage.address: at for at, stage in enumerate(stages)}
        wanted = [places[one.address] for one in chosen if one.address in places]
        kept, graph = _around(graph, wanted, options.full)
        names, stages = [names[at] for at in kept], [stages[at] for at in kept]
    dag = Dag(names, graph)
    return _collapsed(dag, stages) if options.collapse else dag


def _of_outputs(project: Project, stages: list[Stage], options: DagOptions) -> Dag:
    stage_graph(stages, options.cwd)
    outputs = Outputs(stages, options.cwd)
    graph = output_graph(outputs)
    chosen = _by_folders(project.root, outputs.all)
    if options.target is not None:
        found = select_outs(project, [options.target], TargetOptions(cwd=options.cwd))
        wanted = [at for at, made in enumerate(outputs.all) if _is_chosen(made, found)]
        around, _ = _around(graph, wanted, options.full)
        chosen = [number for number in chosen if number in set(around)]
    place = {number: at for at, number in enumerate(chosen)}
    names = [_shown(outputs.all[number], options.cwd) for number in chosen]
    return Dag(names, Graph([[place[n] for n in graph.needs[at]] for at in chosen]))


def _is_chosen(made: Made, found: Iterable[Selected]) -> bool:
    return any(is_within(made.path, one.ref.path) for one in found)


def _shown(made: Made, cwd: str) -> str:
    return made.path if "://" in made.path or made.path[:1] == "/" else relative(made.path, cwd)


def _around(graph: Graph, wanted: list[int], full: bool) -> tuple[list[int], Graph]:
    """The part of a graph that hangs together with the nodes that are wanted."""
    if not full:
        return graph.part(graph.upstream(wanted))
    kept = [
        node for part in graph.components() if not set(wanted).isdisjoint(part) for node in part
    ]
    return graph.part(kept)


def _collapsed(dag: Dag, stages: list[Stage]) -> Dag:
    """One node for the members of a group; such nodes come after the others, as in DVC."""
    groups = [
        name[: -len(stage.name)] + stage.name.split("@")[0]
        if stage.name is not None and "@" in stage.name
        else None
        for name, stage in zip(dag.names, stages, strict=True)
    ]
    alone = [name for name, group in zip(dag.names, groups, strict=True) if group is None]
    names = [*alone, *dict.fromkeys(group for group in groups if group is not None)]
    place = {name: at for at, name in enumerate(names)}
    new = [place[group or name] for name, group in zip(dag.names, groups, strict=True)]
    needs: list[list[int]] = [[] for _ in names]
    for node, needed in dag.graph.edges():
        needs[new[node]].append(new[needed])
    return Dag(names, Graph(needs))


def _by_folders(root: str, outputs: list[Made]) -> list[int]:
    """Numbers of outputs, those of one folder together: the order in which DVC lists them."""
    tree: dict[str, Any] = {}
    for number, made in enumerate(outputs):
        path = made.path if "://" in made.path else os.path.normpath(os.path.join(root, made.path))
        *folders, name = path.split("/")
        inner = tree
        for folder in folders:
            inner = inner.setdefault(folder, {})
        inner[name] = number
    found = []
    pending: list[Any] = [tree]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending.extend(reversed(item.values()))
        else:
            found.append(item)
    return found
