"""core/graph: which stage needs which, and what no graph may hold."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pannier.core.errors import Overlap
from pannier.core.graph import Graph, Outputs, output_graph, stage_graph
from pannier.core.pipeline_errors import Cycle
from pannier.core.stage import Dep, Out, ParamsDep, Stage


def stage(name: str, deps: str = "", outs: str = "", *, wdir: str = "", params: str = "") -> Stage:
    """A stage of `<wdir>/dvc.yaml`; deps, outs, params: paths with blanks between."""
    return Stage(
        file=f"{wdir}/dvc.yaml".lstrip("/"),
        name=name,
        wdir=wdir,
        cmd="x",
        deps=tuple(map(Dep, deps.split())),
        outs=tuple(map(Out, outs.split())),
        params=tuple(map(ParamsDep, params.split())),
    )


def needs(*stages: Stage) -> dict[str, list[str]]:
    graph = stage_graph(stages)
    return {
        str(one.name): [str(stages[each].name) for each in those]
        for one, those in zip(stages, graph.needs, strict=True)
    }


def test_a_stage_needs_what_makes_its_dependency_what_holds_it_and_what_lies_in_it() -> None:
    found = needs(
        stage("same", "a"),
        stage("inside", "d/x/y"),
        stage("around", "deep"),
        stage("near", "a-b a/../a.txt dd deep1"),
        stage("file", "", "a"),
        stage("folder", "", "d"),
        stage("one", "", "deep/er/1"),
        stage("two", "", "deep/er/2"),
        stage("beside", "", "deep.txt deep0 deep-x d0 a0"),
    )

    assert found["same"] == ["file"]
    assert found["inside"] == ["folder"]
    assert found["around"] == ["one", "two"]
    assert found["near"] == []


def test_a_parameter_file_that_a_stage_writes_is_a_need() -> None:
    assert needs(stage("a", params="p.yaml"), stage("b", "", "p.yaml"))["a"] == ["b"]


def test_paths_start_at_the_folder_of_the_stage_and_urls_nowhere() -> None:
    found = needs(
        stage("a", "../x s3://b/k", wdir="sub"),
        stage("b", "", "x"),
        stage("c", "", "s3://b/k", wdir="other"),
    )

    assert found["a"] == ["b", "c"]


def test_an_import_from_a_repository_needs_nothing_here() -> None:
    imported = Stage("i.dvc", deps=(Dep("x", repo={"url": ".."}),), outs=(Out("i"),))

    graph = stage_graph([imported, stage("a", "", "x")])

    assert graph.needs == [(), ()]


def test_outputs_need_the_outputs_that_their_stage_reads() -> None:
    outputs = Outputs([stage("a", "", "x y"), stage("b", "x y", "z w")])

    graph = output_graph(outputs)

    assert [made.path for made in outputs.all] == ["x", "y", "z", "w"]
    assert graph.needs == [(), (), (0, 1), (0, 1)]


def test_the_order_has_all_that_a_stage_needs_before_it() -> None:
    stages = [stage("c", "b"), stage("b", "a", "b"), stage("a", "", "a"), stage("d")]
    graph = stage_graph(stages)

    assert graph.order() == [2, 1, 0, 3]
    assert graph.order([1]) == [2, 1]
    assert graph.upstream([1]) == {1, 2}
    assert graph.downstream([1]) == {0, 1}
    assert graph.components() == [[0, 1, 2], [3]]
    assert graph.part([0, 2, 1])[1].needs == [(1,), (2,), ()]
    assert graph.part([0, 2])[1].needs == [(), ()]


def test_a_cycle_is_told_with_its_stages_and_no_others() -> None:
    with pytest.raises(Cycle) as caught:
        stage_graph(
            [stage("q", "c"), stage("a", "c", "a"), stage("b", "a", "b"), stage("c", "b", "c")]
        )

    assert sorted(caught.value.stages) == ["a", "b", "c"]


def test_a_stage_that_reads_within_what_it_writes_is_a_cycle_of_one() -> None:
    with pytest.raises(Cycle, match=r"in stage: a\.$"):
        stage_graph([stage("a", "d/x", "d")])


def test_a_path_that_two_stages_make_is_refused_with_both() -> None:
    with pytest.raises(Overlap, match=r"output '\.\./x' is specified in:\n\t- .*b\n\t- .*a\n"):
        stage_graph([stage("a", "", "x"), stage("b", "", "x")], cwd="sub")


def test_a_path_that_one_stage_makes_twice_is_refused() -> None:
    with pytest.raises(Overlap, match="output 'x' is already specified in stage: 'a'"):
        stage_graph([stage("a", "", "x ./x")])


def test_an_output_within_an_output_is_refused_whichever_comes_first() -> None:
    for order in (1, -1):
        stages = [stage("a", "", "d"), stage("b", "", "d/e/f")][::order]

        with pytest.raises(Overlap, match=r"'d'\('a'\)\n'd/e/f'\('b'\)\noverlap"):
            stage_graph(stages)


def test_a_stage_file_within_an_output_is_refused() -> None:
    with pytest.raises(Overlap, match=r"stage: 'd/dvc.yaml:b' is within an output 'd'"):
        stage_graph([stage("a", "", "d"), stage("b", wdir="d")])


@given(st.lists(st.lists(st.integers(0, 11), max_size=4), min_size=1, max_size=12))
def test_a_graph_has_either_an_order_or_a_cycle(edges: list[list[int]]) -> None:
    graph = Graph([[each % len(edges) for each in those] for those in edges])
    cycle = graph.cycle()

    if cycle:
        for node, following in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            assert following in graph.needs[node]
        with pytest.raises(ValueError, match="cycle"):
            graph.order()
    else:
        order = graph.order()
        assert sorted(order) == list(range(len(edges)))
        assert all(order.index(b) < order.index(a) for a, b in graph.edges())


def test_work_grows_with_the_stages_and_a_long_chain_is_no_deep_call() -> None:
    def steps(count: int) -> int:
        stages = [stage(str(n), f"d/{n - 1}" if n else "", f"d/{n}") for n in range(count)]
        seen, before = 0, sys.gettrace()

        def look(*_: object) -> object:
            nonlocal seen
            seen += 1
            return look

        sys.settrace(look)
        try:
            order = stage_graph(stages).order()
        finally:
            sys.settrace(before)
        assert count == len(order)
        return seen

    assert steps(20_000) < 12 * steps(2_000)
