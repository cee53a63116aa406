"""Which stages may run when: any graph, any limits, any order in which they end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pannier.core.errors import PannierError
from pannier.core.graph import Graph
from pannier.run.limits import NONE, Limits, limits_of
from pannier.run.schedule import DONE, SKIPPED, Capacity, Schedule

LIMITS = st.builds(
    Limits,
    mutex=st.sets(st.sampled_from("xyz"), max_size=2).map(frozenset),
    cpu=st.sampled_from([0, 0.5, 1, 3]),
    mem_bytes=st.sampled_from([0, 10, 100]),
    gpu=st.integers(0, 2),
)
CAPACITY = Capacity(3, 3, 100, ("0", "1"))


@st.composite
def runs(draw: st.DrawFn) -> tuple[Graph, list[Limits]]:
    size = draw(st.integers(0, 9))
    needs = [
        sorted(draw(st.sets(st.integers(0, n - 1), max_size=3))) if n else [] for n in range(size)
    ]
    return Graph(needs), [draw(LIMITS) for _ in range(size)]


def check_together(running: dict[int, tuple[str, ...]], limits: list[Limits]) -> None:
    names = [name for number in running for name in limits[number].mutex]
    gpus = [gpu for own in running.values() for gpu in own]
    assert len(names) == len(set(names)), "two of one mutex"
    assert len(gpus) == len(set(gpus)), "a gpu twice"
    assert len(running) <= CAPACITY.jobs
    assert sum(limits[number].cpu for number in running) <= CAPACITY.cpu
    assert sum(limits[number].mem_bytes for number in running) <= CAPACITY.mem_bytes


@given(run=runs(), data=st.data())
def test_everything_runs_once_in_order_and_within_the_limits(
    run: tuple[Graph, list[Limits]], data: st.DataObject
) -> None:
    graph, limits = run
    schedule = Schedule(graph, limits, CAPACITY)
    running: dict[int, tuple[str, ...]] = {}
    started: list[int] = []
    done: set[int] = set()
    while not schedule.is_over:
        while (number := schedule.next()) is not None:
            assert set(graph.needs[number]) <= done
            running[number] = schedule.start(number)
            assert limits[number].gpu == len(running[number])
            started.append(number)
            check_together(running, limits)
        assert running, "nothing runs and nothing may start"
        number = data.draw(st.sampled_from(sorted(running)))
        del running[number]
        schedule.done(number)
        done.add(number)

    assert list(range(len(graph))) == sorted(started)
    assert [DONE] * len(graph) == schedule.states


@given(run=runs(), data=st.data())
def test_a_failure_skips_just_what_needs_it(
    run: tuple[Graph, list[Limits]], data: st.DataObject
) -> None:
    graph, limits = run
    schedule = Schedule(graph, limits, CAPACITY)
    bad = data.draw(st.sets(st.integers(0, max(0, len(graph) - 1))))
    failed: set[int] = set()
    told: list[int] = []
    while not schedule.is_over:
        number = schedule.next()
        assert number is not None
        schedule.start(number)
        if number in bad:
            failed.add(number)
            told += schedule.fail(number)
        else:
            schedule.done(number)

    lost = graph.downstream(sorted(failed)) - failed if failed else set()
    assert sorted(lost) == sorted(told)
    assert lost == {n for n, state in enumerate(schedule.states) if state == SKIPPED}


def test_after_a_stop_nothing_starts_and_what_runs_may_end() -> None:
    schedule = Schedule(Graph([[], [], [0]]), [NONE] * 3, CAPACITY)
    schedule.start(0)
    schedule.stop()

    assert schedule.next() is None
    assert not schedule.is_over
    schedule.done(0)
    assert schedule.is_over


def test_what_asks_for_more_than_there_is_is_told_before_anything_runs() -> None:
    schedule = Schedule(Graph([[]]), [Limits(gpu=3)], CAPACITY)

    with pytest.raises(PannierError, match="'train' asks for gpu: 3, and there is 2 of it"):
        schedule.check(["train"])


# -- what `meta` says ----


@pytest.mark.parametrize(
    ("meta", "limits"),
    [
        (None, NONE),
        ("text", NONE),
        ({"other": 1}, NONE),
        ({"mutex": "db"}, Limits(mutex=frozenset({"db"}))),
        ({"mutex": ["a", "b"]}, Limits(mutex=frozenset({"a", "b"}))),
        ({"resources": {"cpu": 2, "mem": "4G", "gpu": 1}}, Limits(cpu=2, mem_bytes=4 << 30, gpu=1)),
        ({"resources": {"mem": "1.5 MiB"}}, Limits(mem_bytes=3 << 19)),
        ({"retries": 2, "timeout": "90m"}, Limits(retries=2, timeout_s=5400)),
        ({"timeout": 1.5}, Limits(timeout_s=1.5)),
        ({"timeout": 0}, NONE),
        ({"timeout": "1h30"}, Limits(strange=("timeout",))),
        ({"retries": -1}, Limits(strange=("retries",))),
        ({"retries": True}, Limits(strange=("retries",))),
        ({"mutex": {"a": 1}}, Limits(strange=("mutex",))),
        ({"mutex": [1]}, Limits(strange=("mutex",))),
        ({"resources": 4}, Limits(strange=("resources",))),
        ({"resources": {"mem": "lots"}}, Limits(strange=("resources.mem",))),
    ],
)
def test_limits_are_read_and_what_is_strange_is_named(meta: object, limits: Limits) -> None:
    assert limits == limits_of(meta)
