"""What tests/support/spread.py promises: what shares something expensive shares a worker."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support.programs import REPOSITORY

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


def test_a_group_and_a_file_are_each_run_by_one_worker(tmp_path: Path) -> None:
    for name, group in (("a", "x"), ("b", "y"), ("c", "x"), ("d", "y")):
        (tmp_path / f"test_{name}.py").write_text(TESTS.format(group=group))
    plain = TESTS.partition("pytestmark")[0] + TESTS.partition("{group}")[2].partition('")')[2]
    for name in ("e", "f"):
        (tmp_path / f"test_{name}.py").write_text(plain)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.support.spread", "-v", "-n2"),
            *("--dist=loadgroup", f"--rootdir={tmp_path}", "-c", "pytest.ini", tmp_path),
        ],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=300,
    )

    ran = re.findall(r"\[(gw\d)\].* PASSED test_(.)\.py::(\w+)", done.stdout)
    assert 6 * 13 == len(ran), done.stdout + done.stderr
    workers = {
        what: {worker for worker, name, test in ran if name in what and ("two" in test) == two}
        for what, two in (("ac", False), ("bd", False), ("e", False), ("f", False), ("ef", True))
    }
    assert {1} == {len(found) for found in workers.values()}, workers
    assert {"gw0", "gw1"} == {worker for worker, _, _ in ran}
