"""Every mixture of flushed and unflushed changes that a power loss may leave is sound (D1-D3, D7).

The log of one run is followed change by change; see tests/support/crash_model.py.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.crash import (
    REMOTE_HOME,
    SCENES,
    Picture,
    Runs,
    Trial,
    faults,
    prepare,
    sample,
)
from tests.support.crash_model import Disk
from tests.support.sampling import some_of

MOMENTS = 8
KINDS = ("copy", "hardlink", "symlink")
WRITING = [name for name in SCENES if name != "status"]


def lasting(trial: Trial, after: Picture) -> list[str]:
    """What a finished command promised and the power loss took."""
    found = []
    if after.pointers() != trial.golden.pointers():
        found.append("a pointer that was written is not there")
    for name in trial.golden.objects() if trial.scene.command[0] != "checkout" else ():
        if name not in after.objects():
            found.append(f"object {name} is not there")
    for name in trial.golden.objects(REMOTE_HOME):
        if name not in after.objects(REMOTE_HOME):
            found.append(f"object {name} is not in the remote")
    return found


def unsound(trial: Trial, log: list[list[str]]) -> list[str]:
    disk = Disk(trial.kept)
    chance = random.Random(1)
    found: list[str] = []
    moments = set(sample(log, MOMENTS, 0))
    for number, step in enumerate(log, 1):
        if number in moments:
            for state in disk.after_power_loss(chance):
                what = faults(trial.before, state, None)
                if what:
                    found.append(f"{trial.story(number)}: {what[0]}")
                    break
        disk.apply(step, str(trial.world.base))
    for state in disk.after_power_loss(chance):
        what = faults(trial.before, state, None) + lasting(trial, state)
        if what:
            found.append(f"{trial.scene.name}, at the end: {what[0]}")
            break
    return found


@pytest.mark.parametrize(
    ("scene", "kind"), some_of([(scene, kind) for scene in WRITING for kind in KINDS])
)
def test_no_mixture_after_a_power_loss_is_unsound(
    scene: str, kind: str, base: Path, runs: Runs
) -> None:
    trial = prepare(SCENES[scene], base, runs, kind)

    found = unsound(trial, trial.log)

    assert [] == found


@pytest.mark.parametrize("flush", ["fsync", "fsyncdir"])
def test_without_its_flushes_a_run_is_found_unsound(flush: str, base: Path, runs: Runs) -> None:
    """The model tells good from bad."""
    trial = prepare(SCENES["add, all new"], base, runs, "copy")

    found = unsound(trial, [step for step in trial.log if step[0] not in (flush, "syncfs")])

    assert [] != found
