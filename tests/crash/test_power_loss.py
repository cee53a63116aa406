"""The power of a real disk is cut while the program works; then its journal is replayed (row 3)."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess

import pytest

from tests.support.crash import Runs, World, faults, new_world, picture
from tests.support.crash_disks import FILE_SYSTEMS, loop_disk, needs_root
from tests.support.programs import our_program

ROUNDS = 30
FILES = 120
pytestmark = [pytest.mark.long, pytest.mark.root, needs_root]


def fill(world: World, chance: random.Random) -> None:
    for number in range(FILES):
        world.write(f"data/{number % 7}/{number}", chance.randbytes(chance.randrange(1, 9000)))
    world.write("big.bin", chance.randbytes(3 << 20))


def start(world: World, *args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [our_program().path, *args],
        cwd=world.repo,
        env={**os.environ, "XDG_CACHE_HOME": str(world.base / "xdg")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.mark.parametrize("link", ["copy", "hardlink", "symlink"])
@pytest.mark.parametrize("kind", FILE_SYSTEMS)
def test_a_power_loss_takes_nothing_that_was_there_or_promised(
    kind: str, link: str, runs: Runs
) -> None:
    rounds = int(os.environ.get("PANNIER_TEST_ROUNDS", ROUNDS))
    chance = random.Random(f"{kind} {link}")
    found: list[str] = []
    with loop_disk(kind) as disk:
        for number in range(rounds):
            world = new_world(disk.place / f"w{number}", runs, link)
            fill(world, chance)
            os.sync()
            before = picture(world)
            process = start(world, "add", "-q", "big.bin", "data")
            pause = chance.uniform(0.1, 1.5)
            try:
                rc: int | None = process.wait(pause)
            except subprocess.TimeoutExpired:
                rc = None
            disk.cut_power()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            disk.restart()
            after = picture(world)
            found += [f"round {number}: {line}" for line in faults(before, after, None)]
            if rc == 0 and len(after.pointers()) != 2:
                found.append(f"round {number}: the exit code was 0, but the pointers are gone")
            again = world.run("add", "-q", "big.bin", "data")
            if again.rc:
                found.append(f"round {number}: then {again}")
            world.remove("repo", "xdg")

    assert [] == found
