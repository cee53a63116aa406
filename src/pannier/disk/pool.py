"""Worker processes for work on many files.

Workers are started by exec, never by fork: a network client's threads in this process could not
live in a copy of it. They speak marshal over pipes (numbers, strings and bytes only), import
nothing but `disk` and `core`, and end when their input closes, so none outlives this process.

One call carries a batch of some hundred files. Below a few batches the work is done right here:
starting a worker costs about 20 ms.
"""

from __future__ import annotations

import atexit
import marshal
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from pannier.core.errors import PannierError
from pannier.core.typed import Any
from pannier.disk import faults, fsio
from pannier.disk.messages import read_message, write_message

BATCH = 500
"""Files per call."""

_IN_FLIGHT = 3
_workers_wanted: int | None = None
Operation = Callable[..., Any]


def cpu_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_workers(count: int | None) -> None:
    """How many workers a big piece of work gets in this process; None: one for each processor."""
    global _workers_wanted
    _workers_wanted = count


class _Worker:
    def __init__(self) -> None:
        source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        program = (
            f"import sys; sys.path.insert(0, {source!r}); "
            "from pannier.disk import worker; worker.serve()"
        )
        import subprocess  # few commands have enough to do for workers

        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.input, self.output = self.process.stdin, self.process.stdout
        self.waiting: deque[int] = deque()

    def send(self, number: int, message: tuple[Any, ...]) -> None:
        data = marshal.dumps(message)
        self.waiting.append(number)  # before: a worker that could not be told is not kept
        write_message(self.input.fileno(), data)

    def receive(self) -> tuple[int, Any]:
        data = read_message(self.output.fileno())
        if data is None:
            raise PannierError("a worker process ended before its time")
        failed, value = marshal.loads(data)
        if failed:
            raise _failure(value)
        return self.waiting.popleft(), value

    def stop(self) -> None:
        self.input.close()
        self.output.close()
        self.process.wait()


def _failure(value: tuple[Any, ...]) -> BaseException:
    kind, first, second, path = value
    if kind == "os":
        return OSError(first, second, path)
    return PannierError(f"a worker process failed: {first}")


class Pool:
    """Calls functions of one module on batches, here or in workers. Use as a context manager."""

    def __init__(
        self, module: Any, calls: int, jobs: int | None = None, *, files: int | None = None
    ) -> None:
        """module: holds the operations. calls, files: how many are expected; fewer files than
        two batches are done faster right here."""
        self._module = module
        count = _useful(calls if files is None else min(calls, files // BATCH), jobs)
        self._workers = _hire(count) if count else []
        self._failed = False

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        for worker in self._workers:
            if worker.waiting or self._failed or failure is not None:
                worker.process.terminate()  # its answer is not wanted any more, or it is gone
                worker.stop()
            else:
                _idle.append(worker)
        self._workers = []

    def map(self, operation: str, calls: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """Yields (number of the call, result) in order of completion.

        operation: name of a function of the module. Arguments and results hold only what marshal
        knows. An OSError in a worker is raised here.
        """
        if not self._workers:
            function: Operation = getattr(self._module, operation)
            for number, call in enumerate(calls):
                yield number, function(*call)
            return
        try:
            yield from self._spread(operation, calls)
        except BaseException:
            self._failed = True  # no worker of this pool can be trusted to be idle
            raise

    def _spread(
        self, operation: str, calls: Iterable[tuple[Any, ...]]
    ) -> Iterator[tuple[int, Any]]:
        import selectors

        source = enumerate(calls)
        with selectors.DefaultSelector() as selector:
            for worker in self._workers:
                selector.register(worker.output, selectors.EVENT_READ, worker)
            more = True
            while more or any(worker.waiting for worker in self._workers):
                more = more and self._feed(operation, source)
                ready = selector.select(None if any(w.waiting for w in self._workers) else 0)
                for key, _ in ready:
                    yield key.data.receive()

    def _feed(self, operation: str, source: Iterator[tuple[int, tuple[Any, ...]]]) -> bool:
        """Hands out calls until every worker has enough; False when there are no more."""
        for depth in range(1, _IN_FLIGHT + 1):
            for worker in self._workers:
                if len(worker.waiting) >= depth:
                    continue
                following = next(source, None)
                if following is None:
                    return False
                number, call = following
                worker.send(number, (self._module.__name__, fsio.policy, operation, call))
        return True


def _useful(batches: int, jobs: int | None = None) -> int:
    """How many workers are worth their start; 0 when the work is done right here."""
    count = min(jobs or _workers_wanted or cpu_count(), batches // 2)
    return 0 if faults.traced or count < 2 else count


def hire_ahead(files: int) -> None:
    """Starts the workers that so many files will need, while the work is still being planned."""
    count = _useful(files // BATCH)
    if count > len(_idle):
        _idle.extend(_hire(count))


_idle: list[_Worker] = []
"""Workers that wait for more: starting one costs as much as a thousand small files."""


def _hire(count: int) -> list[_Worker]:
    """That many workers, or none where the interpreter cannot be started again."""
    hired: list[_Worker] = []
    while _idle and len(hired) < count:
        worker = _idle.pop()
        if worker.process.poll() is None:
            hired.append(worker)
        else:
            worker.stop()  # somebody ended it meanwhile
    try:
        while len(hired) < count:
            hired.append(_Worker())
    except OSError:
        _idle.extend(hired)
        return []
    return hired


def dismiss() -> None:
    """Ends the waiting workers; at the end of the process they would end by themselves."""
    for worker in _idle:
        worker.input.close()
    while _idle:
        _idle.pop().stop()


atexit.register(dismiss)
