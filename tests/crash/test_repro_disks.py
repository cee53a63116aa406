"""`repro` on a disk that is full at any moment, and after a power loss at any moment."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml

from tests.crash.test_full_disk import ROOMY_KIB, try_rooms
from tests.crash.test_repro import KINDS, SCENES, lacking, placed, write_sources, wrong
from tests.support.crash import (
    OPERATIONS,
    Picture,
    Runs,
    Scene,
    Trial,
    World,
    faults,
    prepare,
    sample,
)
from tests.support.crash_disks import needs_root, small_disk
from tests.support.crash_model import Disk

MOMENTS = 5


def odd(trial: Trial, after: Picture) -> list[str]:
    """What is wrong, but for what a command had written when the disk was full."""
    own = ("repo/report.json is neither", "holds bytes that are neither old nor new")
    return [line for line in wrong(trial, after) if not any(part in line for part in own)]


@pytest.mark.root
@needs_root
@pytest.mark.parametrize(
    ("scene", "kind", "count"),
    [("repro, changed", "copy", 5), ("repro, known", "hardlink", 3)]
    + [pytest.param(s, k, 1000, marks=pytest.mark.long) for s in SCENES for k in KINDS],
)
def test_a_full_disk_is_told_and_nothing_of_a_run_is_lost(
    scene: str, kind: str, count: int, base: Path, runs: Runs
) -> None:
    """Commands and we share the disk: now they fail, now we do."""
    with small_disk(base / "disk", ROOMY_KIB) as place:
        trial = prepare(SCENES[scene], place, runs, kind)

        verdict = try_rooms(trial, place, count, odd, placed)

    assert [] == verdict.found


# -- power loss ----

# Copies as the stages of the other scenes do, and tells the log what it does, as we do: whoever
# reads the log must know the bytes of what we link or copy.
COPY = b"""\
import os, sys
log = os.open(os.environ["CRASH_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def tell(*words):
    os.write(log, ("\\t".join(words) + "\\n").encode())

def copy(source, target):
    if os.path.isdir(source):
        os.mkdir(target)
        tell("mkdir", target)
        for name in sorted(os.listdir(source)):
            copy(f"{source}/{name}", f"{target}/{name}")
        return
    with open(source, "rb") as file:
        data = file.read()
    with open(target, "wb") as file:
        file.write(data)
    tell("create", target)
    tell("write", target, data.hex())

copy(*map(os.path.abspath, sys.argv[1:]))
"""
PIPELINE = b"""\
stages:
  big:
    cmd: python3 copy.py source/big.bin big.bin
    deps: [source/big.bin]
    outs: [big.bin]
  data:
    cmd: python3 copy.py source/data data; python3 copy.py report report.json
    deps: [source/data, big.bin, report]
    outs: [data]
    metrics: [report.json: {cache: false}]
"""


def _told(world: World) -> None:
    world.write("dvc.yaml", PIPELINE)
    world.write("copy.py", COPY)
    world.write("report", b"1\n")
    _forget(world)


def _forget(world: World) -> None:
    (world.base.parent / "log").unlink(missing_ok=True)


def _new(world: World) -> None:
    write_sources(world)
    _told(world)


def _changed(world: World) -> None:
    """One output was edited here, and its bytes are nowhere else."""
    _new(world)
    world.dvc("repro", "-q")
    world.write("source/big.bin", b"another" * 1000)
    world.write("source/data/a.txt", b"alpha, changed\n")
    world.remove("repo/source/data/gone")
    world.write("data/a.txt", b"edited by hand\n")
    world.write("data/mine.txt", b"only here\n")
    _forget(world)


def _beside(world: World) -> None:
    """In the folder of an output lies what is no data."""
    _changed(world)
    world.write("data/.git/HEAD", b"ref: refs/heads/mine\n")


TOLD = {
    scene.name: scene
    for scene in (
        Scene("repro, all new", ("repro",), _new),
        Scene("repro, changed", ("repro",), _changed),
        Scene("repro, two at once", ("repro", "-j", "2", "-f"), _changed),
        Scene("repro, beside data", ("repro",), _beside),
    )
}


def names_nothing_else(state: Picture) -> list[str]:
    """The lock file is whole, and the cache has what it names."""
    try:
        return lacking(state)
    except (yaml.YAMLError, TypeError, KeyError) as error:
        return [f"dvc.lock is torn: {error}"]


def unsaid(state: Picture) -> list[str]:
    """Folders that made room and of which the operation log does not say it.

    The model loses all of a file that was added to since its flush; no disk does.
    """
    found = []
    for path, thing in state.things.items():
        if thing.kind == "dir" and path.rpartition("/")[0].endswith(".kept"):
            kept = path.removeprefix(OPERATIONS)
            entry = state.things.get(OPERATIONS + kept.partition(".")[0])
            if entry is not None and not entry.data.strip(b"\0"):
                continue
            if entry is None or f'"kept":"{kept}"'.encode() not in entry.data:
                found.append(f"the log does not say what {path} is")
    return found


def lasting(trial: Trial, after: Picture) -> list[str]:
    """What a finished run promised and the power loss took."""
    found = []
    if after.things.get("repo/dvc.lock") != trial.golden.things["repo/dvc.lock"]:
        found.append("the lock file that was written is not there")
    found += [
        f"object {n} is not there" for n in trial.golden.objects() if n not in after.objects()
    ]
    return found


def unsound(trial: Trial, log: list[list[str]], moments: set[int]) -> list[str]:
    disk = Disk(trial.kept)
    chance = random.Random(1)
    found: list[str] = []
    for number, step in enumerate(log, 1):
        if number in moments:
            for state in disk.after_power_loss(chance):
                what = faults(trial.before, state, None) + names_nothing_else(state)
                what += unsaid(state)
                if what:
                    found.append(f"{trial.story(number)}: {what[0]}")
                    break
        disk.apply(step, str(trial.world.base))
    for state in disk.after_power_loss(chance):
        what = faults(trial.before, state, None) + names_nothing_else(state) + lasting(trial, state)
        if what:
            found.append(f"{trial.scene.name}, at the end: {what[0]}")
            break
    return found


def trial_of(
    scene: str, kind: str, base: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> Trial:
    monkeypatch.setenv("CRASH_LOG", str(base / "log"))
    trial = prepare(TOLD[scene], base, runs, kind)
    made = [step[1] for step in trial.log if step[0] == "create"]
    assert str(trial.world.repo / "data/a.txt") in made  # the commands told what they did
    return trial


@pytest.mark.parametrize(
    ("scene", "kind"), list(zip(TOLD, (*KINDS, "copy"), strict=True)), ids=lambda value: value
)
def test_no_mixture_after_a_power_loss_is_unsound(
    scene: str, kind: str, base: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = trial_of(scene, kind, base, runs, monkeypatch)

    found = unsound(trial, trial.log, set(sample(trial.log, MOMENTS, 0)))

    assert [] == found


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scene", TOLD)
def test_no_mixture_after_a_power_loss_at_any_change_is_unsound(
    scene: str, kind: str, base: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = trial_of(scene, kind, base, runs, monkeypatch)

    found = unsound(trial, trial.log, set(range(1, trial.points + 1)))

    assert [] == found


def test_a_folder_that_makes_room_is_in_the_log_before_it_goes_whenever_the_power_is_lost(
    base: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = trial_of("repro, beside data", "copy", base, runs, monkeypatch)
    moves = [n for n, step in enumerate(trial.log, 1) if step[0] == "rename"]
    (at,) = [n for n in moves if ".kept/" in trial.log[n - 1][2]]

    found = unsound(trial, trial.log, set(range(at - 1, at + 4)))

    assert [] == found


@pytest.mark.parametrize("flush", ["fsync", "fsyncdir"])
def test_without_its_flushes_a_run_is_found_unsound(
    flush: str, base: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model tells good from bad."""
    trial = trial_of("repro, all new", "copy", base, runs, monkeypatch)
    moments = set(sample(trial.log, MOMENTS, 0))

    found = unsound(
        trial, [step for step in trial.log if step[0] not in (flush, "syncfs")], moments
    )

    assert [] != found
