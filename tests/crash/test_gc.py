"""Killing `gc` anywhere leaves unused objects in two places and nothing else (promise 19, 20)."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.test_races import Stopped, changes, number_of
from tests.support.crash import (
    OBJECT_HOME,
    REMOTE_HOME,
    Picture,
    Runs,
    Scene,
    Trial,
    World,
    added,
    differences,
    digests_of,
    lacking,
    litter,
    md5,
    new_world,
    picture,
    prepare,
    sample,
    settled,
    write_second,
    wrong_objects,
)
from tests.support.crash_model import Disk
from tests.support.programs import our_program
from tests.unit.test_proc import PATIENCE_S

TRASH = f"{OBJECT_HOME}/trash"


def _two_states(world: World) -> None:
    """Both states are in the cache and at the remote; only the second is in use."""
    added(world)
    world.dvc("push", "-q")
    write_second(world)
    world.dvc("add", "-q", "big.bin", "data")
    world.dvc("push", "-q")


def _collected(world: World) -> None:
    _two_states(world)
    world.dvc("gc", "-w", "-f")


SCENES = {
    scene.name: scene
    for scene in (
        Scene("gc", ("gc", "-w", "-f"), _two_states),
        Scene("gc, at once", ("gc", "-w", "-f", "--now"), _two_states),
        Scene("gc, the remote too", ("gc", "-w", "-c", "-f"), _two_states),
        Scene("undo", ("gc", "--undo"), _collected),
        Scene("emptied", ("gc", "--now", "-f"), _collected),
    )
}
KEEPS_ALL = ("gc", "undo")


def trashed(picture: Picture) -> dict[str, bytes]:
    return {
        path.rpartition("/")[2]: thing.data
        for path, thing in picture.things.items()
        if path.startswith(TRASH + "/") and thing.kind == "file"
    }


def in_use(picture: Picture) -> set[str]:
    """What the pointers name, read without the program."""
    stored = picture.objects()
    names = {name for data in picture.pointers().values() for name in digests_of(data)}
    for name in [name for name in names if name.endswith(".dir")]:
        names |= {entry["md5"] for entry in json.loads(stored[name])}
    return names


def unsound(trial: Trial, after: Picture) -> list[str]:
    before = trial.before
    stored, there, old = after.objects(), after.objects(REMOTE_HOME), before.objects()
    found = [*wrong_objects(stored, "cache"), *wrong_objects(there, "remote")]
    found += [*wrong_objects(trashed(after), "trash")]
    for path, data in before.pointers().items():
        found += lacking(path, data, stored)
        found += lacking(path, data, there)
    if before.workspace != after.workspace:
        found += differences(before.workspace, after.workspace)
    if trial.scene.name in KEEPS_ALL:
        gone = (old.keys() | trashed(before)) - stored.keys() - trashed(after).keys()
        found += [f"{name} is neither in the cache nor in the trash" for name in gone]
    for where, objects in (("cache", stored), ("remote", there)):
        for name, data in objects.items():
            if name.endswith(".dir"):
                absent = {entry["md5"] for entry in json.loads(data)} - objects.keys()
                found += [f"{where}: {name} is there without its file {it}" for it in absent]
    return found


def everything_settled(picture: Picture) -> dict[str, object]:
    return {**settled(picture), **{f"trash: {n}": d for n, d in trashed(picture).items()}}


def sweep(trial: Trial, points: list[int], fault: str) -> list[str]:
    found: list[str] = []
    for number in points:
        done = trial.at(fault.format(number))
        told = "'undo' will not know what this command changes" in done.stderr
        what = [] if done.rc or told else [f"it did not notice: {done}"]
        what += unsound(trial, picture(trial.world))
        trial.again()
        after = picture(trial.world)
        what += unsound(trial, after)
        what += [f"then {path} is litter" for path in litter(after)]
        golden, now = everything_settled(trial.golden), everything_settled(after)
        what += [f"then {key}" for key in golden.keys() ^ now.keys()]
        found += [f"{trial.story(number)}: {line}" for line in what[:5]]
    return found


@pytest.mark.parametrize("fault", ["kill@{}", "error@{}:EIO", "term@{}"])
@pytest.mark.parametrize("scene", SCENES)
def test_what_is_in_use_survives_and_the_next_run_does_the_rest(
    scene: str, fault: str, base: Path, runs: Runs
) -> None:
    trial = prepare(SCENES[scene], base, runs, "copy")

    assert [] == sweep(trial, sample(trial.log, 8, len(fault)), fault)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
@pytest.mark.parametrize("scene", SCENES)
def test_a_kill_at_any_point_is_survived(scene: str, kind: str, base: Path, runs: Runs) -> None:
    trial = prepare(SCENES[scene], base, runs, kind)

    assert [] == sweep(trial, list(range(1, trial.points + 1)), "kill@{}")


@pytest.mark.parametrize("scene", KEEPS_ALL)
def test_a_power_loss_takes_no_object(scene: str, base: Path, runs: Runs) -> None:
    trial = prepare(SCENES[scene], base, runs, "copy")
    disk, chance = Disk(trial.kept), random.Random(1)
    moments = set(sample(trial.log, 12, 0))
    found = []
    for number, step in enumerate(trial.log, 1):
        if number in moments:
            for state in disk.after_power_loss(chance):
                found += [f"{trial.story(number)}: {line}" for line in unsound(trial, state)[:2]]
        disk.apply(step, str(trial.world.base))
    for state in disk.after_power_loss(chance):
        found += [f"at the end: {line}" for line in unsound(trial, state)[:2]]
        if everything_settled(state).keys() != everything_settled(trial.golden).keys():
            found.append("at the end: what exit code 0 promised is not there")

    assert [] == found


# -- others at work on the same cache ----


def shared(base: Path, runs: Runs, *names: str) -> list[World]:
    worlds = [new_world(base / name, runs, "copy") for name in names]
    for world in worlds:
        settings = world.repo / ".dvc/config"
        text = f"[cache]\n    dir = {base / 'shared'}\n"
        settings.write_text(settings.read_text().replace("[cache]\n", text))
        (world.repo / ".dvc/pannier.toml").write_text("gc_grace = 0\n")
    return worlds


def stored(base: Path, data: bytes) -> Path:
    name = md5(data)
    return base / "shared/files/md5" / name[:2] / name[2:]


@pytest.mark.parametrize("moment", ["mkdir", "rename"])
def test_gc_waits_for_an_add_of_another_project(moment: str, base: Path, runs: Runs) -> None:
    """Row 20: DVC's gc removes the objects between their arrival and their pointer."""
    adding, collecting = shared(base, runs, "one", "two")
    adding.write("x.bin", b"mine" * 500)
    collecting.write("y.bin", b"theirs")
    collecting.dvc("add", "-q", "y.bin")
    log = changes(adding, "add", "x.bin")
    shutil.rmtree(stored(base, b"mine" * 500).parent)
    last = {"mkdir": "/files/md5/tmp/", "rename": "x.bin.dvc"}[moment]
    stopped = Stopped(adding, number_of(log, moment, last), "add", "x.bin")

    refused = collecting.run("gc", "-w", "-f")
    done = stopped.go_on()

    assert done.rc == 0, str(done)
    assert refused.rc == 255
    assert "Unable to acquire lock" in refused.stderr
    assert stored(base, b"mine" * 500).read_bytes() == b"mine" * 500
    again = collecting.run("gc", "-w", "-f", "-p", str(adding.repo))
    assert again.rc == 0, str(again)
    assert stored(base, b"mine" * 500).exists()


def test_gc_waits_for_an_add_that_found_its_object_there(base: Path, runs: Runs) -> None:
    """Unused until the pointer is written: the object is no new one, and nothing is staged."""
    adding, collecting = shared(base, runs, "one", "two")
    for world in (adding, collecting):
        world.write("x.bin", b"both have it")
    collecting.dvc("add", "-q", "x.bin")
    (collecting.repo / "x.bin.dvc").unlink()
    log = changes(adding, "add", "x.bin")
    stopped = Stopped(adding, number_of(log, "rename", "x.bin.dvc"), "add", "x.bin")

    refused = collecting.run("gc", "-w", "-f")
    done = stopped.go_on()

    assert done.rc == 0, str(done)
    assert refused.rc == 255
    assert "Unable to acquire lock" in refused.stderr
    assert stored(base, b"both have it").read_bytes() == b"both have it"


def test_an_add_waits_for_gc_and_puts_what_gc_took(base: Path, runs: Runs) -> None:
    adding, collecting = shared(base, runs, "one", "two")
    for world in (adding, collecting):
        world.write("x.bin", b"both have it")
    collecting.dvc("add", "-q", "x.bin")
    (collecting.repo / "x.bin.dvc").unlink()
    log = changes(collecting, "gc", "-w", "-f")
    trash = base / "shared/files/md5/trash"
    mark = next(trash.iterdir())
    os.rename(mark / md5(b"both have it"), stored(base, b"both have it"))
    shutil.rmtree(trash)
    stopped = Stopped(collecting, number_of(log, "rename"), "gc", "-w", "-f")
    add = subprocess.Popen([our_program().path, "add", "-q", "x.bin"], cwd=adding.repo)
    with pytest.raises(subprocess.TimeoutExpired):
        add.wait(timeout=1.5)
    done = stopped.go_on()

    assert (0, 0) == (done.rc, add.wait(timeout=PATIENCE_S)), str(done)
    assert stored(base, b"both have it").read_bytes() == b"both have it"


def test_young_objects_of_a_common_cache_stay(base: Path, runs: Runs) -> None:
    """Real DVC adds without our lock: what it put lately, its pointer may not name yet."""
    adding, collecting = shared(base, runs, "one", "two")
    adding.write("x.bin", b"just put")
    adding.dvc("add", "-q", "x.bin")
    (collecting.repo / ".dvc/pannier.toml").unlink()

    careful = collecting.run("gc", "-w", "-f")
    kept = stored(base, b"just put").exists()
    (collecting.repo / ".dvc/pannier.toml").write_text("gc_grace = 0\n")
    careless = collecting.run("gc", "-w", "-f")

    assert (0, 0) == (careful.rc, careless.rc)
    assert kept
    assert "1 object that nothing uses stayed" in careful.stderr
    assert not stored(base, b"just put").exists()


Act = Callable[[World], None]


def _flip(world: World) -> None:
    path = _list_of(world)
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)


def _list_of(world: World) -> Path:
    name = digests_of((world.repo / "data.dvc").read_bytes())[0]
    return world.object(name)


def _cut(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-10])


DOUBTS: dict[str, Act] = {
    "a list with a flipped bit": _flip,
    "a cut list": lambda world: _cut(_list_of(world)),
    "an empty list": lambda world: (_list_of(world).chmod(0o644), _list_of(world).write_bytes(b""))[
        0
    ],
    "no list": lambda world: _list_of(world).unlink(),
    "an empty pointer": lambda world: world.write("data.dvc", b""),
    "a cut pointer": lambda world: _cut(world.repo / "data.dvc"),
    "a pointer that is a link to nothing": lambda world: (
        (world.repo / "data.dvc").unlink(),
        (world.repo / "data.dvc").symlink_to("../elsewhere/data.dvc"),
    )[1],
    "a lock file that is a link to nothing": lambda world: (
        world.write("dvc.yaml", b"stages:\n  s:\n    cmd: x\n    outs: [o]\n"),
        (world.repo / "dvc.lock").symlink_to("../elsewhere/dvc.lock"),
    )[1],
    "a pointer with a conflict": lambda world: world.write("data.dvc", b"<<<<<<< HEAD\nouts:\n"),
    "a pointer with an odd digest": lambda world: world.write(
        "data.dvc", b"outs:\n- md5: ../../x\n  path: data\n  hash: md5\n"
    ),
    "an empty lock file": lambda world: (
        world.write("dvc.yaml", b"stages:\n  s:\n    cmd: x\n    outs: [o]\n"),
        world.write("dvc.lock", b""),
    )[0],
    "an empty pipeline": lambda world: world.write("sub/dvc.yaml", b"stages: [\n"),
}


@pytest.mark.parametrize("options", [("-w", "--now"), ("-w", "--skip-failed", "-c")])
@pytest.mark.parametrize("doubt", DOUBTS)
def test_any_doubt_about_what_is_in_use_stops_it(
    doubt: str, options: tuple[str, ...], base: Path, runs: Runs
) -> None:
    """Row 19: DVC removes all files of a directory whose list is damaged, exit code 0."""
    world = new_world(base / "world", runs, "copy")
    _two_states(world)
    shutil.rmtree(world.remote)
    world.remote.mkdir()
    DOUBTS[doubt](world)
    before = picture(world)

    done = world.run("gc", "-f", *options)

    after = picture(world)
    assert done.rc == 255, str(done)
    assert "Hint: " in done.stderr
    gone = before.objects().keys() - after.objects().keys()
    assert gone <= {_list_of_before(before)}
    assert {} == trashed(after)
    assert before.objects(REMOTE_HOME).keys() == after.objects(REMOTE_HOME).keys()


def _list_of_before(before: Picture) -> str:
    """The damaged list itself is put aside by whoever reads it."""
    found = [digests_of(data) for path, data in before.pointers().items() if "data" in path]
    return found[0][0] if found and found[0] else ""


@pytest.mark.parametrize("doubt", ["a list with a flipped bit", "a cut list", "no list"])
def test_a_list_that_a_remote_has_is_no_doubt(doubt: str, base: Path, runs: Runs) -> None:
    world = new_world(base / "world", runs, "copy")
    _two_states(world)
    used = in_use(picture(world))
    DOUBTS[doubt](world)

    done = world.run("gc", "-w", "-f")

    assert done.rc == 0, str(done)
    assert used == picture(world).objects().keys()
