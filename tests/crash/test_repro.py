"""`repro` killed, interrupted or failing at each change of a file, and beside other commands.

After every stop nothing is lost and nothing is half written, `dvc.lock` names only what the cache
has, and the same command again ends where an undisturbed run ends.
"""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.support.crash import (
    FIRST,
    Picture,
    Runs,
    Scene,
    Thing,
    Trial,
    Verdict,
    World,
    differences,
    faults,
    litter,
    picture,
    prepare,
    sample,
    settled,
)

KINDS = ("copy", "hardlink", "symlink")
PATIENCE_S = 30.0
PIPELINE = b"""\
stages:
  big:
    cmd: cp source/big.bin big.bin
    deps: [source/big.bin]
    outs: [big.bin]
  data:
    cmd: >-
      mkdir -p made; cp -R source/data data; wc -c < big.bin > data/size; echo 1 > report.json;
      cp data/size made/size
    deps: [source/data, big.bin]
    outs: [data, made/size]
    metrics: [report.json: {cache: false}]
"""


def write_sources(world: World) -> None:
    world.write("dvc.yaml", PIPELINE)
    for path, data in FIRST.items():
        world.write(f"source/{path}", data)


def change_sources(world: World) -> None:
    world.write("source/big.bin", b"another" * 1000)
    world.write("source/data/a.txt", b"alpha, changed\n")
    world.remove("repo/source/data/gone")


def done(world: World) -> None:
    write_sources(world)
    world.dvc("repro", "-q")


def _changed(world: World) -> None:
    """One output was edited here, and its bytes are nowhere else."""
    done(world)
    change_sources(world)
    world.write("data/a.txt", b"edited by hand\n")
    world.write("data/mine.txt", b"only here\n")


def _known(world: World) -> None:
    """The run cache knows what the commands would make."""
    done(world)
    change_sources(world)
    world.dvc("repro", "-q")
    write_sources(world)


def _run_and_edited(world: World) -> None:
    _changed(world)
    world.dvc("repro", "-q")


def _beside(world: World) -> None:
    """In the folder of an output lies what is no data."""
    _changed(world)
    world.write(".dvcignore", b"*.tmp\n")
    world.write("data/.git/HEAD", b"ref: refs/heads/mine\n")
    world.write("data/sub/x.tmp", b"ignored, and only here\n")


def _run_beside(world: World) -> None:
    _beside(world)
    world.dvc("repro", "-q")


SCENES = {
    scene.name: scene
    for scene in (
        Scene("repro, all new", ("repro",), write_sources),
        Scene("repro, changed", ("repro",), _changed),
        Scene("repro, two at once", ("repro", "-j", "2", "-f"), _changed),
        Scene("repro, known", ("repro",), _known),
        Scene("repro, not committed", ("repro", "--no-commit", "-f"), done),
        Scene("undo of a repro", ("undo",), _run_and_edited),
        Scene("repro, beside data", ("repro",), _beside),
        Scene("undo of a repro, beside data", ("undo",), _run_beside),
    )
}


def lacking(found: Picture) -> list[str]:
    """What `dvc.lock` names and the cache does not have."""
    lock = found.things.get("repo/dvc.lock")
    if lock is None:
        return []
    stages = yaml.safe_load(lock.data)["stages"]
    names = [
        o["md5"]
        for one in stages.values()
        for o in one.get("outs", ())
        if o["path"] != "report.json"
    ]
    stored = found.objects()
    return [f"dvc.lock names {name}, which is nowhere" for name in names if name not in stored]


def records(found: Picture) -> list[str]:
    """Records of the run cache that name what is not there."""
    stored = found.objects()
    wrong = []
    for path, thing in found.things.items():
        is_record = path.startswith("repo/.dvc/cache/runs/") and not path.endswith("-tmp")
        if is_record and thing.kind == "file":
            for out in yaml.safe_load(thing.data)["outs"]:
                if out["md5"] not in stored:
                    wrong.append(f"{path} names {out['md5']}, which is nowhere")
    return wrong


def wrong(trial: Trial, after: Picture) -> list[str]:
    found = [
        line
        for line in faults(trial.before, after, trial.golden)
        # One stage may be recorded and the other not; what a command is writing is its own, and
        # before it begins what it is to write is taken away.
        if not line.startswith("repo/dvc.lock is neither") and not line.endswith(" has no name")
    ]
    if "--no-commit" not in trial.scene.command:
        found += lacking(after)
    return found + records(after)


def placed(found: Picture) -> dict[str, Thing]:
    """What is settled. What Git keeps may be an object of the run cache, too, or a copy of one."""
    return {
        path: replace(thing, linked=False) if path == "repo/report.json" else thing
        for path, thing in settled(found).items()
    }


def try_faults(trial: Trial, action: str, points: list[int], codes: tuple[int, ...]) -> Verdict:
    verdict = Verdict()
    for number in points:
        fault = f"{action}@{number}" if "@" not in action else action.replace("@", f"@{number}:")
        said = trial.at(fault)
        after = picture(trial.world)
        found = wrong(trial, after)
        if codes and said.rc not in codes:
            found.append(f"exit code {said.rc}: {said}")
        if "Traceback" in said.stderr or "unexpected error" in said.stderr:
            found.append(said.stderr)
        if said.rc or trial.scene.command != ("undo",):  # once more, it undoes the undo
            again = trial.again()
            found += [] if again.rc == 0 else [f"the next run: {again}"]
        else:
            trial.world.run("fetch", "-q")  # whoever takes the lock, sweeps
        now = picture(trial.world)
        found += [f"then {line}" for line in differences(placed(trial.golden), placed(now))]
        found += [f"then {path} is litter" for path in litter(now)]
        found += [f"then {line}" for line in records(now)]
        verdict.add(f"{fault}: {trial.story(number)}", found)
    return verdict


ACTIONS = {
    "kill": (-signal.SIGKILL,),
    "int": (252,),
    "term": (-signal.SIGTERM,),
    "error@EIO": (),
    "errors@ENOSPC": (),
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_kill_loses_nothing_and_the_next_run_does_the_rest(
    scene: str, base: Path, runs: Runs
) -> None:
    trial = prepare(SCENES[scene], base, runs, KINDS[list(SCENES).index(scene) % 3])

    verdict = try_faults(trial, "kill", sample(trial.log, 7, 0), ACTIONS["kill"])

    assert [] == verdict.found


@pytest.mark.parametrize("action", ["int", "error@EIO", "errors@ENOSPC"])
def test_what_stops_a_folder_from_making_room_stops_its_stage_and_loses_nothing(
    action: str, base: Path, runs: Runs
) -> None:
    """A command that ran beside what is in its way would be recorded with what it made of that."""
    trial = prepare(SCENES["repro, beside data"], base, runs, "hardlink")
    moves = [n for n, step in enumerate(trial.log, 1) if step[0] == "rename"]
    (at,) = [n for n in moves if ".kept/" in trial.log[n - 1][2]]

    verdict = try_faults(trial, action, list(range(at - 2, at + 3)), ACTIONS[action])

    assert [] == verdict.found


@pytest.mark.parametrize("action", ["int", "term", "error@EIO", "errors@ENOSPC"])
def test_a_signal_or_a_failing_disk_loses_nothing(action: str, base: Path, runs: Runs) -> None:
    trial = prepare(SCENES["repro, changed"], base, runs, "copy")

    verdict = try_faults(trial, action, sample(trial.log, 6, len(action)), ACTIONS[action])

    assert [] == verdict.found


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("scene", SCENES)
def test_a_stop_at_any_point_loses_nothing(
    scene: str, action: str, kind: str, base: Path, runs: Runs
) -> None:
    trial = prepare(SCENES[scene], base, runs, kind)

    verdict = try_faults(trial, action, list(range(1, trial.points + 1)), ACTIONS[action])

    assert [] == verdict.found
