"""Errors that come late: a disk takes the bytes and fails to flush them (row 13).

Real DVC ends with exit code 0 here, and the cache is gone after the next mount.
"""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from tests.support.crash import Runs, World, faults, new_world, picture
from tests.support.crash_disks import needs_root, thin_disk

pytestmark = [pytest.mark.root, needs_root]

SIZES = {"few": (24, 2 << 20), "many": (2400, 20 << 10)}
"""Up to 32 files are flushed one by one, more with one syncfs."""
CASES = {
    "add": "repo/.dvc/cache",
    "commit -f": "repo/.dvc/cache",
    "fetch": "repo/.dvc/cache",
    "pull": "repo/.dvc/cache",
    "push": "remote",
}
"""By command: the place that lies on the thin disk."""


def write(world: World, count: int, size: int) -> None:
    chance = random.Random(count)
    for number in range(count):
        world.write(f"data/{number % 5}/{number}", chance.randbytes(size))


def make_ready(world: World, command: str, count: int, size: int) -> tuple[str, ...]:
    """Brings the world to where the command has much to write; returns its words."""
    words = tuple(command.split())
    if command == "add":
        write(world, count, size)
        return (*words, "data")
    if command == "commit -f":
        world.write("data/first", b"first")
        world.dvc("add", "-q", "data")
        write(world, count, size)
        return words
    write(world, count, size)
    world.dvc("add", "-q", "data")
    if command in ("fetch", "pull"):
        world.dvc("push", "-q")
        world.remove("repo/.dvc/cache", "repo/data")
    return words


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("command", CASES)
def test_what_a_disk_fails_to_flush_is_told_and_nothing_wrong_gets_a_name(
    command: str, size: str, base: Path, runs: Runs
) -> None:
    world = new_world(base / "world", runs, "copy")
    place = world.base / CASES[command]
    if command == "commit -f":
        # The first state is saved before, and moved to the thin disk.
        words = make_ready(world, command, *SIZES[size])
        place.rename(base / "first")
    else:
        words = make_ready(world, command, *SIZES[size])
    with thin_disk(place) as thin:
        if command == "commit -f":
            subprocess.run(["cp", "-a", f"{base}/first/.", place], check=True)
            subprocess.run(["sync", "-f", place], check=True)
        before = picture(world)
        done = world.run(*words)
        thin.grow()
        after = picture(world)
        again = world.run(*words)
        found = picture(world)

    assert done.rc > 0, str(done)
    assert 1 == done.stderr.count("ERROR: "), str(done)
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr
    assert [] == faults(before, after, None)
    assert before.pointers() == after.pointers()
    assert again.rc == 0, str(again)
    assert [] == faults(before, found, None)


def test_the_thin_disk_takes_what_it_cannot_keep(tmp_path: Path) -> None:
    """Else the tests above would prove nothing."""
    place = tmp_path / "disk"
    with thin_disk(place) as thin:
        (place / "x").write_bytes(random.Random(1).randbytes(60 << 20))
        with open(place / "x", "rb") as file:
            synced = subprocess.run(["sync", "-f", file.name], capture_output=True)
        thin.grow()

    assert synced.returncode != 0
