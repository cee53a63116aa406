"""A clock that is wrong decides nothing: neither what changed, nor what is young (row 23)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.crash.test_gc import shared, stored
from tests.support.crash import Runs, World, md5, new_world, picture
from tests.support.odd_machine import Under, clock_shifted
from tests.support.programs import run

BACK = ("-1h", "-365d")
CLOCKS = {
    **{f"{shift}, our own": clock_shifted(shift) for shift in (*BACK, "+365d")},
    **{f"{shift}, the machine's": clock_shifted(shift, stamps_too=True) for shift in BACK},
}


@pytest.fixture(params=CLOCKS)
def clock(request: pytest.FixtureRequest) -> Under:
    found: Under = CLOCKS[request.param]
    return found


@pytest.fixture
def worlds(base: Path, runs: Runs, clock: Under) -> tuple[World, World]:
    """One project, seen by the right clock and by the wrong one."""
    right = new_world(base / "world", runs, "copy")
    return right, World(right.base, clock)


def rewrite(path: Path, data: bytes) -> None:
    """Same size, same time, same file: what an edit looks like to who looks at nothing else."""
    before = path.stat()
    with open(path, "r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_changed_file_is_noticed_whatever_the_clock_says(worlds: tuple[World, World]) -> None:
    right, wrong = worlds
    told = []
    for adding, asking in ((right, wrong), (wrong, right), (wrong, wrong)):
        for edit in (rewrite, Path.write_bytes):
            right.write("x", b"one")
            adding.dvc("add", "-q", "x")
            edit(right.repo / "x", b"two")
            status = asking.run("status")
            asking.dvc("add", "-q", "x")
            if "modified" not in status.stdout:
                told.append(str(status))
            if b"two" != picture(right).objects().get(md5(b"two")):
                told.append("the edit was not stored")
            if "up to date" not in (last := right.run("status")).stdout:
                told.append(str(last))
            right.remove("repo/x", "repo/x.dvc", "repo/.dvc/cache")

    assert [] == told


def test_unsaved_data_is_not_taken_for_saved(worlds: tuple[World, World]) -> None:
    right, wrong = worlds
    right.write("data/x", b"one")
    right.dvc("add", "-q", "data")
    rewrite(right.repo / "data/x", b"two")

    refused = wrong.run("checkout")
    kept = (right.repo / "data/x").read_bytes()
    wrong.dvc("checkout", "--force")

    assert 255 == refused.rc, str(refused)
    assert b"two" == kept
    assert b"one" == (right.repo / "data/x").read_bytes()


def test_what_somebody_just_put_is_flushed_before_a_pointer_names_it(
    worlds: tuple[World, World], tmp_path: Path
) -> None:
    """By a run that was killed before its flush, or by real DVC, which never flushes (D1)."""
    right, wrong = worlds
    right.write("x", b"one")
    path = right.object(md5(b"one"))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"one")

    done = wrong.run("add", "x", log=str(tmp_path / "log"))

    assert done.rc == 0, str(done)
    steps = [line.split("\t")[0] for line in (tmp_path / "log").read_text().splitlines()]
    assert "syncfs" in steps


def test_gc_spares_what_is_young_and_empties_no_fresh_trash(
    base: Path, runs: Runs, clock: Under
) -> None:
    one, two = shared(base, runs, "one", "two")
    for world in (one, two):
        (world.repo / ".dvc/pannier.toml").unlink()
    for world, data in ((one, b"young"), (two, b"other")):
        world.write("x", data)
        world.dvc("add", "-q", "x")
    (one.repo / "x.dvc").unlink()

    done = World(one.base, clock).dvc("gc", "-w", "-f")

    assert "1 object that nothing uses stayed" in done.stderr or "2 objects" in done.stderr
    assert b"young" == stored(base, b"young").read_bytes()
    two.write("x", b"newer")
    two.dvc("add", "-q", "x")
    two.dvc("config", "-q", "pannier.gc_grace", "0")
    two.dvc("gc", "-w", "-f", "-p", str(one.repo))
    two.dvc("config", "-q", "-u", "pannier.gc_grace")
    World(two.base, clock).dvc("gc", "-w", "-f", "-p", str(one.repo))
    two.dvc("gc", "--undo")
    assert b"other" == stored(base, b"other").read_bytes()


def test_the_wrong_clock_is_that_of_workers_too(clock: Under, tmp_path: Path) -> None:
    """Else the tests above would say less than they seem to."""
    program = (
        "import time; from pannier.disk import clock; from pannier.disk.pool import Pool\n"
        "with Pool(clock, 100, 2) as pool:\n"
        "    assert pool._workers\n"
        "    calls = iter([('/proc/nowhere',)] * 8)\n"
        "    times = [ns for _, ns in pool.map('clock_ns', calls)]\n"
        "print(time.time_ns(), *times)\n"
    )

    done = run([*clock.words, sys.executable, "-c", program], env=clock.more, check=True)

    right = run([sys.executable, "-c", "import time; print(time.time_ns())"]).stdout
    times = [int(word) for word in done.stdout.split()]
    assert all(abs(int(right) - ns) > 3000 * 10**9 for ns in times)
