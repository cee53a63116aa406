"""A change of a file that fails: exit code 0 only when all is done, else one sentence (row 12)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.crash import (
    OBJECT_HOME,
    REMOTE_HOME,
    SCENES,
    Runs,
    Trial,
    Verdict,
    World,
    differences,
    faults,
    litter,
    new_world,
    picture,
    prepare,
    sample,
    settled,
)
from tests.support.odd_machine import Under
from tests.support.programs import Completed

FAULTS = ("error:EIO", "errors:ENOSPC", "errors:EACCES")
WRITING = [name for name in SCENES if name != "status"]


def not_a_sentence(done: Completed) -> list[str]:
    """What is wrong with the words of a failed run."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    found = []
    if len(lines) != 1:
        found.append(f"{len(lines)} errors are told: {done.stderr!r}")
    if re.search("Traceback|unexpected error|Exception", done.stderr):
        found.append(f"no sentence for a user: {done.stderr!r}")
    return found


def try_errors(trial: Trial, fault: str, points: list[int]) -> Verdict:
    verdict = Verdict()
    action, code = fault.split(":")
    for number in points:
        done = trial.at(f"{action}@{number}:{code}")
        after = picture(trial.world)
        found = faults(trial.before, after, trial.golden)
        if done.rc == 0:
            found += [f"yet: {line}" for line in differences(settled(trial.golden), settled(after))]
        elif done.rc > 0:
            found += not_a_sentence(done)
        else:
            found.append(str(done))
        if trial.scene.command == ("undo",) and done.rc == 0:
            verdict.add(f"{fault} at {trial.story(number)}", found)
            continue  # once more, it would undo the undo
        again = trial.again()
        found += [] if again.rc == 0 else [f"the next run: {again}"]
        after = picture(trial.world)
        found += [f"then {line}" for line in differences(settled(trial.golden), settled(after))]
        found += [f"then {path} is litter" for path in litter(after)]
        verdict.add(f"{fault} at {trial.story(number)}", found)
    return verdict


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scene", WRITING)
def test_a_failing_disk_is_told_and_leaves_the_old_state(
    scene: str, fault: str, base: Path, runs: Runs
) -> None:
    kind = ("copy", "hardlink", "symlink")[(WRITING.index(scene) + FAULTS.index(fault)) % 3]
    trial = prepare(SCENES[scene], base, runs, kind)

    verdict = try_errors(trial, fault, sample(trial.log, 4, FAULTS.index(fault)))

    assert [] == verdict.found


@pytest.mark.long
@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scene", WRITING)
def test_a_disk_that_fails_at_any_point_is_told_and_leaves_the_old_state(
    scene: str, fault: str, kind: str, base: Path, runs: Runs
) -> None:
    trial = prepare(SCENES[scene], base, runs, kind)

    verdict = try_errors(trial, fault, list(range(1, trial.points + 1)))

    assert [] == verdict.found


def test_an_undo_whose_entry_cannot_be_written_is_an_error(base: Path, runs: Runs) -> None:
    """Else the same command again would put back what another one did."""
    trial = prepare(SCENES["undo, of an add"], base, runs, "copy")
    log = [n for n, step in enumerate(trial.log, 1) if "pannier/ops/" in " ".join(step)]

    done = [trial.at(f"error@{number}:EIO") for number in log]

    assert any(one.rc > 0 for one in done)
    assert [] == [str(one) for one in done if "will not know" in one.stderr]


@pytest.mark.parametrize("count", [3, 40], ids=["one by one", "all at once"])
@pytest.mark.parametrize("command", ["add data", "fetch", "push"])
def test_what_only_the_flush_tells_is_told_and_nothing_gets_a_name(
    command: str, count: int, base: Path, runs: Runs
) -> None:
    """Row 13. The system refuses the flush alone; all that was written before and after goes well.

    strace puts the error in. A disk that fails is soon read-only as a whole (test_thin_disk.py).
    """
    world = new_world(base / "world", runs, "copy")
    for number in range(count):
        world.write(f"data/{number}", b"%d" % number)
    if command != "add data":
        world.dvc("add", "-q", "data")
    if command == "fetch":
        world.dvc("push", "-q")
        world.remove("repo/.dvc/cache")
    call = "syncfs" if count > 32 else "fsync"
    strace = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={call}:error=EIO")
    before = picture(world)

    done = World(world.base, Under(strace, {})).run(*command.split())

    after = picture(world)
    again = world.run(*command.split())
    assert done.rc > 0, str(done)
    assert [] == not_a_sentence(done)
    assert before.pointers() == after.pointers()
    for home in (OBJECT_HOME, REMOTE_HOME):
        assert before.objects(home) == after.objects(home)
    assert again.rc == 0, str(again)
