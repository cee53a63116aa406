"""What tests/support/warm.py promises: a run in a fork is what a process of its own would be."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.programs import Program, our_program
from tests.support.project import Project
from tests.support.warm import Warm, warm_program


@pytest.fixture
def server() -> Iterator[Warm]:
    with closing(Warm()) as started:
        yield started


@pytest.fixture
def forked(server: Warm) -> Program:
    return warm_program("dvc", server)


def number_of(server: Warm) -> int:
    assert server._server is not None
    return server._server.pid


@pytest.mark.parametrize(
    "words", [["root"], ["status"], ["nonsense"], ["add", "absent"], ["root", "--no"], ["-h"]]
)
def test_a_fork_says_and_returns_what_a_process_does(
    project: Project, forked: Program, words: list[str]
) -> None:
    process = our_program("dvc")

    assert process(*words, env={"COLUMNS": "60"}) == forked(*words, env={"COLUMNS": "60"})


def test_a_fork_has_imported_nothing_that_not_every_run_imports(
    project: Project, tmp_path: Path
) -> None:
    """Else a command that forgot an import would work here, and nowhere else."""
    loaded = "print(*sorted(n for n in sys.modules if n.startswith('pannier')))"
    of_a_run = f"import sys; from pannier.cli import main; main.main(['version']); {loaded}"
    of_the_server = f"import sys; import tests.support.warm_server; {loaded}"
    names = [
        set(
            subprocess.run(
                [sys.executable, "-c", code],
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))},
            )
            .stdout.splitlines()[-1]
            .split()
        )
        for code in (of_the_server, of_a_run)
    ]

    assert "pannier.cli.dispatch" in names[0]
    assert set() == names[0] - names[1]


def test_what_a_fork_cannot_show_is_run_by_itself(
    project: Project, server: Warm, forked: Program
) -> None:
    """Standard input, other settings of Python, and a run beside another."""
    forked("root")
    answered = forked("check-ignore", "--stdin", stdin="x\n")
    other = forked("root", env={"PYTHONUTF8": "1"})
    with server._free:
        beside = forked("root", check=True)

    assert (1, 0, 0) == (answered.rc, other.rc, beside.rc)


def test_a_server_that_died_is_started_again(
    project: Project, server: Warm, forked: Program
) -> None:
    forked("root", check=True)
    os.kill(number_of(server), signal.SIGKILL)

    with pytest.raises((AssertionError, BrokenPipeError)):
        forked("root")
    assert 0 == forked("root").rc


def test_a_run_that_a_signal_ends_says_which(
    project: Project, server: Warm, forked: Program
) -> None:
    forked("root")
    project.dvc("config", "core.checksum_jobs", "1")
    lock = project.root / ".dvc/tmp/lock"
    (project.root / "f").write_text("1")
    ended = []
    with open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waits = threading.Thread(
            target=lambda: ended.append(forked("--wait-for-lock", "add", "f")), daemon=True
        )
        waits.start()
        children = Path(f"/proc/{number_of(server)}/task/{number_of(server)}/children")
        while not (pids := children.read_text().split()):
            pass
        os.kill(int(pids[0]), signal.SIGKILL)
        waits.join(60)

    assert [-signal.SIGKILL] == [done.rc for done in ended]
