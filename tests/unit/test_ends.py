"""A signal ends the command wherever it finds it."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.support.programs import run

PROGRAM = """
import os, sys, time
from pannier.cli import dispatch

class Ends:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))
        for _ in range(1000):
            pass  # the handler runs here, and what it raises cannot leave this method

try:
    with dispatch._signals():
        Ends()
        time.sleep(20)
    print("never ended")
except KeyboardInterrupt as error:
    print("ended", getattr(error, "number", "by Ctrl-C"))
"""


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGTERM, f"ended {signal.SIGTERM.value}"),
        (signal.SIGHUP, f"ended {signal.SIGHUP.value}"),
        (signal.SIGINT, "ended by Ctrl-C"),
    ],
)
def test_a_signal_that_comes_where_nothing_can_be_raised_ends_the_command_all_the_same(
    number: signal.Signals, said: str
) -> None:
    done = run([sys.executable, "-c", PROGRAM, str(number.value)], check=False)

    assert (done.lines, done.stderr) == ([said], "")
