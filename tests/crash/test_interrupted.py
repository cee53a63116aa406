"""Ctrl-C and SIGTERM before a change of a file: the known exit, a sound state."""

from __future__ import annotations

import signal
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

ENDS = {"int": 252, "term": -signal.SIGTERM}
WRITING = [name for name in SCENES if name != "status"]


def try_signals(trial: Trial, action: str, points: list[int]) -> Verdict:
    verdict = Verdict()
    for number in points:
        done = trial.at(f"{action}@{number}")
        found = faults(trial.before, picture(trial.world), trial.golden)
        if done.rc != ENDS[action]:
            found.append(f"exit code {done.rc}: {done}")
        if "Traceback" in done.stderr:
            found.append(done.stderr)
        again = trial.again()
        found += [] if again.rc == 0 else [f"the next run: {again}"]
        after = picture(trial.world)
        found += [f"then {line}" for line in differences(settled(trial.golden), settled(after))]
        verdict.add(f"{action} at {trial.story(number)}", found)
    return verdict


@pytest.mark.parametrize("action", ENDS)
@pytest.mark.parametrize("scene", WRITING)
def test_a_signal_ends_the_run_as_told_and_loses_nothing(
    scene: str, action: str, base: Path, runs: Runs
) -> None:
    kind = ("copy", "hardlink", "symlink")[WRITING.index(scene) % 3]
    trial = prepare(SCENES[scene], base, runs, kind)

    verdict = try_signals(trial, action, sample(trial.log, 4, len(action)))

    assert [] == verdict.found


@pytest.mark.parametrize("action", ENDS)
@pytest.mark.parametrize(
    ("scene", "place"), [("add, all new", "/files/md5/tmp/"), ("checkout, nothing there", "/wt-")]
)
def test_a_signal_while_data_is_copied_leaves_none_of_the_copies(
    scene: str, place: str, action: str, base: Path, runs: Runs
) -> None:
    trial = prepare(SCENES[scene], base, runs, "copy")
    copying = [
        number
        for number, step in enumerate(trial.log, 1)
        if step[0] in ("create", "write") and place in step[1] and "probe" not in step[1]
    ]

    done = trial.at(f"{action}@{copying[-1]}")

    assert ENDS[action] == done.rc
    assert [] == litter(picture(trial.world))


@pytest.mark.long
@pytest.mark.parametrize("action", ENDS)
@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
@pytest.mark.parametrize("scene", WRITING)
def test_a_signal_at_any_point_ends_the_run_as_told_and_loses_nothing(
    scene: str, kind: str, action: str, base: Path, runs: Runs
) -> None:
    trial = prepare(SCENES[scene], base, runs, kind)

    verdict = try_signals(trial, action, list(range(1, trial.points + 1)))

    assert [] == verdict.found
