"""A stage's command: its group, its signals, its output, its time, its terminal."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pannier.disk.proc import Ended, Processes

SHELL = ("/bin/sh", "-c")
PATIENCE_S = 120.0
"""How long is waited for what comes: a busy machine may need many times what this one does."""


def until(reached: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process still runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def at_work_in(folder: Path) -> list[str]:
    """Processes that were started there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended, or is a stranger's
            if process.joinpath("cwd").readlink() == folder:
                found.append(process.name)
    return found


def pid_in(path: Path) -> int:
    until(lambda: path.exists() and path.read_text().endswith("\n"))
    return int(path.read_text())


class Started:
    """One command that runs in a thread."""

    def __init__(self, processes: Processes, line: str, cwd: Path, **more: object) -> None:
        self.ended: list[Ended] = []
        self.written = b""
        self._processes, self._line, self._cwd, self._more = processes, line, cwd, more
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        self.ended.append(
            self._processes.run(
                [*SHELL, self._line], str(self._cwd), dict(os.environ), **self._more
            )  # type: ignore[arg-type]
        )

    def wait(self) -> Ended:
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive(), "it has not ended"
        return self.ended[0]


@pytest.mark.parametrize(
    ("line", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9), ("nosuchcommand", 127)]
)
def test_a_command_ends_with_its_own_code(line: str, code: int, tmp_path: Path) -> None:
    got: list[bytes] = []

    for more in ({}, {"output": got.append}):
        found = Processes().run([*SHELL, line], str(tmp_path), dict(os.environ), **more)  # type: ignore[arg-type]
        assert Ended(code) == found


def test_what_a_command_writes_is_passed_on_whole(tmp_path: Path) -> None:
    got: list[bytes] = []
    line = "head -c 3000000 /dev/zero; echo end >&2"

    ended = Processes().run([*SHELL, line], str(tmp_path), dict(os.environ), output=got.append)

    assert Ended(0) == ended
    assert bytes(3_000_000) + b"end\n" == b"".join(got)


@pytest.mark.parametrize("writes", ["sleep 100", "yes"])
def test_a_background_process_that_keeps_the_pipe_is_not_waited_for(
    writes: str, tmp_path: Path
) -> None:
    got: list[int] = []
    line = f"{writes} & echo $! > pid; echo said"

    ended = Started(Processes(), line, tmp_path, output=lambda data: got.append(len(data))).wait()

    assert Ended(0) == ended
    os.kill(pid_in(tmp_path / "pid"), signal.SIGKILL)


@pytest.mark.parametrize("output", [None, len], ids=["own streams", "read"])
@pytest.mark.parametrize("line", ["sleep 100", "trap '' TERM; sleep 100; sleep 100", "yes >&2"])
def test_a_command_that_takes_too_long_is_ended(
    line: str, output: Callable[[bytes], None] | None, tmp_path: Path
) -> None:
    line = line.replace("yes >&2", "yes" if output else "sleep 100")

    started = Started(Processes(grace_s=0.2), line, tmp_path, output=output, timeout_s=0.3)
    ended = started.wait()

    assert ended.timed_out
    assert ended.code < 0
    until(lambda: not at_work_in(tmp_path))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stubborn", ["", "trap '' INT TERM; "])
def test_an_end_reaches_all_that_a_command_started(
    number: int, stubborn: str, tmp_path: Path
) -> None:
    """A shell's background jobs ignore an interrupt; they are in its group all the same."""
    processes = Processes(grace_s=0.3)
    line = f"{stubborn}sh -c '{stubborn}sleep 100 & echo $! > inner; wait' & echo $$ > outer; wait"
    started = Started(processes, line, tmp_path)
    pids = [pid_in(tmp_path / name) for name in ("inner", "outer")]

    processes.end(number)
    started.wait()

    until(lambda: not any(map(is_alive, pids)))


def test_after_the_end_nothing_is_started(tmp_path: Path) -> None:
    processes = Processes()
    processes.end(signal.SIGINT)

    ended = processes.run([*SHELL, "touch made"], str(tmp_path), dict(os.environ))

    assert ended.code < 0
    assert not (tmp_path / "made").exists()


def test_a_command_stops_and_goes_on_as_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    processes = Processes()
    started = Started(processes, "echo $$ > pid; read line < fifo; touch made", tmp_path)
    pid = pid_in(tmp_path / "pid")
    stat = Path(f"/proc/{pid}/stat")

    processes.signal(signal.SIGSTOP)
    until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
    processes.signal(signal.SIGCONT)
    with open(tmp_path / "fifo", "w") as fifo:
        fifo.write("go\n")

    assert Ended(0) == started.wait()
    assert (tmp_path / "made").exists()
