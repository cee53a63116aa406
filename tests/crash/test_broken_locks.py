"""Locks without `flock`: of many who find the holder dead one takes its lock (promises 15, 17)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.test_proc import PATIENCE_S

TAKE = """
import errno, fcntl, signal, sys
from pannier.core.errors import LockBusy
from pannier.disk.mutex import {kind}

def no_flock(*_):
    raise OSError(errno.ENOLCK, "no locks here")

signal.alarm(20)
fcntl.flock = no_flock
try:
    with {kind}({path!r}, patience_s=0.3):
        print("held", flush=True)
        sys.stdin.readline()
except LockBusy:
    print("busy", flush=True)
"""


@dataclass(frozen=True)
class Kind:
    """breaks: the number of the change that gives the right to break; left: what stays for good."""

    name: str
    lock: str
    breaks: int
    left: frozenset[str] = frozenset()


KINDS = [
    Kind("LinkLock", "lock", 5),
    Kind("ProjectLock", "lock.claim", 2, frozenset({"lock"})),
]
pytestmark = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


class Taker:
    """A process that takes the lock and holds it until told, or is stopped or killed on the way."""

    def __init__(self, kind: Kind, folder: Path, fault: str = "") -> None:
        program = TAKE.format(kind=kind.name, path=str(folder / "lock"))
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, "PANNIER_FAULT": fault},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if fault.startswith("stop"):
            _, status = os.waitpid(self.process.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def says(self) -> str:
        """What came of it; nothing when it was killed."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> int:
        self.process.communicate("\n", timeout=PATIENCE_S)
        return self.process.returncode


@contextmanager
def taker(kind: Kind, folder: Path, fault: str = "") -> Iterator[Taker]:
    one = Taker(kind, folder, fault)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.communicate(timeout=PATIENCE_S)


@pytest.fixture
def dead(kind: Kind, tmp_path: Path) -> Path:
    """A folder with the lock of a killed process in it."""
    with taker(kind, tmp_path) as one:
        assert "held" == one.says()
    assert os.path.lexists(tmp_path / kind.lock)
    return tmp_path


def test_who_comes_late_does_not_touch_the_lock_of_the_living(kind: Kind, dead: Path) -> None:
    with taker(kind, dead, f"stop@{kind.breaks}") as late, taker(kind, dead) as first:
        assert "held" == first.says()
        before = os.lstat(dead / kind.lock).st_ctime_ns

        late.go_on()
        said = late.says()

        assert "busy" == said
        # A rename there and back would move it.
        assert before == os.lstat(dead / kind.lock).st_ctime_ns
        assert 0 == late.end()
        assert 0 == first.end()
    assert kind.left == set(os.listdir(dead))


@pytest.mark.parametrize("killed", [0, 1, 2])
def test_one_alone_breaks_the_lock_and_leaves_the_right_to_an_heir(
    kind: Kind, killed: int, dead: Path
) -> None:
    for number in range(killed):
        with taker(kind, dead, f"kill@{kind.breaks + number + 1}") as one:
            assert "" == one.says()
    with taker(kind, dead, f"stop@{kind.breaks + killed + 1}") as breaking:
        with taker(kind, dead) as other:
            assert "busy" == other.says()

        breaking.go_on()

        assert "held" == breaking.says()
        assert 0 == breaking.end()
    assert kind.left == set(os.listdir(dead))


def test_who_is_killed_while_breaking_blocks_nobody(kind: Kind, dead: Path) -> None:
    found = []
    for number in range(1, kind.breaks + 6):
        for at in (number, number + 1):
            with taker(kind, dead, f"kill@{at}") as one:
                one.says()
        with taker(kind, dead) as last:
            found.append((number, last.says(), last.end(), set(os.listdir(dead)) - kind.left))
        with taker(kind, dead) as again:
            again.says()

    assert [(number, "held", 0, set()) for number in range(1, kind.breaks + 6)] == found
