"""Locks: one process at a time, and DVC's own record of busy paths."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pannier.core.errors import LockBusy, PathBusy
from pannier.disk.mutex import ProjectLock, check_not_busy
from tests.support.programs import run
from tests.unit.test_proc import PATIENCE_S

HOLD = """
import sys
from pannier.disk.mutex import ProjectLock
with ProjectLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""
TRY = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
try:
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit(7)
"""


@contextmanager
def held_elsewhere(lock: Path) -> Iterator[subprocess.Popen[str]]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert "held\n" == holder.stdout.readline()
    yield holder
    holder.kill()
    holder.communicate()


def is_locked(lock: Path) -> bool:
    """Whether somebody who only knows flock, as real DVC does, is kept out."""
    return run([sys.executable, "-c", TRY, lock]).rc == 7


def test_the_lock_keeps_others_out_and_is_free_afterwards(tmp_path: Path) -> None:
    lock = tmp_path / "tmp" / "lock"

    with ProjectLock(str(lock)):
        inside = is_locked(lock)

    assert (True, False) == (inside, is_locked(lock))


def test_the_lock_file_holds_the_pid_as_dvc_writes_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("an older and longer text\n")

    with ProjectLock(str(lock)):
        assert f" {os.getpid()}\n" == lock.read_text()


def test_who_does_not_get_the_lock_is_told_who_holds_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with held_elsewhere(lock) as holder, pytest.raises(LockBusy) as caught:
        ProjectLock(str(lock)).__enter__()

    assert str(caught.value).startswith("Unable to acquire lock.")
    assert f"It is held by process {holder.pid}: {sys.executable}" in str(caught.value)


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with held_elsewhere(lock) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()

        with ProjectLock(str(lock)):
            assert f" {os.getpid()}\n" == lock.read_text()


def test_who_waits_gets_the_lock_when_it_becomes_free(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with held_elsewhere(lock) as holder:
        waiting = subprocess.Popen(
            [sys.executable, "-c", HOLD.replace("argv[1])", "argv[1], wait=True)"), lock],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        holder.communicate("done\n")

        out, _ = waiting.communicate("done\n", timeout=PATIENCE_S)

    assert "held\n" == out


def test_without_flock_a_file_stands_in_and_goes_away_again(tmp_path: Path) -> None:
    """Some network file systems know no flock; strace plays one of them."""
    lock = tmp_path / "lock"
    program = f"""
import os, subprocess, sys
from pannier.core.errors import LockBusy
from pannier.disk.mutex import ProjectLock
with ProjectLock({str(lock)!r}):
    print(os.path.lexists({str(lock) + ".claim"!r}))
    try:
        ProjectLock({str(lock)!r}).__enter__()
    except LockBusy:
        print("busy")
"""
    refuse = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=flock:error=ENOLCK"]

    said = run([*refuse, sys.executable, "-c", program], check=True)

    assert ["True", "busy"] == said.lines
    assert ["lock"] == os.listdir(tmp_path)


def test_without_flock_the_claim_of_a_killed_process_does_not_last(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    claim = f"from pannier.disk.mutex import ProjectLock\nwith ProjectLock({str(lock)!r}):\n    "
    refuse = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=flock:error=ENOLCK"]
    killed = run([*refuse, sys.executable, "-c", claim + "import os; os.kill(os.getpid(), 9)"])

    said = run([*refuse, sys.executable, "-c", claim + "print('mine')"])

    assert killed.rc != 0
    assert ["lock"] == os.listdir(tmp_path)
    assert "mine\n" == said.stdout, str(said)


def test_without_flock_the_claim_of_another_machine_stays_and_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    Path(f"{lock}.claim").symlink_to("elsewhere:1234")
    program = f"from pannier.disk.mutex import ProjectLock\nProjectLock({str(lock)!r}).__enter__()"
    refuse = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=flock:error=ENOLCK"]

    said = run([*refuse, sys.executable, "-c", program])

    assert f"It is held by process 1234 on elsewhere; if it is gone, remove '{lock}.claim'" in (
        said.stderr
    )
    assert "elsewhere:1234" == os.readlink(f"{lock}.claim")


# -- the record of busy paths ----


def rwlock(folder: Path, content: Any) -> str:
    path = folder / "rwlock"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def holder(pid: int) -> dict[str, Any]:
    return {"pid": pid, "cmd": "dvc repro"}


@pytest.mark.parametrize("busy", ["/p/data", "/p/data/sub", "/p"])
def test_a_path_that_a_live_process_writes_is_busy_with_all_around_it(
    tmp_path: Path, busy: str
) -> None:
    record = rwlock(tmp_path, {"read": {}, "write": {busy: holder(os.getppid())}})

    with pytest.raises(PathBusy) as caught:
        check_not_busy(record, ["/q", "/p/data"], writing=False)

    assert str(caught.value).startswith("'/p/data' is busy, it is being blocked by:\n")
    assert f"(PID {os.getppid()}): dvc repro" in str(caught.value)


def test_a_path_that_is_read_may_be_read_but_not_written(tmp_path: Path) -> None:
    record = rwlock(tmp_path, {"read": {"/p/data": [holder(os.getppid())]}, "write": {}})

    check_not_busy(record, ["/p/data"], writing=False)
    with pytest.raises(PathBusy):
        check_not_busy(record, ["/p/data"], writing=True)


def test_neighbours_are_not_busy(tmp_path: Path) -> None:
    record = rwlock(tmp_path, {"write": {"/p/data": holder(os.getppid())}})

    check_not_busy(record, ["/p/data2", "/p/dat"], writing=True)


def test_the_dead_and_ourselves_keep_nothing_busy(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    record = rwlock(
        tmp_path, {"write": {"/p/a": holder(gone.pid), "/p/b": holder(os.getpid())}, "read": {}}
    )

    check_not_busy(record, ["/p/a", "/p/b"], writing=True)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        '{"write": {"/p/a": ',
        "[]",
        "null",
        "3",
        {"write": [], "read": None},
        {"write": {"/p/a": 5}, "read": {"/p/a": 5}},
        {"write": {"/p/a": {"pid": "x"}}, "read": {"/p/a": [None, {"pid": None}]}},
        "[" * 200_000,
        "\udcff",
    ],
)
def test_a_torn_record_holds_nothing(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "rwlock"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))

    check_not_busy(str(path), ["/p/a"], writing=True)


def test_no_record_holds_nothing(tmp_path: Path) -> None:
    check_not_busy(str(tmp_path / "none"), ["/p/a"], writing=True)
