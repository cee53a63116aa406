"""What tests/support/spread.py promises: what shares something expensive shares a worker."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support.programs import REPOSITORY

LIMIT_S = 150

TESTS = """
import pytest

pytestmark = pytest.mark.xdist_group("{group}")

@pytest.mark.parametrize("number", range(12))
def test_it(number):
    pass

@pytest.mark.xdist_group("both")
def test_of_two_groups():
    pass
"""


def run(folder: Path) -> tuple[int, str]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.support.spread", "-v", "-n2"),
            *("--dist=loadgroup", f"--rootdir={folder}", "-c", "pytest.ini", folder),
        ],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    return done.returncode, done.stdout


def test_a_group_and_a_file_are_each_run_by_one_worker(tmp_path: Path) -> None:
    for name, group in (("a", "x"), ("b", "y"), ("c", "x"), ("d", "y")):
        (tmp_path / f"test_{name}.py").write_text(TESTS.format(group=group))
    plain = TESTS.partition("pytestmark")[0] + TESTS.partition("{group}")[2].partition('")')[2]
    for name in ("e", "f"):
        (tmp_path / f"test_{name}.py").write_text(plain)

    _, said = run(tmp_path)

    ran = re.findall(r"\[(gw\d)\].* PASSED test_(.)\.py::(\w+)", said)
    assert 6 * 13 == len(ran), said
    workers = {
        what: {worker for worker, name, test in ran if name in what and ("two" in test) == two}
        for what, two in (("ac", False), ("bd", False), ("e", False), ("f", False), ("ef", True))
    }
    assert {1} == {len(found) for found in workers.values()}, workers
    assert {"gw0", "gw1"} == {worker for worker, _, _ in ran}


DYING = """
import os, time
from pathlib import Path

HERE = Path(__file__).parent
WORKER = os.environ.get("PYTEST_XDIST_WORKER")

def wait_for(name):
    while not HERE.joinpath(name).exists():
        time.sleep(0.01)

def pytest_collection():
    if WORKER == "gw3":
        HERE.joinpath("gw3 begins").touch()
        wait_for("gw2 ran one")
    elif WORKER == "gw2":
        wait_for("gw3 begins")

def pytest_runtest_logfinish():
    HERE.joinpath(f"{WORKER} ran one").touch()
"""


def test_a_new_worker_begins_while_another_one_still_looks_for_its_tests(tmp_path: Path) -> None:
    """Both take the place of one that died."""
    (tmp_path / "conftest.py").write_text(DYING)
    for name in ("a", "b"):
        (tmp_path / f"test_{name}.py").write_text("import os\ndef test_it():\n    os._exit(1)\n")
    for name in ("c", "d"):
        (tmp_path / f"test_{name}.py").write_text("def test_it():\n    pass\n")

    rc, said = run(tmp_path)

    assert 1 == rc, said
    assert "INTERNALERROR" not in said
    assert "2 failed, 2 passed" in said
