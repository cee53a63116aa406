"""Doing many things at once in threads, with results as they come and a quick way out."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar, cast

T = TypeVar("T")
R = TypeVar("R")

_GIVE_UP_S = 2.0
"""So long a closing caller waits for requests under way; the threads are daemons, and a request to
a server that does not answer ends with the process."""

_LISTEN_S = 0.5
"""A signal that comes just before a wait, or to another thread, does not end it: who waits looks up
now and then."""


class Stopped(Exception):
    """The caller no longer wants the results. Raised by work that saw `Team.stop`; never leaves."""


class Team(Generic[T, R]):
    """Threads that call `work` on items. What work raises is raised in the consumer.

    At most `jobs` items are worked on at a time and as many again wait for a free thread or are
    done and not yet taken, so a long iterable is consumed as the work goes on. Threads start when
    there is work for them. For one call of map or map_in_order; items is consumed in the caller's
    thread. Closing the iterator stops: no more items are taken, what waits is dropped, and work
    under way is waited for briefly.
    """

    def __init__(self, work: Callable[[T], R], jobs: int) -> None:
        self.stop = threading.Event()
        """Set when nobody wants the results any more; long work looks at it."""
        self._work = work
        self._jobs = max(1, jobs)
        self._inbox: SimpleQueue[tuple[T, SimpleQueue[_Outcome[R]]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def map(self, items: Iterable[T]) -> Iterator[R]:
        """Yields work(item) in order of completion."""
        outbox: SimpleQueue[_Outcome[R]] = SimpleQueue()
        under_way = 0
        try:
            for item in items:
                self._give(item, outbox)
                under_way += 1
                while under_way >= 2 * self._jobs or (under_way and not outbox.empty()):
                    under_way -= 1
                    yield _next(outbox).value()
            while under_way:
                under_way -= 1
                yield _next(outbox).value()
        finally:
            self._close()

    def map_in_order(self, items: Iterable[T]) -> Iterator[R]:
        """Yields work(item) in the order of the items."""
        slots: deque[SimpleQueue[_Outcome[R]]] = deque()
        try:
            for item in items:
                slots.append(SimpleQueue())
                self._give(item, slots[-1])
                if len(slots) >= 2 * self._jobs:
                    yield _next(slots.popleft()).value()
            while slots:
                yield _next(slots.popleft()).value()
        finally:
            self._close()

    def _give(self, item: T, outbox: SimpleQueue[_Outcome[R]]) -> None:
        self._inbox.put((item, outbox))
        if len(self._threads) < self._jobs:
            thread = threading.Thread(target=self._run, daemon=True)
            thread.start()
            self._threads.append(thread)

    def _run(self) -> None:
        while (given := self._inbox.get()) is not None:
            item, outbox = given
            if self.stop.is_set():
                continue
            try:
                outbox.put(_Outcome(self._work(item)))
            except Stopped:
                pass
            except BaseException as error:
                outbox.put(_Outcome(error=error))

    def _close(self) -> None:
        self.stop.set()
        for _ in self._threads:
            self._inbox.put(None)
        until = time.monotonic() + _GIVE_UP_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))


class _Outcome(Generic[R]):
    def __init__(self, result: R | None = None, error: BaseException | None = None) -> None:
        self._result, self._error = result, error

    def value(self) -> R:
        if self._error is not None:
            raise self._error
        return cast(R, self._result)


def _next(box: SimpleQueue[_Outcome[R]]) -> _Outcome[R]:
    while True:
        try:
            return box.get(timeout=_LISTEN_S)
        except Empty:
            pass


def interruptibly(work: Callable[[], R]) -> R:
    """Calls work so that Ctrl-C ends it at once, though it waits inside a library for a server.

    Signals are noticed by the main thread between two steps of Python only; elsewhere this is a
    plain call.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    team: Team[None, R] = Team(lambda _: work(), 1)
    return next(team.map((None,)))
