"""The power of a real disk is cut while the program works; then its journal is replayed (row 3)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.crash import Runs, World, faults, new_world, picture
from tests.support.crash_disks import FILE_SYSTEMS, loop_disk, needs_root
from tests.support.programs import our_program

ROUNDS = 50
"""For each of two file systems and three kinds of links: 300 in all."""
FEW_ROUNDS = 3
FILES = 120
pytestmark = [pytest.mark.root, needs_root]


def fill(world: World, chance: random.Random) -> None:
    for number in range(FILES):
        world.write(f"data/{number % 7}/{number}", chance.randbytes(chance.randrange(1, 9000)))
    world.write("big.bin", chance.randbytes(3 << 20))


def start(world: World, fault: str, log: Path, *args: str) -> subprocess.Popen[bytes]:
    log.unlink(missing_ok=True)
    return subprocess.Popen(
        [our_program().path, *args],
        cwd=world.repo,
        env={
            **os.environ,
            "XDG_CACHE_HOME": str(world.base / "xdg"),
            "PANNIER_FAULT": fault,
            "PANNIER_OPLOG": str(log),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def cut_power(kind: str, link: str, rounds: int, log: Path, runs: Runs, fsync: str) -> list[str]:
    """Shuts the disk down before a random change of `add`; every third time right after its end."""
    chance = random.Random(f"{kind} {link}")
    found: list[str] = []
    count = 2
    with loop_disk(kind) as disk:
        for number in range(rounds):
            world = new_world(disk.place / f"w{number}", runs, link)
            (world.repo / ".dvc/pannier.toml").write_text(f'fsync = "{fsync}"\n')
            fill(world, chance)
            os.sync()
            before = picture(world)
            fault = f"stop@{chance.randrange(1, count)}" if number % 3 else ""
            process = start(world, fault, log, "add", "-q", "big.bin", "data")
            _, status = os.waitpid(process.pid, os.WUNTRACED)
            disk.cut_power()
            to_the_end = not os.WIFSTOPPED(status)  # also where this run changed less than another
            if to_the_end:
                rc = os.waitstatus_to_exitcode(status)
                count = len(log.read_bytes().splitlines())
            else:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            disk.restart()
            after = picture(world)
            found += [f"round {number}: {line}" for line in faults(before, after, None)]
            if to_the_end and (rc, len(after.pointers())) != (0, 2):
                found.append(f"round {number}: exit code {rc}, then {sorted(after.pointers())}")
            again = world.run("add", "-q", "big.bin", "data")
            if again.rc:
                found.append(f"round {number}: then {again}")
            world.remove("repo", "xdg")
    return found


@pytest.mark.parametrize(("kind", "link"), [("ext4", "copy"), ("xfs", "hardlink")])
def test_a_power_loss_takes_nothing(kind: str, link: str, tmp_path: Path, runs: Runs) -> None:
    found = cut_power(kind, link, FEW_ROUNDS, tmp_path / "log", runs, "batch")

    assert [] == found


def test_without_flushing_a_power_loss_is_found_out(tmp_path: Path, runs: Runs) -> None:
    """The test tells good from bad: with `pannier.fsync = none` what was promised is gone."""
    found = cut_power("ext4", "copy", 1, tmp_path / "log", runs, "none")

    assert [] != found


@pytest.mark.long
@pytest.mark.parametrize("link", ["copy", "hardlink", "symlink"])
@pytest.mark.parametrize("kind", FILE_SYSTEMS)
def test_a_power_loss_takes_nothing_that_was_there_or_promised(
    kind: str, link: str, tmp_path: Path, runs: Runs
) -> None:
    rounds = int(os.environ.get("PANNIER_TEST_ROUNDS", ROUNDS))

    found = cut_power(kind, link, rounds, tmp_path / "log", runs, "batch")

    assert [] == found
