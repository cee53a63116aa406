"""Disks that are full (rows 12 to 14)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.crash import (
    FIRST,
    Runs,
    added,
    faults,
    new_world,
    picture,
    write_first,
)
from tests.support.crash_disks import needs_root, small_disk

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
