"""Every mixture of flushed and unflushed changes that a power loss may leave is sound (D1-D3, D7).

The log of one run is followed change by change; see tests/support/crash_model.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.crash.test_gc import trashed
from tests.crash.test_repro import records
from tests.support.crash import (
    FIRST,
    REMOTE_HOME,
    SCENES,
    Picture,
    Runs,
    Scene,
    Trial,
    World,
    added,
    faults,
    picture,
    prepare,
    sample,
    write_first,
)
from tests.support.crash_model import Disk
from tests.support.crash_scenes import KINDS, WAYS, unkept, unrecorded, wrong
from tests.support.sampling import some_of

MOMENTS = 8
Judge = Callable[[Trial, Picture], list[str]]
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


def plainly(trial: Trial, after: Picture) -> list[str]:
    return faults(trial.before, after, None)


def unsound(
    trial: Trial, log: list[list[str]], judge: Judge = plainly, promised: Judge = lasting
) -> list[str]:
    """judge: what no mixture may be at any time. promised: what must last when all is done."""
    disk = Disk(trial.kept)
    chance = random.Random(1)
    found: list[str] = []
    moments = set(sample(log, MOMENTS, 0))
    for number, step in enumerate(log, 1):
        if number in moments:
            for state in disk.after_power_loss(chance):
                what = judge(trial, state)
                if what:
                    found.append(f"{trial.story(number)}: {what[0]}")
                    break
        disk.apply(step, str(trial.world.base))
    for state in disk.after_power_loss(chance):
        what = judge(trial, state) + promised(trial, state)
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


@pytest.mark.parametrize(
    ("way", "kind"),
    some_of([(way, KINDS[at % len(KINDS)]) for at, way in enumerate(WAYS)]),
)
def test_no_mixture_is_unsound_whatever_the_command(
    way: str, kind: str, base: Path, runs: Runs
) -> None:
    trial = prepare(WAYS[way], base, runs, kind)

    found = unsound(
        trial, trial.log, lambda trial, after: wrong(trial, after, power_lost=True), unkept
    )

    assert [] == found


STANDING = b"""\
stages:
  big:
    cmd: "true"
    outs: [big.bin: {persist: true}]
  data:
    cmd: "true"
    deps: [big.bin]
    outs: [data: {persist: true}]
"""


def _standing(world: World) -> None:
    """Commands that write nothing, for the model sees the program's own changes alone."""
    write_first(world)
    world.write("dvc.yaml", STANDING)


@pytest.mark.parametrize("kind", KINDS)
def test_no_mixture_after_a_repro_is_unsound(kind: str, base: Path, runs: Runs) -> None:
    """`dvc.lock` and records of the run cache name what is durable, and outlast exit code 0."""
    trial = prepare(Scene("repro", ("repro",), _standing), base, runs, kind)

    def judge(trial: Trial, after: Picture) -> list[str]:
        return plainly(trial, after) + unrecorded(after) + records(after)

    def promised(trial: Trial, after: Picture) -> list[str]:
        lock = "repo/dvc.lock"
        kept = after.content(lock) == trial.golden.content(lock)
        return lasting(trial, after) + ([] if kept else [f"{lock} is not what was written"])

    assert [] == unsound(trial, trial.log, judge, promised)


def _emptied(world: World) -> None:
    added(world)
    world.remove("repo/big.bin", "repo/data")


def _held(trial: Trial, commands: Sequence[tuple[str, ...]], base: Path) -> list[str]:
    """What of the data a mixture has nowhere, when commands follow the one of the trial."""
    for number, command in enumerate(commands):
        log = base / f"{number}.log"
        done = trial.world.run(*command, log=str(log))
        assert done.rc == 0, str(done)
        lines = log.read_text("utf-8", "surrogateescape").splitlines()
        trial.log += [line.split("\t") for line in lines]
    trial.golden = picture(trial.world)

    def judge(_: Trial, after: Picture) -> list[str]:
        held = {*after.data().values(), *after.objects().values(), *trashed(after).values()}
        return [
            f"{path} is nowhere" for path, data in trial.golden.data().items() if data not in held
        ]

    def promised(_: Trial, after: Picture) -> list[str]:
        found = after.data()
        data = trial.golden.data().items()
        return [f"{path} is not what it was" for path, was in data if found.get(path) != was]

    assert {f"repo/{path}" for path in FIRST} == trial.golden.data().keys()
    return unsound(trial, trial.log, judge, promised)


@pytest.mark.parametrize("kind", KINDS)
def test_data_is_durable_before_destroy_takes_what_it_could_be_made_of(
    kind: str, base: Path, runs: Runs
) -> None:
    """What `checkout` puts in its place is not flushed, for the cache has it; until it is gone."""
    trial = prepare(Scene("checkout", ("checkout",), _emptied), base, runs, kind)

    assert [] == _held(trial, [("destroy", "-f")], base)


@pytest.mark.parametrize("ways", ["-w -f --now", "-w -f, --now -f"])
@pytest.mark.parametrize("kind", KINDS)
def test_data_that_nothing_records_any_more_is_durable_before_its_objects_are_gone(
    kind: str, ways: str, base: Path, runs: Runs
) -> None:
    trial = prepare(Scene("checkout", ("checkout",), _emptied), base, runs, kind)
    commands = [("gc", *way.split()) for way in ways.split(",")]

    found = _held(trial, [("remove", "big.bin.dvc", "data.dvc"), *commands], base)

    assert [] == found
    assert {} == picture(trial.world).objects()


@pytest.mark.parametrize("flush", ["fsync", "fsyncdir"])
def test_without_its_flushes_a_run_is_found_unsound(flush: str, base: Path, runs: Runs) -> None:
    """The model tells good from bad."""
    trial = prepare(SCENES["add, all new"], base, runs, "copy")

    found = unsound(trial, [step for step in trial.log if step[0] not in (flush, "syncfs")])

    assert [] != found
