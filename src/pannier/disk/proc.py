"""Processes: a stage's command in a process group of its own, and signals for all of the group.

What a command inherits: standard streams, the environment that it is given, and descriptors that
hold its locks, so that a command that outlives us keeps them (docs/durability.md, section 3.6).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from pannier.core.record import dataclass
from pannier.disk import terminal as terminals

_CHUNK = 1 << 16
_PIPE = 1 << 20
_GRACE_S = 10.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended. code: its exit code, -n when signal n ended it. timed_out: we did.
    asked: it waited for the terminal, which nobody could lend it, and we ended it."""

    code: int
    timed_out: bool = False
    asked: bool = False

    @property
    def is_interrupt(self) -> bool:
        """Whether it ended as Ctrl-C ends a program, or a shell whose command that ended."""
        return self.code in (-signal.SIGINT, 128 + signal.SIGINT)


class Processes:
    """The processes that run now. Any thread may start one and wait for it."""

    def __init__(self, *, with_terminal: bool = False, grace_s: float = _GRACE_S) -> None:
        """with_terminal: a process gets the terminal that we have, to read from and for Ctrl-C and
        Ctrl-Z; for one process at a time. grace_s: between being asked to end and being forced."""
        self._grace_s = grace_s
        self._groups: set[int] = set()
        self._lock = threading.RLock()  # a signal's handler may run in the middle of our own code
        self._closed = self._hurried = self._paused = False
        self._terminal = terminals.controlling() if with_terminal else None

    def run(
        self,
        argv: Sequence[str],
        cwd: str,
        env: Mapping[str, str],
        *,
        keep_fds: Sequence[int] = (),
        output: Callable[[bytes], None] | None = None,
        timeout_s: float | None = None,
    ) -> Ended:
        """Runs a program to its end. output: gets what it writes to its standard streams, which
        are ours where there is none; it has no terminal then, also none to open. Raises OSError
        when it cannot be started.
        """
        pipe = subprocess.PIPE if output is not None else None
        with self._lock:
            if self._closed:
                return Ended(-signal.SIGTERM)
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL if pipe else None,
                stdout=pipe,
                stderr=subprocess.STDOUT if pipe else None,
                pass_fds=tuple(keep_fds),
                process_group=None if pipe else 0,
                start_new_session=bool(pipe),  # what opens a terminal there would be stopped
            )
            self._groups.add(process.pid)
        ended: Ended | None = None
        try:
            if self._terminal is not None:
                ended = self._with_terminal(process, self._terminal, timeout_s)
            elif output is not None:
                ended = _reading(process, output, timeout_s, self._grace_s)
            else:
                ended = _waiting(process, timeout_s, self._grace_s)
            return ended
        finally:
            if self._closed or (ended is not None and ended.is_interrupt):
                self._end_rest(process.pid)
            with self._lock:
                self._groups.discard(process.pid)

    def signal(self, number: int) -> None:
        """Sends a signal to every group that runs."""
        with self._lock:
            for group in tuple(self._groups):
                _signal_group(group, number)

    def pause(self) -> None:
        """Stops all that runs, and then us, until somebody lets us go on; for Ctrl-Z that came to
        us. Does nothing where nobody would."""
        if not terminals.can_stop():
            return
        self._paused = True
        try:
            self.signal(signal.SIGSTOP)
            terminals.stop_us()
        finally:
            self.signal(signal.SIGCONT)
            self._paused = False

    def end(self, number: int) -> None:
        """Ends all that runs: by that signal, and by force what is still there after grace_s.

        Nothing can be started any more. Returns when nothing is left.
        """
        self._closed = True
        until = time.monotonic() + self._grace_s
        to_send = [number, signal.SIGCONT]
        while to_send or self._left():
            try:
                while to_send:
                    self.signal(to_send[0])
                    del to_send[0]
                if time.monotonic() > until:
                    self.hurry()
                    until = float("inf")
                time.sleep(0.01)
            except KeyboardInterrupt:  # once more: whoever asks twice does not want to wait
                until = 0.0

    def hurry(self) -> bool:
        """Ends by force what `end` is ending; False when there is nothing such."""
        if not self._closed or not self._left():
            return False
        self._hurried = True
        self.signal(signal.SIGKILL)
        return True

    def close(self) -> None:
        """Ends what may still run after an error."""
        if self._left():
            self.end(signal.SIGTERM)
        if self._terminal is not None:
            self._terminal.close()
            self._terminal = None

    def _left(self) -> bool:
        with self._lock:
            return bool(self._groups)

    def _end_rest(self, group: int) -> None:
        """Waits for what a process that was ended has left in its group: a shell's background jobs
        do not hear an interrupt."""
        until = time.monotonic() + self._grace_s
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGTERM)
            os.killpg(group, signal.SIGCONT)
            while _is_any_alive(group):
                if self._hurried or time.monotonic() > until:
                    os.killpg(group, signal.SIGKILL)
                    break
                time.sleep(0.01)

    def _with_terminal(
        self,
        process: subprocess.Popen[bytes],
        terminal: terminals.Terminal,
        limit_s: float | None,
    ) -> Ended:
        """Waits for a process that may have the terminal; when the user stops it, we stop with
        it."""
        timers: list[threading.Timer] = []
        if limit_s is not None:
            self._later(timers, limit_s, lambda: self._end_late(process.pid, timers))
        terminal.offer(process.pid)
        _signal_group(process.pid, signal.SIGCONT)  # it may have asked before it had it
        asked = False
        try:
            while True:
                _, status = os.waitpid(process.pid, os.WUNTRACED)
                if not os.WIFSTOPPED(status):
                    break
                if self._paused or not terminals.is_stopped(process.pid):
                    continue  # by `pause`, which lets it go on
                answer = terminal.answer(process.pid, os.WSTOPSIG(status))
                if answer == terminals.STOP:
                    terminals.stop_with_group()  # our shell takes over until `fg` or `bg`
                    terminal.offer(process.pid)
                elif answer == terminals.END:
                    asked = True
                    self._end_late(process.pid, timers)
                _signal_group(process.pid, signal.SIGCONT)
        finally:
            for timer in timers:
                timer.cancel()
            terminal.take_back()
        process.returncode = os.waitstatus_to_exitcode(status)
        return Ended(process.returncode, timed_out=len(timers) > 1 and not asked, asked=asked)

    def _end_late(self, group: int, timers: list[threading.Timer]) -> None:
        """Ends a group that took too long; its waiter collects it."""
        self._later(timers, self._grace_s, lambda: _signal_group(group, signal.SIGKILL))
        _signal_group(group, signal.SIGTERM)
        _signal_group(group, signal.SIGCONT)

    def _later(self, timers: list[threading.Timer], after_s: float, do: Callable[[], None]) -> None:
        timer = threading.Timer(after_s, do)
        timer.daemon = True
        timers.append(timer)
        timer.start()


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _is_any_alive(group: int) -> bool:
    """Whether a group has a member that still runs. Dead ones whose parent, often the first
    process of a container, never asks for them do not count."""
    os.killpg(group, 0)
    return any(row.group == group and row.state not in "ZX" for _, row in terminals.rows())


def _waiting(process: subprocess.Popen[bytes], timeout_s: float | None, grace_s: float) -> Ended:
    try:
        return Ended(process.wait(timeout_s))
    except subprocess.TimeoutExpired:
        return _stop(process, grace_s)


def _stop(process: subprocess.Popen[bytes], grace_s: float) -> Ended:
    """Ends a group that took too long."""
    _signal_group(process.pid, signal.SIGTERM)
    _signal_group(process.pid, signal.SIGCONT)
    try:
        code = process.wait(grace_s)
    except subprocess.TimeoutExpired:
        _signal_group(process.pid, signal.SIGKILL)
        code = process.wait()
    _signal_group(process.pid, signal.SIGKILL)
    return Ended(code, timed_out=True)


def _reading(
    process: subprocess.Popen[bytes],
    output: Callable[[bytes], None],
    timeout_s: float | None,
    grace_s: float,
) -> Ended:
    """Reads until the process itself has ended: what it left in the background may hold the pipe
    open for ever."""
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    os.set_blocking(pipe, False)
    until = None if timeout_s is None else time.monotonic() + timeout_s
    watched = os.pidfd_open(process.pid)
    ended: Ended | None = None
    try:
        poller = select.poll()
        poller.register(pipe, select.POLLIN)
        poller.register(watched, select.POLLIN)
        while ended is None:
            left_ms = None if until is None else max(0.0, until - time.monotonic()) * 1000
            ready = dict(poller.poll(left_ms))
            if not ready or (until is not None and time.monotonic() > until):
                ended = _stop(process, grace_s)
            elif watched in ready:
                ended = Ended(process.wait())
            if pipe in ready and not _drain(pipe, output):
                poller.unregister(pipe)
        _drain(pipe, output)
    finally:
        os.close(watched)
        process.stdout.close()
    return ended


def _drain(pipe: int, output: Callable[[bytes], None]) -> bool:
    """Passes on what is there, but no more than a pipe can hold: there may come more and more.
    False at the end of the stream."""
    for _ in range(_PIPE // _CHUNK):
        try:
            data = os.read(pipe, _CHUNK)
        except BlockingIOError:
            return True
        if not data:
            return False
        output(data)
    return True
