"""Many things at once in threads: order, limits, failures, and the way out."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

from pannier.store.transports.threads import Stopped, Team, interruptibly
from tests.unit.test_proc import until


def test_every_item_has_a_result() -> None:
    team: Team[int, int] = Team(lambda n: n * n, 4)

    assert sorted(n * n for n in range(100)) == sorted(team.map(range(100)))


def test_results_come_in_the_order_of_the_items_where_asked() -> None:
    gates = [threading.Event() for _ in range(6)]

    def work(n: int) -> int:
        if n + 1 < len(gates):
            gates[n + 1].wait(60)
        gates[n].set()
        return n

    team: Team[int, int] = Team(work, 6)

    assert list(range(6)) == list(team.map_in_order(range(6)))


def test_results_come_as_they_are_done_where_not() -> None:
    first = threading.Event()

    def work(n: int) -> int:
        if n == 0:
            first.wait(60)
        return n

    team: Team[int, int] = Team(work, 2)
    results = team.map(range(2))

    assert 1 == next(results)
    first.set()
    assert [0] == list(results)


def test_no_more_than_jobs_are_worked_on_at_a_time() -> None:
    lock, busy, most = threading.Lock(), 0, 0

    def work(_: int) -> None:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        with lock:
            busy -= 1

    list(Team(work, 3).map(range(200)))

    assert 0 < most <= 3


@pytest.mark.parametrize("in_order", [False, True])
def test_a_long_iterable_is_consumed_as_the_work_goes_on(in_order: bool) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for n in range(1000):
            taken.append(n)
            yield n

    team: Team[int, int] = Team(lambda n: n, 2)
    results = (team.map_in_order if in_order else team.map)(items())
    next(results)

    assert len(taken) <= 4
    results.close()  # type: ignore[attr-defined]
    assert len(taken) <= 4


def test_a_failure_is_raised_where_the_results_are_wanted() -> None:
    def work(n: int) -> int:
        return 1 // n

    with pytest.raises(ZeroDivisionError):
        list(Team(work, 2).map([1, 0, 1]))


def test_closing_tells_work_under_way_to_stop() -> None:
    started: SimpleQueue[None] = SimpleQueue()
    stopped: SimpleQueue[bool] = SimpleQueue()

    def work(item: str) -> str:
        if item == "quick":
            return item
        started.put(None)
        stopped.put(team.stop.wait(60))
        raise Stopped

    team: Team[str, str] = Team(work, 2)
    results = team.map(["slow", "quick"])
    next(results)
    started.get(timeout=60)
    results.close()  # type: ignore[attr-defined]

    assert stopped.get(timeout=60)


def test_no_thread_is_left() -> None:
    before = set(threading.enumerate())

    list(Team(lambda n: n, 8).map(range(50)))

    assert before.issuperset(threading.enumerate())


def test_a_single_item_needs_a_single_thread() -> None:
    before = set(threading.enumerate())
    seen: list[int] = []

    list(Team(lambda _: seen.append(len({*threading.enumerate()} - before)), 8).map([0]))

    assert [1] == seen


def test_an_interruptible_call_runs_beside_the_main_thread_only_there() -> None:
    assert threading.main_thread() is not interruptibly(threading.current_thread)

    found: list[bool] = []

    def elsewhere() -> None:
        found.append(threading.current_thread() is interruptibly(threading.current_thread))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()

    assert [True] == found


def test_an_interrupt_that_another_thread_gets_ends_the_call() -> None:
    """As the kernel may choose, or when it comes just before the main thread begins to wait."""
    gate = threading.Event()
    stat = Path(f"/proc/self/task/{threading.get_native_id()}/stat")

    def work() -> None:
        until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "S")
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        gate.wait(90)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interruptibly(work)
    gate.set()

    assert time.monotonic() - began < 60


def test_an_interruptible_call_raises_what_the_work_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        interruptibly(lambda: 1 // 0)
