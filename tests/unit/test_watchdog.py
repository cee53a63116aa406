"""What tests/support/watchdog.py promises: no test, and nothing around the tests, hangs the run."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.programs import REPOSITORY

LIMIT_S = 150

HANGING = """
import threading, time
import pytest

def for_ever():
    while True:
        try:
            time.sleep(1000)
        except BaseException:
            pass

@pytest.fixture
def unending():
    yield
    for_ever()

@pytest.mark.timeout(2)
@pytest.mark.xdist_group("a")
def test_sleeps():
    time.sleep(1000)

@pytest.mark.timeout(2)
@pytest.mark.xdist_group("a")
def test_hears_nothing():
    for_ever()

@pytest.mark.xdist_group("a")
def test_after_it():
    pass

@pytest.mark.timeout(2)
@pytest.mark.xdist_group("b")
def test_fails_before_it_hangs(unending):
    assert False

@pytest.mark.xdist_group("b")
def test_after_that():
    pass

@pytest.mark.parametrize("number", range(5))
def test_other(number):
    pass
"""


def run(
    folder: Path, conftest: str, tests: str, *options: str, limit_s: float = 30, grace_s: float = 3
) -> tuple[int, str]:
    """limit_s: of a test that has no mark. Also what does nothing needs some time for it, and so
    does a worker that takes the place of another."""
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_it.py").write_text(tests)
    (folder / "pytest.ini").write_text(
        f"[pytest]\ntimeout = {limit_s}\ntimeout_grace = {grace_s}\n"
    )
    plugins = ("-p", "tests.support.spread", "-p", "tests.support.watchdog")
    command = [sys.executable, "-m", "pytest", *plugins, "--tb=short"]
    own = (f"--rootdir={folder}", "-c", "pytest.ini", f"--basetemp={folder}/tmp")
    done = subprocess.run(
        [*command, "-m", "not long", *options, *own, folder],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    return done.returncode, done.stdout


def test_tests_that_hang_fail_with_their_place_and_the_rest_is_run(tmp_path: Path) -> None:
    rc, said = run(tmp_path, "", HANGING, "-n2", "--dist=loadgroup")

    assert 1 == rc, said
    assert "4 failed, 7 passed" in said
    assert "E   Failed: Timeout (>2.0s) from pytest-timeout." in said
    assert "in test_hears_nothing\n" in said
    assert "in unending\n" in said


@pytest.mark.long
def test_workers_that_fall_silent_between_tests_are_ended_with_their_stacks(tmp_path: Path) -> None:
    stuck = """
import time, pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    done = yield
    if "2" in item.nodeid:
        time.sleep(1000)
    return done
"""
    tests = "import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_it(n):\n    pass\n"

    rc, said = run(tmp_path, stuck, tests, "-n2", "--dist=loadgroup", limit_s=5)

    assert 1 == rc, said
    assert "6 passed" in said
    assert "line 8 in pytest_runtest_protocol\n" in said


def test_a_session_that_does_not_end_is_ended(tmp_path: Path) -> None:
    """Whatever it is that does not: here a thread that the interpreter waits for."""
    waits = """
import threading, time

threading.Thread(target=time.sleep, args=(1000,)).start()
"""
    begun = time.monotonic()

    rc, said = run(tmp_path, waits, "def test_it():\n    pass\n", "-n0", grace_s=1.5)

    assert 1 == rc, said
    assert "1 passed" in said
    assert "in _shutdown\n" in said
    assert time.monotonic() - begun < 100
