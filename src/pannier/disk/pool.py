"""Worker processes for work on many files.

Workers are started by exec, never by fork: a network client's threads in this process could not
live in a copy of it. They speak marshal over pipes (numbers, strings and bytes only), import
nothing but `disk` and `core`, and end when their input closes, so none outlives this process.

One call carries a batch of some hundred files. Below a few batches the work is done right here:
starting a worker costs about 20 ms.
"""

from __future__ import annotations

import atexit
import gc
import marshal
import os
import signal
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Any

from pannier.core.errors import PannierError
from pannier.disk import faults, fsio

BATCH = 500
"""Files per call."""

_IN_FLIGHT = 3
_HEAD = struct.Struct("<Q")

Operation = Callable[..., Any]
_Call = tuple[str, str, str, tuple[Any, ...]]
"""(module, flush policy, operation, its arguments)."""


def cpu_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker:
    def __init__(self) -> None:
        source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        program = (
            f"import sys; sys.path.insert(0, {source!r}); "
            "from pannier.disk import pool; pool.serve()"
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
        _write_pipe(self.input.fileno(), _HEAD.pack(len(data)) + data)

    def receive(self) -> tuple[int, Any]:
        size = _HEAD.unpack(_read_exactly(self.output.fileno(), _HEAD.size))[0]
        failed, value = marshal.loads(_read_exactly(self.output.fileno(), size))
        if failed:
            raise _failure(value)
        return self.waiting.popleft(), value

    def stop(self) -> None:
        self.input.close()
        self.output.close()
        self.process.wait()


def _write_pipe(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _read_exactly(fd: int, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        data = os.read(fd, min(size, 1 << 20))
        if not data:
            raise PannierError("a worker process ended before its time")
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


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
        enough = calls if files is None else min(calls, files // BATCH)
        count = min(jobs or cpu_count(), enough // 2)
        self._workers = [] if faults.traced or count < 2 else _hire(count)
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


def serve() -> None:
    """A worker's life: calls in on stdin, results out on stdout, until stdin closes."""
    from importlib import import_module

    gc.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    source, sink = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    calls: SimpleQueue[_Call | None] = SimpleQueue()
    threading.Thread(target=_take_calls, args=(source, calls), daemon=True).start()
    while (message := calls.get()) is not None:
        module_name, policy, operation, call = message
        fsio.set_policy(policy)
        module = sys.modules.get(module_name) or import_module(module_name)
        failed: bool = False
        value: Any
        try:
            value = getattr(module, operation)(*call)
        except OSError as error:
            failed, value = True, ("os", error.errno or 5, error.strerror or "", error.filename)
        except Exception as error:
            failed, value = True, ("other", repr(error), "", "")
        data = marshal.dumps((failed, value))
        _write_pipe(sink, _HEAD.pack(len(data)) + data)
    os._exit(0)


def _take_calls(source: int, calls: SimpleQueue[_Call | None]) -> None:
    """Empties the input at all times: were both sides blocked in a write, neither would go on."""
    while head := os.read(source, _HEAD.size):
        while len(head) < _HEAD.size:
            head += os.read(source, _HEAD.size - len(head))
        calls.put(marshal.loads(_read_exactly(source, _HEAD.unpack(head)[0])))
    calls.put(None)
