"""Disks that are full (rows 12 to 14)."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.crash import (
    FIRST,
    SCENES,
    Picture,
    Runs,
    Thing,
    Trial,
    Verdict,
    added,
    config,
    differences,
    faults,
    litter,
    new_world,
    picture,
    prepare,
    settled,
    write_first,
)
from tests.support.crash_disks import needs_root, small_disk
from tests.support.programs import Completed

pytestmark = [pytest.mark.root, needs_root]
SIZES_KIB = (64, 128, 256, 320, 384, 640)


@pytest.mark.parametrize("size", SIZES_KIB)
def test_add_to_a_full_disk_leaves_the_old_state_and_works_with_more_room(
    size: int, base: Path, runs: Runs
) -> None:
    """The cache is on a small disk of its own."""
    world = new_world(base / "world", runs, "copy")
    write_first(world)
    cache = world.repo / ".dvc/cache"
    cache.mkdir()
    with small_disk(cache, size):
        before = picture(world)
        done = world.run("add", "big.bin", "data")
        after = picture(world)
        subprocess.run(["mount", "-o", "remount,size=8m", cache], check=True)
        again = world.run("add", "big.bin", "data")
        found = picture(world)

    assert [] == faults(before, after, found)
    if done.rc:
        assert "no space left" in done.stderr
        assert "Traceback" not in done.stderr
    else:
        assert before.pointers().keys() != after.pointers().keys()
    assert again.rc == 0, str(again)
    assert {"repo/big.bin.dvc", "repo/data.dvc"} == found.pointers().keys()


def test_checkout_to_a_full_disk_touches_nothing(base: Path, runs: Runs) -> None:
    """The whole project is on a small disk; the cache just fits."""
    with small_disk(base / "disk", 8192):
        world = new_world(base / "disk/world", runs, "copy")
        added(world)
        world.remove("repo/big.bin", "repo/data")
        used = os.statvfs(base / "disk")
        kib = (used.f_blocks - used.f_bfree) * used.f_frsize // 1024
        subprocess.run(["mount", "-o", f"remount,size={kib + 64}k", base / "disk"], check=True)
        done = world.run("checkout")
        after = picture(world)
        subprocess.run(["mount", "-o", f"remount,size={kib + 8192}k", base / "disk"], check=True)
        again = world.run("checkout")
        found = picture(world)

    assert done.rc != 0
    assert "Traceback" not in done.stderr
    assert "repo/big.bin" not in after.workspace
    assert again.rc == 0, str(again)
    assert {f"repo/{name}" for name in FIRST} == found.data().keys()


# -- room is looked at before ----

_STAGED = re.compile(r"/files/md5/tmp/[^/\t]+/\d+(\t|$)|/\.dvc/tmp/pannier/wt-")


def staged(log: Path) -> list[str]:
    """The changes of a run that are on the way of data into the cache or the workspace."""
    return [line for line in log.read_text().splitlines() if _STAGED.search(line)]


def test_add_without_room_for_a_copy_begins_none(base: Path, runs: Runs) -> None:
    world = new_world(base / "world", runs, "copy")
    write_first(world)
    cache = world.repo / ".dvc/cache"
    cache.mkdir()
    with small_disk(cache, 256):
        done = world.run("add", "data", "big.bin", log=str(base / "log"))
        after = picture(world)

    assert done.rc == 1, str(done)
    assert "no space left" in done.stderr
    assert "bytes needed" in done.stderr
    assert [] == staged(base / "log")
    assert {} == after.objects() == after.pointers()


@pytest.mark.parametrize("gone", ["all", "some"])
def test_checkout_without_room_for_the_copies_begins_none(
    gone: str, base: Path, runs: Runs
) -> None:
    """The cache is on another disk."""
    with small_disk(base / "disk", ROOMY_KIB) as place:
        world = new_world(place / "world", runs, "copy")
        settings = config("copy").replace("[cache]\n", f"[cache]\n    dir = {base / 'cache'}\n")
        (world.repo / ".dvc/config").write_text(settings)
        world.write("data/big", bytes(900_000))
        world.write("data/small", b"small")
        world.dvc("add", "-q", "data")
        world.remove("repo/data" if gone == "all" else "repo/data/big")
        before = picture(world).workspace
        resize(place, used_kib(place) + 256)
        done = world.run("checkout", log=str(base / "log"))
        after = picture(world).workspace
        resize(place, ROOMY_KIB)
        again = world.run("checkout")
        found = picture(world).data()

    assert done.rc == 255, str(done)
    assert "bytes needed" in done.stderr
    assert [] == staged(base / "log")
    assert before == after
    assert again.rc == 0, str(again)
    assert {"repo/data/big": bytes(900_000), "repo/data/small": b"small"} == found


def test_unprotect_without_room_for_the_copies_begins_none(base: Path, runs: Runs) -> None:
    with small_disk(base / "disk", ROOMY_KIB) as place:
        world = new_world(place / "world", runs, "hardlink")
        world.write("data/big", bytes(900_000))
        world.dvc("add", "-q", "data")
        before = picture(world).workspace
        resize(place, used_kib(place) + 256)
        done = world.run("unprotect", "data", log=str(base / "log"))
        after = picture(world).workspace

    assert done.rc == 255, str(done)
    assert "bytes needed" in done.stderr
    assert [] == staged(base / "log")
    assert before == after


# -- every command, from no room at all to enough ----

ROOMY_KIB = 64 << 10
WRITING = [name for name in SCENES if name != "status"]


def used_kib(place: Path) -> int:
    found = os.statvfs(place)
    return (found.f_blocks - found.f_bfree) * found.f_frsize // 1024


def resize(place: Path, kib: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={kib}k", place], check=True)


def not_a_sentence(done: Completed) -> list[str]:
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    words = "Traceback" in done.stderr or "unexpected" in done.stderr
    return [str(done)] if len(errors) != 1 or words else []


def _wrong(trial: Trial, after: Picture) -> list[str]:
    return faults(trial.before, after, trial.golden)


def try_rooms(
    trial: Trial,
    place: Path,
    count: int,
    wrong: Callable[[Trial, Picture], list[str]] = _wrong,
    plain: Callable[[Picture], dict[str, Thing]] = settled,
) -> Verdict:
    """Tries the command with some KiB free, a page more each time, or count times in all.

    wrong: what must not be after any of it. plain: what must be the same after all of it.
    """
    verdict = Verdict()
    trial.restore()
    before_kib = used_kib(place)
    trial.again()
    need_kib = max(16, used_kib(place) - before_kib) + 64
    stride = max(4, need_kib // count // 4 * 4)
    for room_kib in range(0, need_kib + stride, stride):
        trial.restore()
        resize(place, used_kib(place) + room_kib)
        done = trial.again()
        resize(place, ROOMY_KIB)
        after = picture(trial.world)
        found = wrong(trial, after)
        if done.rc == 0:
            found += [f"yet: {line}" for line in differences(plain(trial.golden), plain(after))]
        else:
            found += not_a_sentence(done)
        if done.rc or trial.scene.command != ("undo",):  # once more, it undoes the undo
            again = trial.again()
            found += [] if again.rc == 0 else [f"the next run: {again}"]
            after = picture(trial.world)
        found += [f"then {line}" for line in differences(plain(trial.golden), plain(after))]
        found += [f"then {path} is litter" for path in litter(after)]
        verdict.add(f"{trial.scene.name}, {room_kib} KiB free", found)
    return verdict


@pytest.mark.parametrize("scene", WRITING)
def test_a_full_disk_is_told_and_leaves_the_old_state(scene: str, base: Path, runs: Runs) -> None:
    kind = ("copy", "hardlink", "symlink")[WRITING.index(scene) % 3]
    with small_disk(base / "disk", ROOMY_KIB) as place:
        trial = prepare(SCENES[scene], place, runs, kind)

        verdict = try_rooms(trial, place, 5)

    assert [] == verdict.found


@pytest.mark.long
@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
@pytest.mark.parametrize("scene", WRITING)
def test_a_disk_full_at_any_moment_is_told_and_leaves_the_old_state(
    scene: str, kind: str, base: Path, runs: Runs
) -> None:
    with small_disk(base / "disk", ROOMY_KIB) as place:
        trial = prepare(SCENES[scene], place, runs, kind)

        verdict = try_rooms(trial, place, 1000)

    assert [] == verdict.found
