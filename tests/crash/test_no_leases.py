"""File systems that give no leases (FUSE, some networks): stats alone tell of a writer.

Leases are refused by a filter of system calls, so the disk below is any.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.test_races import KINDS, Stopped, changes, saved_right
from tests.support.crash import (
    FIRST,
    Runs,
    World,
    config,
    faults,
    md5,
    new_world,
    picture,
    sample,
    write_first,
)
from tests.support.odd_machine import F_SETLEASE, without_leases
from tests.support.programs import run

BEFORE, AFTER = b"before" * 700, b"AFTER!" * 700


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, base: Path, runs: Runs) -> World:
    made = new_world(base / "world", runs, request.param)
    (made.repo / ".dvc/config").write_text(config(request.param))
    return made


def test_leases_are_refused_here(tmp_path: Path) -> None:
    """Else the tests below would say less than they seem to."""
    (tmp_path / "x").touch()
    program = f"import fcntl, os; fcntl.fcntl(os.open('x', os.O_RDONLY), {F_SETLEASE}, 0)"
    under = without_leases()

    done = run([*under.words, sys.executable, "-c", program], cwd=tmp_path, env=under.more)

    assert "Invalid argument" in done.stderr


def test_the_whole_road_works(world: World) -> None:
    poor = World(world.base, without_leases())
    write_first(poor)
    for words in (("add", "big.bin", "data"), ("push",), ("status",)):
        poor.dvc(*words)
    poor.remove("repo/.dvc/cache", "repo/big.bin", "repo/data")
    poor.dvc("pull")

    found = picture(poor)

    assert [] == faults(found, found, None)
    assert {f"repo/{path}": data for path, data in FIRST.items()} == found.data()


def in_place(path: Path) -> None:
    if not path.stat().st_mode & 0o200:  # a link to an object by now: its owner cannot write it
        by_another_file(path)
        return
    with open(path, "r+b") as file:
        file.write(AFTER)


def by_another_file(path: Path) -> None:
    path.with_name("new").write_bytes(AFTER)
    os.replace(path.with_name("new"), path)


def with_the_old_time(path: Path) -> None:
    before = path.stat()
    in_place(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("edit", [in_place, by_another_file, with_the_old_time])
def test_a_file_that_is_changed_while_it_is_added_is_noticed(
    edit: Callable[[Path], None], world: World
) -> None:
    """Rows 7 to 9, stopped before one change after the other.

    But for an edit that puts the time back while a link is made: the link itself moves the ctime,
    and only a lease could tell (docs/durability.md, section 5).
    """
    if edit is with_the_old_time and "type = copy" not in (world.repo / ".dvc/config").read_text():
        return
    world.write("x.bin", BEFORE)
    log = changes(world, "add", "x.bin")
    kept = world.base.with_name("kept")
    subprocess.run(["cp", "-a", world.base, kept], check=True)
    told = []
    is_copied = "type = copy" in (world.repo / ".dvc/config").read_text()
    for number in sample(log, 6, len(edit.__name__)):
        shutil.rmtree(world.base)
        subprocess.run(["cp", "-a", kept, world.base], check=True)
        stopped = Stopped(World(world.base, without_leases()), number, "add", "x.bin")
        edit(world.repo / "x.bin")
        done = stopped.go_on()
        status = world.run("status")
        found = picture(world)
        if AFTER != (world.repo / "x.bin").read_bytes():
            told.append(f"{number}: the edit is gone\n{done}")
        pointer = found.pointers().get("x.bin.dvc", found.pointers().get("repo/x.bin.dvc", b""))
        if pointer and md5(AFTER).encode() not in pointer and "x.bin" not in status.stdout:
            told.append(f"{number}: nobody noticed\n{done}\n{status}")
        if done.rc == 0 and not pointer:
            told.append(f"{number}: exit code 0 without a pointer\n{done}")
        if is_copied or edit is by_another_file:  # else a link's own object may be what is edited
            told += [f"{number}: {line}" for line in saved_right(world)]

    assert [] == told
