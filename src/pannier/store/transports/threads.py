"""Doing many things at once in threads, with results as they come and a quick way out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_GIVE_UP_S = 2.0
"""So long a closing caller waits for requests under way; the threads are daemons, and a request to
a server that does not answer ends with the process."""


class Stopped(Exception):
    """The caller no longer wants the results. Raised by work that saw `Team.stop`; never leaves."""


class Team(Generic[T, R]):
    """Threads that call `work` on items. work's exceptions are raised in the consumer.

    At most `jobs` items are worked on at a time and as many again wait for a free thread, so a
    long iterable is consumed as the work goes on. Threads start when there is work for them.
    """

    def __init__(self, work: Callable[[T], R], jobs: int) -> None:
        self.stop = threading.Event()
        """Set when nobody wants the results any more; long work looks at it."""
        self._work = work
        self._jobs = max(1, jobs)
        self._inbox: SimpleQueue[tuple[T] | None] = SimpleQueue()
        self._outbox: SimpleQueue[tuple[R] | BaseException] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def map(self, items: Iterable[T]) -> Iterator[R]:
        """Yields work(item) in order of completion. items is consumed in the caller's thread.

        Closing the iterator stops: no more items are taken, what waits is dropped, and work under
        way is waited for briefly.
        """
        under_way = 0
        try:
            for item in items:
                self._inbox.put((item,))
                under_way += 1
                if len(self._threads) < min(under_way, self._jobs):
                    self._start_thread()
                while under_way >= 2 * self._jobs or (under_way and not self._outbox.empty()):
                    result = self._take()
                    under_way -= 1
                    yield result
            while under_way:
                result = self._take()
                under_way -= 1
                yield result
        finally:
            self._close()

    def _take(self) -> R:
        result = self._outbox.get()
        if isinstance(result, BaseException):
            raise result
        return result[0]

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _run(self) -> None:
        while (box := self._inbox.get()) is not None:
            if self.stop.is_set():
                continue
            try:
                self._outbox.put((self._work(box[0]),))
            except Stopped:
                pass
            except BaseException as error:
                self._outbox.put(error)

    def _close(self) -> None:
        self.stop.set()
        for _ in self._threads:
            self._inbox.put(None)
        until = time.monotonic() + _GIVE_UP_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))


def interruptibly(work: Callable[[], R]) -> R:
    """Calls work so that Ctrl-C ends it at once, though it waits inside a library for a server.

    Signals are noticed by the main thread between two steps of Python only; elsewhere this is a
    plain call.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    team: Team[None, R] = Team(lambda _: work(), 1)
    return next(team.map((None,)))
