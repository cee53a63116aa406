"""Schedule: which stages may start now. Pure but for being told what happened.

A stage may start when all that it needs is over, when there is room for one more, when nobody
holds one of its mutexes, and when what it takes of cpu, memory and gpus is free.
"""

from __future__ import annotations

from collections.abc import Sequence

from pannier.core.errors import PannierError
from pannier.core.graph import Graph
from pannier.core.record import dataclass
from pannier.run.limits import Limits


@dataclass(frozen=True, slots=True)
class Capacity:
    """What there is. jobs: stages at once. gpus: names as CUDA_VISIBLE_DEVICES has them."""

    jobs: int = 1
    cpu: float = 1
    mem_bytes: float = 0
    gpus: tuple[str, ...] = ()


WAITING, RUNNING, DONE, SKIPPED = "waiting", "running", "done", "skipped"


class Schedule:
    """The states of all stages, numbered as in the graph. needs: only those of this run count."""

    def __init__(self, graph: Graph, limits: Sequence[Limits], capacity: Capacity) -> None:
        self._graph, self._limits, self._capacity = graph, limits, capacity
        self.states = [WAITING] * len(graph)
        self._open = [len(needs) for needs in graph.needs]
        self._ready = [number for number, count in enumerate(self._open) if not count]
        self._running: dict[int, tuple[str, ...]] = {}
        self._left = len(graph)

    def check(self, names: Sequence[str]) -> None:
        """Raises PannierError for a stage that asks for more than this machine has."""
        there = self._capacity
        for name, wants in zip(names, self._limits, strict=True):
            for what, asked, has in (
                ("cpu", wants.cpu, there.cpu),
                ("mem", wants.mem_bytes, there.mem_bytes),
                ("gpu", wants.gpu, len(there.gpus)),
            ):
                if asked > has:
                    raise PannierError(
                        f"stage '{name}' asks for {what}: {asked:g}, and there is {has:g} of it",
                        hint="change 'resources' in its 'meta'",
                    )

    @property
    def is_over(self) -> bool:
        return self._left == 0

    @property
    def running(self) -> int:
        return len(self._running)

    def next(self, leave_out: frozenset[int] | set[int] = frozenset()) -> int | None:
        """The first stage that may start, in the order of the graph's numbers; None for none."""
        for number in self._ready:
            if number not in leave_out and self._fits(number):
                return number
        return None

    def start(self, number: int) -> tuple[str, ...]:
        """Marks it as running; returns the gpus that are its own while it does."""
        self._ready.remove(number)
        self.states[number] = RUNNING
        taken = {gpu for those in self._running.values() for gpu in those}
        free = [gpu for gpu in self._capacity.gpus if gpu not in taken]
        own = tuple(free[: self._limits[number].gpu])
        self._running[number] = own
        return own

    def done(self, number: int) -> None:
        """Marks it as over, whether it ran or did not need to: what needs it may start."""
        self._over(number, DONE)
        for other in self._graph.needed_by[number]:
            self._open[other] -= 1
            if not self._open[other] and self.states[other] == WAITING:
                self._ready.append(other)
        self._ready.sort()

    def fail(self, number: int) -> list[int]:
        """Marks it as failed; returns all that need it, which will not start."""
        self._over(number, DONE)
        lost = sorted(self._graph.downstream([number]) - {number})
        found = []
        for other in lost:
            if self.states[other] == WAITING:
                self._over(other, SKIPPED)
                found.append(other)
        return found

    def stop(self) -> None:
        """Nothing more shall start; what runs may end."""
        for number, state in enumerate(self.states):
            if state == WAITING:
                self._over(number, SKIPPED)

    def _over(self, number: int, state: str) -> None:
        self.states[number] = state
        self._running.pop(number, None)
        if number in self._ready:
            self._ready.remove(number)
        self._left -= 1

    def _fits(self, number: int) -> bool:
        there, wants = self._capacity, self._limits[number]
        if len(self._running) >= there.jobs:
            return False
        busy = [self._limits[other] for other in self._running]
        if any(wants.mutex & other.mutex for other in busy):
            return False
        return (
            sum(one.cpu for one in busy) + wants.cpu <= there.cpu
            and sum(one.mem_bytes for one in busy) + wants.mem_bytes <= there.mem_bytes
            and sum(map(len, self._running.values())) + wants.gpu <= len(there.gpus)
        )
