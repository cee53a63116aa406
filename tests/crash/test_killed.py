"""SIGKILL before each change of a file: nothing is lost, and the next run does the rest (D1-D4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.crash import (
    SCENES,
    Runs,
    Trial,
    Verdict,
    differences,
    faults,
    litter,
    picture,
    prepare,
    sample,
    settled,
)
from tests.support.crash_disks import loop_disk, needs_root

KINDS = ("copy", "hardlink", "symlink")


def try_kills(trial: Trial, points: list[int]) -> Verdict:
    verdict = Verdict()
    for number in points:
        done = trial.at(f"kill@{number}")
        found = [] if done.rc == -9 else [f"was not killed: {done}"]
        found += faults(trial.before, picture(trial.world), trial.golden)
        again = trial.again()
        found += [] if again.rc == 0 else [f"the next run: {again}"]
        after = picture(trial.world)
        found += [f"then {line}" for line in differences(settled(trial.golden), settled(after))]
        found += [f"then {path} is litter" for path in litter(after)]
        verdict.add(trial.story(number), found)
    return verdict


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scene", SCENES)
def test_a_kill_loses_nothing_and_the_next_run_does_the_rest(
    scene: str, kind: str, base: Path, runs: Runs
) -> None:
    trial = prepare(SCENES[scene], base, runs, kind)

    verdict = try_kills(trial, sample(trial.log, 5, KINDS.index(kind)))

    assert [] == verdict.found


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scene", SCENES)
def test_a_kill_at_any_point_loses_nothing_and_the_next_run_does_the_rest(
    scene: str, kind: str, base: Path, runs: Runs
) -> None:
    trial = prepare(SCENES[scene], base, runs, kind)

    verdict = try_kills(trial, list(range(1, trial.points + 1)))

    assert [] == verdict.found


@pytest.mark.parametrize("kind", KINDS)
def test_a_status_changes_nothing(kind: str, base: Path, runs: Runs) -> None:
    trial = prepare(SCENES["status"], base, runs, kind)

    assert settled(trial.before) == settled(trial.golden)


@pytest.mark.long
@pytest.mark.root
@needs_root
@pytest.mark.parametrize("scene", SCENES)
def test_a_kill_with_reflinks_loses_nothing(scene: str, runs: Runs) -> None:
    with loop_disk("xfs") as disk:
        trial = prepare(SCENES[scene], disk.place / "reflinks", runs, "reflink")

        verdict = try_kills(trial, sample(trial.log, 12, 0))

    assert [] == verdict.found
