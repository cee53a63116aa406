"""The graph of a project: which stage needs what which other one makes.

A stage needs another when one of its dependencies or parameter files is an output of the other,
lies in one, or holds one. What the graph is built from is checked on the way: two stages with one
output, an output within an output, a stage file within an output, a stage that needs itself.

    graph = stage_graph(index.stages)
    graph.order()           places in index.stages, each after all that it needs
    graph.upstream([7])     the stage at place 7 and all that it needs
    graph.downstream([7])   the stage at place 7 and all that need it

Cost: linear in stages, paths and edges, but for one sort of the outputs' paths. Pure: nothing is
read. Source of the rules: docs/commands.md, `dag`; the words of the errors are DVC's.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from pannier.core.errors import Overlap
from pannier.core.path import relative
from pannier.core.pipeline_errors import Cycle
from pannier.core.record import dataclass
from pannier.core.stage import Out, Stage


class Graph:
    """Nodes by number, 0 to len(needs) - 1, and what each needs.

    needs[n]: the nodes that n needs, each once. needed_by[n]: the nodes that need n, ascending.
    """

    __slots__ = ("needed_by", "needs")

    def __init__(self, needs: Iterable[Iterable[int]]) -> None:
        self.needs: list[tuple[int, ...]] = [tuple(dict.fromkeys(each)) for each in needs]
        self.needed_by: list[list[int]] = [[] for _ in self.needs]
        for node, those in enumerate(self.needs):
            for each in those:
                self.needed_by[each].append(node)

    def __len__(self) -> int:
        return len(self.needs)

    def edges(self) -> Iterator[tuple[int, int]]:
        """(node, what it needs), by node."""
        for node, those in enumerate(self.needs):
            for each in those:
                yield node, each

    def upstream(self, nodes: Iterable[int]) -> set[int]:
        """The nodes and all that they need, directly or through others."""
        return _reached(nodes, self.needs)

    def downstream(self, nodes: Iterable[int]) -> set[int]:
        """The nodes and all that need them, directly or through others."""
        return _reached(nodes, self.needed_by)

    def part(self, nodes: Iterable[int]) -> tuple[list[int], Graph]:
        """The graph of some nodes only, numbered anew: (the old number of each, the graph)."""
        kept = sorted(set(nodes))
        new = {old: at for at, old in enumerate(kept)}
        return kept, Graph([[new[n] for n in self.needs[old] if n in new] for old in kept])

    def components(self) -> list[list[int]]:
        """The parts that no edge joins: by their first nodes, and nodes ascending in each."""
        around = [[*a, *b] for a, b in zip(self.needs, self.needed_by, strict=True)]
        seen: set[int] = set()
        found = []
        for node in range(len(self)):
            if node not in seen:
                reached = _reached([node], around)
                seen |= reached
                found.append(sorted(reached))
        return found

    def order(self, nodes: Iterable[int] | None = None) -> list[int]:
        """All nodes, or those given and all that they need, each after what it needs.

        Otherwise in the order given. Raises ValueError when there is a cycle.
        """
        ordered, cycle = self._searched(range(len(self)) if nodes is None else nodes)
        if cycle:
            raise ValueError(f"the graph has a cycle: {cycle}")
        return ordered

    def cycle(self) -> list[int]:
        """Nodes each of which needs the next, the last one the first; [] when there are none."""
        return self._searched(range(len(self)))[1]

    def _searched(self, nodes: Iterable[int]) -> tuple[list[int], list[int]]:
        """(nodes after what they need, the first cycle found or []). Depth first, without calls:
        chains are as long as a project makes them."""
        ordered: list[int] = []
        done = [False] * len(self)
        open_at: dict[int, Iterator[int]] = {}
        for start in nodes:
            if done[start]:
                continue
            path = [start]
            open_at[start] = iter(self.needs[start])
            while path:
                node = path[-1]
                for each in open_at[node]:
                    if each in open_at:
                        return ordered, path[path.index(each) :]
                    if not done[each]:
                        path.append(each)
                        open_at[each] = iter(self.needs[each])
                        break
                else:
                    ordered.append(node)
                    done[node] = True
                    del open_at[node]
                    path.pop()
        return ordered, []


def _reached(nodes: Iterable[int], steps: Sequence[Sequence[int]]) -> set[int]:
    reached = set(nodes)
    pending = list(reached)
    while pending:
        for each in steps[pending.pop()]:
            if each not in reached:
                reached.add(each)
                pending.append(each)
    return reached


@dataclass(frozen=True, slots=True)
class Made:
    """One output. stage: the place of its stage among all. path: from the root, or a URL."""

    stage: int
    out: Out
    path: str


class Outputs:
    """The outputs of all stages, to be found by path.

    all: in the order of the stages. cwd: root-relative directory that messages show paths from.
    Raises Overlap for two outputs with one path, one within another, and a stage file within one.
    """

    def __init__(self, stages: Sequence[Stage], cwd: str = "") -> None:
        self.stages = stages
        self.all = [
            Made(at, out, path_of(stage, out))
            for at, stage in enumerate(stages)
            for out in stage.outs
        ]
        self._cwd = cwd
        self._by_path: dict[str, int] = {}
        for number, made in enumerate(self.all):
            known = self._by_path.setdefault(made.path, number)
            if known != number:
                raise self._named_twice(self.all[known], made)
        self._sorted = sorted(self._by_path)
        self._check()

    def touching(self, path: str) -> list[int]:
        """Numbers in `all` of those that path is, lies in, or that lie in it; outer ones first."""
        by_path = self._by_path
        found = [by_path[outer] for outer in _ancestors(path) if outer in by_path]
        if path in by_path:
            return [*found, by_path[path]]
        # '0' follows '/': all that begins with `path/` stands between the two.
        first = bisect_left(self._sorted, path + "/")
        last = bisect_left(self._sorted, path + "0")
        return [*found, *sorted(by_path[inner] for inner in self._sorted[first:last])]

    def _check(self) -> None:
        for made in self.all:
            for outer in _ancestors(made.path):
                if outer in self._by_path:
                    raise self._nested(self.all[self._by_path[outer]], made)
        for file in dict.fromkeys(stage.file for stage in self.stages):
            for path in (*_ancestors(file), file):
                if path in self._by_path:
                    stage = next(one for one in self.stages if one.file == file)
                    raise Overlap(
                        f"stage: '{stage.address_from(self._cwd)}' is within an output"
                        f" '{self._shown(path)}' of another stage"
                    )

    def _named_twice(self, one: Made, other: Made) -> Overlap:
        names = [self._stage(made) for made in (other, one)]
        shown = self._shown(one.path)
        if names[0] == names[1]:
            return Overlap(
                f"output '{shown}' is already specified in stage: '{names[0]}'.\n"
                f"Use `dvc remove {names[0]}` to stop tracking the overlapping output."
            )
        listed = "\n".join(f"\t- {name}" for name in names)
        return Overlap(
            f"output '{shown}' is specified in:\n{listed}\nUse `dvc remove` with any of the above"
            " targets to stop tracking the overlapping output."
        )

    def _nested(self, outer: Made, inner: Made) -> Overlap:
        return Overlap(
            f"The output paths:\n'{self._shown(outer.path)}'('{self._stage(outer)}')\n"
            f"'{self._shown(inner.path)}'('{self._stage(inner)}')\n"
            "overlap and are thus in the same tracked directory.\n"
            "To keep reproducibility, outputs should be in separate tracked directories or tracked"
            " individually."
        )

    def _stage(self, made: Made) -> str:
        return self.stages[made.stage].address_from(self._cwd)

    def _shown(self, path: str) -> str:
        return path if "://" in path or path.startswith("/") else relative(path, self._cwd)


def path_of(stage: Stage, item: Out) -> str:
    """Where an output lies: from the root, or its URL."""
    return item.path if "://" in item.path else stage.path_of(item)


def read_by(stage: Stage) -> Iterator[str]:
    """The paths that a stage reads: dependencies and parameter files, from the root, or URLs.

    Nothing for an import from another repository or a database: what they name is elsewhere.
    """
    if any(dep.repo is not None or dep.db is not None for dep in stage.deps):
        return
    for dep in stage.deps:
        yield dep.path if dep.is_url else stage.path_of(dep)
    for params in stage.params:
        yield stage.path_of(params)


def stage_graph(stages: Sequence[Stage], cwd: str = "") -> Graph:
    """What stages need of each other; a node is a place in `stages`.

    cwd: root-relative directory that messages show paths from. Raises Overlap, Cycle.
    """
    outputs = Outputs(stages, cwd)
    graph = Graph(
        [outputs.all[number].stage for path in read_by(stage) for number in outputs.touching(path)]
        for stage in stages
    )
    cycle = graph.cycle()
    if cycle:
        raise Cycle([stages[node].address_from(cwd) for node in cycle])
    return graph


def output_graph(outputs: Outputs) -> Graph:
    """What outputs need of each other through their stages; a node is a number in `all`."""
    read = [
        [number for path in read_by(stage) for number in outputs.touching(path)]
        for stage in outputs.stages
    ]
    return Graph(read[made.stage] for made in outputs.all)


def _ancestors(path: str) -> list[str]:
    """The folders that a path lies in, outer ones first: 'a', 'a/b' of 'a/b/c'."""
    found = []
    end = path.find("/", 1)
    while end > 0:
        found.append(path[:end])
        end = path.find("/", end + 1)
    return found
