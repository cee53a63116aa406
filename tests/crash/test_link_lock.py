"""`core.hardlink_lock`: DVC's other lock, for file systems without `flock` (promises 15 and 17)."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from tests.crash.test_races import Stopped
from tests.support.crash import (
    Runs,
    Scene,
    World,
    differences,
    litter,
    new_world,
    picture,
    prepare,
    sample,
    settled,
    write_first,
)
from tests.support.oracle import Oracle
from tests.support.programs import Program
from tests.support.project import make_project

LOCKED = "Unable to acquire lock"


def _by_links(world: World) -> None:
    write_first(world)
    settings = world.repo / ".dvc/config"
    text = settings.read_text()
    settings.write_text(text.replace("[core]\n", "[core]\n    hardlink_lock = true\n"))


@pytest.fixture
def world(base: Path, runs: Runs) -> World:
    made = new_world(base / "world", runs, "copy")
    _by_links(made)
    (made.repo / ".dvc/tmp").mkdir()
    return made


def claim_as_dvc(world: World, name: str) -> tuple[Path, Path]:
    """Real DVC's way, as it was traced: (its claim, the lock)."""
    claim, lock = world.repo / f".dvc/tmp/{name}.lock", world.repo / ".dvc/tmp/lock"
    claim.write_text(str(claim))
    os.utime(claim, (time.time() + 31536000,) * 2)
    os.link(claim, lock)
    return claim, lock


def in_tmp(world: World) -> set[str]:
    return {path.name for path in (world.repo / ".dvc/tmp").iterdir()} - {"btime", "pannier"}


def test_dvcs_lock_is_respected_and_ours_leaves_nothing(world: World) -> None:
    claim, lock = claim_as_dvc(world, "b75b7c3e6fa0c93a9aa259c4c033ffa9")

    held = world.run("add", "big.bin")
    still = in_tmp(world)
    claim.unlink()
    lock.unlink()
    free = world.run("add", "big.bin")

    assert held.rc != 0
    assert LOCKED in held.stderr
    assert str(lock) in held.stderr
    assert {claim.name, "lock"} == still
    assert free.rc == 0, str(free)
    assert set() == in_tmp(world)


def test_a_second_command_says_who_is_there(world: World) -> None:
    stopped = Stopped(world, 40, "add", "data")

    second = world.run("add", "big.bin")
    first = stopped.go_on()

    assert second.rc != 0
    assert f"on {socket.gethostname()}; if it is gone, remove" in second.stderr
    assert first.rc == 0, str(first)
    assert {"repo/data.dvc"} == picture(world).pointers().keys()


def test_a_killed_holder_blocks_nobody(base: Path, runs: Runs) -> None:
    trial = prepare(Scene("add", ("add", "data"), _by_links), base, runs, "copy")
    found = []
    for number in [*range(1, 9), *sample(trial.log, 6, 0), trial.points - 1, trial.points]:
        trial.at(f"kill@{number}")
        again = trial.again()
        now = picture(trial.world)
        found += [] if again.rc == 0 else [f"{trial.story(number)}: {again}"]
        found += differences(settled(trial.golden), settled(now))
        found += [f"{trial.story(number)}: {path} is litter" for path in litter(now)]
        found += [f"{trial.story(number)}: {name}" for name in in_tmp(trial.world)]

    assert [] == found


@pytest.mark.parametrize("content", ["", " 12345\n"])
def test_a_file_that_flock_was_used_on_blocks_nobody(content: str, world: World) -> None:
    """The setting was changed, and the other kind of lock leaves its file."""
    (world.repo / ".dvc/tmp/lock").write_text(content)

    assert 0 == world.run("add", "big.bin").rc


def test_both_programs_take_it_in_turn(tmp_path: Path, oracle: Oracle, dvc: Program) -> None:
    project = make_project(tmp_path / "project", dvc)
    project.dvc("config", "core.hardlink_lock", "true")
    stage = "stages:\n  s:\n    cmd: echo made > out\n    outs: [out]\n"
    project.write("dvc.yaml", stage)
    for name in "abc":
        project.write(name, name)

    done = [
        dvc("repro", "-q", cwd=project.root, check=False),
        oracle("add", "-q", "a", cwd=project.root, check=False),
        dvc("add", "-q", "b", cwd=project.root, check=False),
        oracle("repro", "-f", "-q", cwd=project.root, check=False),
        dvc("repro", "-f", "-q", cwd=project.root, check=False),
    ]

    assert [0] * 5 == [run.rc for run in done], str(done)
