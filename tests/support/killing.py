"""Runs of the program that are killed in the middle of a transfer, seen by who stands between."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.programs import our_program

_LIMIT_S = 600.0


def killed_when(reached: Callable[[], bool], *args: str, cwd: Path) -> None:
    """Starts our program and kills it, and all that it started, once `reached` says so.

    Raises AssertionError when it ends by itself before.
    """
    process = subprocess.Popen(
        [our_program().path, *args],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    until = time.monotonic() + _LIMIT_S
    ended = False
    try:
        while not ended and not reached():
            ended = process.poll() is not None or time.monotonic() > until
            time.sleep(0.005)
    finally:  # also where the test itself is ended: nothing is left at work
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        said = process.communicate(timeout=60)[0].decode()
    assert not ended, f"it was not in the middle of anything: {process.returncode} {said}"
