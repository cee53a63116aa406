"""Nothing hangs the run. Loaded by tests/conftest.py as a plugin of pytest.

A test that outstays its limit is failed by pytest-timeout, which raises in it where it stands; the
limit is `timeout` in pyproject.toml or the test's own mark of that name. What that cannot end (a
call that never comes back from C, a teardown, the end of the session) ends with its process, which
first says where all its threads were. Of a worker of xdist only the test at hand is lost then:
another worker goes on with the rest.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest

LONG_LIMIT_S = 2400.0
"""Of a test that is marked long."""
LONGEST_S = 7200.0
"""Of one that says so itself: nobody may have anything to tell for as long when it comes last."""
START_S = 60.0
"""Until the first workers say that they are there."""
_STDERR = pytest.StashKey[int]()
_WATCH = pytest.StashKey["Watch"]()


class Watch:
    """The process's end at a moment, with the stacks of all threads on standard error.

    Works while Python itself stands still. Under pytest's own `faulthandler_timeout` it does not.
    """

    def __init__(self, stderr: int) -> None:
        self._stderr = stderr
        self._end = 0.0

    def end_in(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        faulthandler.dump_traceback_later(seconds, exit=True, file=self._stderr)

    def again(self) -> None:
        """After somebody else took the alarm away."""
        self.end_in(max(1.0, self._end - time.monotonic()))


class Silence(threading.Thread):
    """Over the workers: aborts them, which shows their stacks, when none has said anything."""

    def __init__(self, watch: Watch, patience_s: float, grace_s: float) -> None:
        super().__init__(daemon=True, name="silence")
        self._watch, self._patience_s, self._grace_s = watch, patience_s, grace_s
        self._heard = time.monotonic() + START_S

    def hear(self) -> None:
        self._heard = time.monotonic()
        self._watch.end_in(self._patience_s + self._grace_s)

    def run(self) -> None:
        while True:
            time.sleep(1)
            if time.monotonic() > self._heard + self._patience_s:
                self._heard = time.monotonic()
                for worker in _children():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(worker, signal.SIGABRT)

    def pytest_testnodeready(self) -> None:
        self.hear()

    def pytest_testnodedown(self) -> None:
        self.hear()

    def pytest_runtest_logreport(self) -> None:
        self.hear()


def _children() -> set[int]:
    found = Path("/proc/self/task").glob("*/children")
    return {int(pid) for path in found for pid in path.read_text().split()}


def _limit_s(config: pytest.Config) -> float:
    return float(config.getoption("timeout") or config.getini("timeout"))


def _grace_s(config: pytest.Config) -> float:
    return float(config.getini("timeout_grace"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("timeout_grace", "from a test's limit to the end of its process", default="60")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_STDERR] = os.dup(2)  # while a test runs, 2 is what pytest captures
    config.stash[_WATCH] = watch = Watch(config.stash[_STDERR])
    limit_s = _limit_s(config)
    if config.getoption("dist", "no") != "no":
        only_short = config.getoption("markexpr") == "not long"
        longest_s = limit_s if only_short else max(limit_s, LONGEST_S)
        silence = Silence(watch, longest_s + 2 * _grace_s(config), _grace_s(config))
        config.pluginmanager.register(silence, "silence")
        silence.start()
    watch.end_in(max(START_S, limit_s))  # all that comes before the first test


def pytest_collection_finish() -> None:
    faulthandler.cancel_dump_traceback_later()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("long") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LONG_LIMIT_S))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    marker = item.get_closest_marker("timeout")
    limit_s = marker.args[0] if marker else _limit_s(item.config)
    item.config.stash[_WATCH].end_in(limit_s + _grace_s(item.config))
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """pytest takes the alarm away from a test that has failed; its teardown may hang yet."""
    node.config.stash[_WATCH].again()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """From here to the end of the process: fixtures, threads that are waited for, atexit."""
    session.config.stash[_WATCH].end_in(5 * _grace_s(session.config))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """A worker that is done is there until all are, and then it is ended by xdist."""
    if hasattr(config, "workerinput"):
        faulthandler.cancel_dump_traceback_later()
