"""File systems that cannot do what ext4 can, or fail in their own ways; clocks that jump."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.crash import FIRST, Runs, World, faults, md5, new_world, picture, write_first
from tests.support.odd_disk import odd_disk
from tests.support.programs import Completed

pytestmark = [pytest.mark.long, pytest.mark.root]
ROAD = (
    ("add", "big.bin", "data"),
    ("push",),
    ("status",),
    ("fetch",),
    ("checkout",),
    ("pull",),
)


def sound(done: Completed) -> list[str]:
    """A run that failed has said so in one sentence."""
    if done.rc == 0:
        return []
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    odd = "Traceback" in done.stderr or "unexpected" in done.stderr
    return [str(done)] if odd or len(errors) != 1 else []


def walk_the_road(world: World, again: int) -> tuple[list[str], list[Completed]]:
    """Everything is added, pushed, lost here and brought back; each step again until it works."""
    found: list[str] = []
    ended = []
    for words in ROAD:
        if words == ("fetch",):
            world.remove("repo/.dvc/cache", "repo/big.bin", "repo/data")
        for _ in range(again):
            before = picture(world)
            done = world.run(*words)
            found += sound(done) + faults(before, picture(world), None)
            if done.rc == 0:
                break
        ended.append(done)
    return found, ended


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink", "reflink,copy"])
@pytest.mark.parametrize("habits", [("no-links",), ("coarse",), ("no-links", "coarse", "caseless")])
def test_the_whole_road_on_a_poor_file_system(
    habits: tuple[str, ...], kind: str, base: Path, runs: Runs
) -> None:
    with odd_disk(base / "disk", *habits) as place:
        world = new_world(place / "world", runs, kind)
        write_first(world)
        found, ended = walk_the_road(world, 1)
        after = picture(world).data()

    assert [] == found
    assert [0] * len(ROAD) == [done.rc for done in ended], str(ended)
    assert {f"repo/{path}": data for path, data in FIRST.items()} == after


def test_the_whole_road_where_handles_go_stale(base: Path, runs: Runs) -> None:
    with odd_disk(base / "disk", "stale") as place:
        world = new_world(place / "world", runs, "copy")
        write_first(world)
        found, ended = walk_the_road(world, 12)
        after = picture(world).data()

    assert [] == found
    assert [0] * len(ROAD) == [done.rc for done in ended], str(ended)
    assert {f"repo/{path}": data for path, data in FIRST.items()} == after


def test_an_error_on_close_is_told_and_nothing_gets_a_name(base: Path, runs: Runs) -> None:
    """As network file systems tell late that a write failed; only the cache lies there."""
    world = new_world(base / "world", runs, "copy")
    write_first(world)
    with odd_disk(world.repo / ".dvc/cache", "close-error"):
        before = picture(world)
        done = world.run("add", "big.bin", "data")
        after = picture(world)

    assert done.rc > 0, str(done)
    assert [] == sound(done)
    assert [] == faults(before, after, None)
    assert {} == after.pointers()


def test_an_edit_within_two_seconds_is_noticed_where_times_are_coarse(
    base: Path, runs: Runs
) -> None:
    found = []
    with odd_disk(base / "disk", "coarse") as place:
        world = new_world(place / "world", runs, "copy")
        for number in range(6):
            world.write("x", b"%03d" % number)
            world.dvc("add", "-q", "x")
            with open(world.repo / "x", "r+b") as file:
                file.write(b"%03d" % (number + 500))
            status = world.run("status")
            if "modified" not in status.stdout:
                found.append(number)
            world.dvc("add", "-q", "x")
            edited = b"%03d" % (number + 500)
            if picture(world).objects().get(md5(edited)) != edited:
                found.append(-number)

    assert [] == found
