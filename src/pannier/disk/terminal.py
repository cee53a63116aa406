"""The terminal: lent to a command as a shell lends it to a job, taken back, and stopping with it.

A command has a process group of its own, so the kernel stops it (SIGTTIN, SIGTTOU) when it wants
the terminal and does not have it. It must never stay so: it is lent the terminal, or we stop as
well and our shell tells the user, or it is ended where there is no shell to do that.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

from pannier.core.record import dataclass
from pannier.core.typed import Any
from pannier.disk import reading

STOP, GO_ON, END = "stop", "go on", "end"
"""What is to be done about a command that was stopped."""


@dataclass(frozen=True, slots=True)
class Row:
    """One process. state: T for one that is stopped, Z or X for a dead one. group, session: ids."""

    state: str
    parent: int
    group: int
    session: int


def rows() -> Iterator[tuple[int, Row]]:
    """All processes that we may see, by their id."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                yield int(name), row_of(int(name))


def row_of(pid: int) -> Row:
    """Raises OSError for one that is gone."""
    stat = reading.read_small(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return Row(stat[0].decode(), int(stat[1]), int(stat[2]), int(stat[3]))


class Terminal:
    """The terminal that controls our session, for one command at a time."""

    def __init__(self, fd: int) -> None:
        self._fd, self._own = fd, os.getpgrp()
        self._borrower = 0
        self._is_shared = _has_peers(self._own)

    def offer(self, group: int) -> None:
        """Lends it to a command that starts, or goes on after a stop, if we have it.

        Others of our own group, as in `dvc repro | less`, may read from it too: then a command
        gets it when it asks.
        """
        if not self._is_shared and self._holder() == self._own:
            self._lend(group)

    def answer(self, group: int, number: int) -> str:
        """What is to be done about a command that a signal stopped: STOP us, let it GO_ON, or END
        it."""
        asks = number in (signal.SIGTTIN, signal.SIGTTOU)
        if asks and self._holder() in (self._own, group):
            self._lend(group)
            return GO_ON
        self.take_back()
        if can_stop():
            return STOP
        return END if asks else GO_ON

    def take_back(self) -> None:
        """Only if it is lent: after a `bg` it belongs to our shell."""
        if self._borrower:
            self._give(self._own)
            self._borrower = 0

    def close(self) -> None:
        os.close(self._fd)

    def _holder(self) -> int:
        try:
            return os.tcgetpgrp(self._fd)
        except OSError:  # it was hung up
            return 0

    def _lend(self, group: int) -> None:
        self._borrower = group
        self._give(group)

    def _give(self, group: int) -> None:
        before: Any = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            with contextlib.suppress(OSError):
                os.tcsetpgrp(self._fd, group)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def controlling() -> Terminal | None:
    """The terminal that controls our session, whatever our streams are; None without one."""
    try:
        return Terminal(os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY))
    except OSError:
        return None


def can_stop() -> bool:
    """Whether somebody would let us go on after a stop: the kernel's rule, that a process of our
    group has its parent in another group of our session. Where that is not so, as under a script
    that went away or in a container, it stops nobody for Ctrl-Z."""
    own, session = os.getpgrp(), os.getsid(0)
    there = dict(rows())
    return any(
        row.group == own
        and (parent := there.get(row.parent)) is not None
        and parent.session == session
        and parent.group != own
        for row in there.values()
    )


def stop_with_group() -> None:
    """Stops us and all of our group until somebody lets them go on; from any thread."""
    own = os.getpgrp()
    for pid, row in rows():
        if row.group == own and pid != os.getpid():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGSTOP)
    stop_us()


def stop_us() -> None:
    """To this thread and not to the process: so it does not get further before it is stopped."""
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def is_stopped(pid: int) -> bool:
    try:
        return row_of(pid).state == "T"
    except OSError:
        return False


def _has_peers(own: int) -> bool:
    """Whether our group has others than us, those that started us, and those that we started."""
    there = dict(rows())

    def line_of(pid: int) -> set[int]:
        found: set[int] = set()
        while pid in there and pid not in found:
            found.add(pid)
            pid = there[pid].parent
        return found

    us = os.getpid()
    before = line_of(us)
    return any(
        row.group == own and pid not in before and us not in line_of(pid)
        for pid, row in there.items()
    )
