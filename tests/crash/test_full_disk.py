"""Disks that are full, read-only or somebody else's (rows 12 to 14 and 24)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.crash import (
    FIRST,
    Runs,
    World,
    added,
    faults,
    md5,
    new_world,
    picture,
    write_first,
)
from tests.support.crash_disks import needs_root, small_disk
from tests.support.programs import our_program

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


# -- a second user, and places that are only to be read ----


@pytest.fixture
def others_project(base: Path, runs: Runs) -> World:
    base.chmod(0o755)
    world = new_world(base / "world", runs, "copy")
    world.write("big.bin", FIRST["big.bin"])
    world.dvc("add", "-q", "big.bin")
    world.dvc("push", "-q")
    home = base / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    return world


def as_nobody(world: World, *args: str) -> tuple[int, str]:
    """Runs the program as a user without rights on the project."""
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", our_program().path, *args],
        cwd=world.repo,
        env={
            **os.environ,
            "HOME": str(world.base.parent / "home"),
            "XDG_CACHE_HOME": str(world.base.parent / "home/cache"),
            "XDG_CONFIG_HOME": str(world.base.parent / "home/config"),
            "DVC_GLOBAL_CONFIG_DIR": str(world.base.parent / "home/config/dvc"),
            "DVC_SYSTEM_CONFIG_DIR": str(world.base.parent / "home/etc/dvc"),
            "XDG_CONFIG_DIRS": str(world.base.parent / "home/etc"),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        },
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def can_run_as_nobody() -> bool:
    return (
        subprocess.run(
            ["setpriv", "--reuid=65534", "--clear-groups", our_program().path, "--version"],
            capture_output=True,
        ).returncode
        == 0
    )


needs_second_user = pytest.mark.skipif(
    os.geteuid() != 0 or not can_run_as_nobody(),
    reason="this checkout's Python is not readable by a second user",
)


@needs_second_user
def test_a_project_that_is_only_to_be_read_can_be_looked_at(others_project: World) -> None:
    before = picture(others_project)

    rc, said = as_nobody(others_project, "status")

    assert (0, True) == (rc, "up to date" in said), said
    assert before.workspace == picture(others_project).workspace


@needs_second_user
@pytest.mark.parametrize("command", ["add big.bin", "checkout", "push", "fetch", "pull"])
def test_a_project_that_is_only_to_be_read_says_so(command: str, others_project: World) -> None:
    if command != "add big.bin":
        others_project.remove("repo/.dvc/cache/files/md5/" + md5(FIRST["big.bin"])[:2])
        others_project.remove("repo/big.bin")
    before = picture(others_project)

    rc, said = as_nobody(others_project, *command.split())

    assert rc != 0
    assert "Traceback" not in said
    assert "unexpected error" not in said
    assert before.workspace == picture(others_project).workspace
