"""Damaged and lost objects: never given out, uploaded or linked; put aside and named (D2)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.crash import (
    FIRST,
    REMOTE_HOME,
    Runs,
    World,
    added,
    md5,
    new_world,
    picture,
    wrong_objects,
)

KINDS = ("copy", "hardlink", "symlink")
GOOD = FIRST["data/a.txt"]
NAME = md5(GOOD)


def flip(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "flipped bit": flip,
    "cut": lambda data: data[: len(data) // 2],
    "emptied": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "another object's bytes": lambda data: FIRST["data/b.txt"][: len(data)].ljust(len(data)),
}


def damage(path: Path, how: str) -> None:
    """Changes an object as a bad disk would: same name, mode and mtime, and maybe same size."""
    before = path.stat()
    data = DAMAGES[how](path.read_bytes())
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def ready(base: Path, runs: Runs, kind: str) -> World:
    """Saved and pushed, and nothing in the workspace."""
    world = new_world(base / "world", runs, kind)
    added(world)
    world.dvc("push", "-q")
    world.remove("repo/big.bin", "repo/data")
    return world


def given_out(world: World) -> list[str]:
    """User's files that hold something else than what was added."""
    found = picture(world)
    return [
        path
        for path, data in found.data().items()
        if FIRST.get(path.removeprefix("repo/")) not in (None, data)
    ]


def is_put_aside(world: World) -> bool:
    """The damaged bytes are in quarantine, not under the digest."""
    aside = list(world.store.glob(f"quarantine/{NAME}*"))
    return bool(aside) and not list(wrong_objects(picture(world).objects(), "cache"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", DAMAGES)
def test_checkout_gives_out_no_damaged_object_and_names_it(
    how: str, kind: str, base: Path, runs: Runs
) -> None:
    world = ready(base, runs, kind)
    damage(world.object(NAME), how)

    done = world.run("checkout")

    assert done.rc != 0
    assert NAME in done.stderr
    assert [] == given_out(world)
    assert is_put_aside(world)


@pytest.mark.parametrize("how", DAMAGES)
def test_push_uploads_no_damaged_object_and_names_it(how: str, base: Path, runs: Runs) -> None:
    world = ready(base, runs, "copy")
    world.remove("remote")
    world.remote.mkdir()
    damage(world.object(NAME), how)

    done = world.run("push")

    assert done.rc != 0
    assert NAME in done.stderr
    there = picture(world).objects(REMOTE_HOME)
    assert NAME not in there
    assert [] == [name for name in there if name.endswith(".dir")]
    assert is_put_aside(world)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", DAMAGES)
def test_pull_takes_no_damaged_object_from_the_remote(
    how: str, kind: str, base: Path, runs: Runs
) -> None:
    world = ready(base, runs, kind)
    world.remove("repo/.dvc/cache")
    damage(world.object(NAME, REMOTE_HOME), how)

    done = world.run("pull")

    assert done.rc != 0
    assert NAME in done.stderr
    assert [] == given_out(world)
    assert [] == list(wrong_objects(picture(world).objects(), "cache"))


@pytest.mark.parametrize("how", DAMAGES)
def test_remove_takes_no_data_whose_object_is_damaged(how: str, base: Path, runs: Runs) -> None:
    """D5: what stands in the workspace may be the last good copy."""
    world = new_world(base / "world", runs, "copy")
    added(world)
    damage(world.object(NAME), how)

    done = world.run("remove", "--outs", "data.dvc")

    assert done.rc != 0
    assert "data/a.txt" in done.stderr
    assert GOOD == (world.repo / "data/a.txt").read_bytes()
    assert (world.repo / "data.dvc").exists()


@pytest.mark.parametrize("how", DAMAGES)
def test_undo_changes_nothing_when_an_object_that_it_needs_is_damaged(
    how: str, base: Path, runs: Runs
) -> None:
    """Promise 29: all or nothing."""
    world = new_world(base / "world", runs, "copy")
    added(world)
    world.dvc("remove", "--outs", "data.dvc")
    damage(world.object(NAME), how)
    before = picture(world).workspace

    done = world.run("undo")

    assert done.rc != 0
    assert before == picture(world).workspace


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", DAMAGES)
def test_a_second_pull_repairs_a_damaged_object_of_the_cache(
    how: str, kind: str, base: Path, runs: Runs
) -> None:
    world = ready(base, runs, kind)
    damage(world.object(NAME), how)
    world.run("pull")

    done = world.run("pull")

    assert done.rc == 0, str(done)
    assert [] == given_out(world)
    assert picture(world).objects()[NAME] == GOOD


@pytest.mark.parametrize("seen", ["not read before", "read before"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", DAMAGES)
def test_adding_a_good_file_repairs_its_damaged_twin(
    how: str, kind: str, seen: str, base: Path, runs: Runs
) -> None:
    world = ready(base, runs, kind)
    world.write("twin.txt", GOOD)
    os.utime(world.repo / "twin.txt", (1_600_000_000, 1_600_000_000))
    if seen == "read before":
        world.dvc("add", "-q", "--no-commit", "twin.txt")
    damage(world.object(NAME), how)

    done = world.run("add", "twin.txt")

    assert done.rc == 0, str(done)
    found = picture(world)
    assert found.content("repo/twin.txt") == GOOD
    assert found.objects()[NAME] == GOOD
    assert is_put_aside(world)


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
def test_an_edit_through_a_link_is_no_new_truth(kind: str, base: Path, runs: Runs) -> None:
    """Row 21: root writes into a linked file; the object's name stands for other bytes then."""
    world = new_world(base / "world", runs, kind)
    added(world)
    world.dvc("push", "-q")
    (world.repo / "data/a.txt").chmod(0o644)
    (world.repo / "data/a.txt").write_bytes(b"ALPHA\n")

    status = world.run("status")
    world.run("checkout", "--force")
    world.dvc("pull", "--force")

    assert "data.dvc" in status.stdout
    assert [] == given_out(world)
    assert picture(world).objects()[NAME] == GOOD


# -- what the remote lost (row 23) ----

LOSSES: dict[str, Callable[[Path], None]] = {
    "deleted": Path.unlink,
    "emptied": lambda path: (path.chmod(0o644), path.write_bytes(b""))[0],  # type: ignore[func-returns-value]
    "cut": lambda path: (path.chmod(0o644), path.write_bytes(GOOD[:2]))[0],  # type: ignore[func-returns-value]
}


@pytest.mark.parametrize("loss", LOSSES)
def test_push_brings_back_what_the_remote_lost(loss: str, base: Path, runs: Runs) -> None:
    world = ready(base, runs, "copy")
    LOSSES[loss](world.object(NAME, REMOTE_HOME))

    done = world.run("push")

    assert done.rc == 0, str(done)
    assert "up to date" not in done.stdout
    assert picture(world).objects(REMOTE_HOME)[NAME] == GOOD


@pytest.mark.parametrize("loss", LOSSES)
def test_status_does_not_call_a_remote_in_sync_that_lost_something(
    loss: str, base: Path, runs: Runs
) -> None:
    world = ready(base, runs, "copy")
    LOSSES[loss](world.object(NAME, REMOTE_HOME))

    done = world.run("status", "-c")

    assert "in sync" not in done.stdout
    assert "new" in done.stdout


def test_fetch_of_what_the_remote_lost_fails(base: Path, runs: Runs) -> None:
    world = ready(base, runs, "copy")
    world.object(NAME, REMOTE_HOME).unlink()
    world.remove("repo/.dvc/cache")

    done = world.run("fetch")

    assert done.rc != 0
    assert NAME in done.stderr


def list_of(world: World) -> str:
    """The digest of the directory's list."""
    return next(name for name in picture(world).objects() if name.endswith(".dir"))


@pytest.mark.parametrize("here", ["damaged", "gone"])
def test_push_sends_what_the_remote_lost_when_only_the_remote_has_the_list(
    here: str, base: Path, runs: Runs
) -> None:
    world = ready(base, runs, "copy")
    world.object(NAME, REMOTE_HOME).unlink()
    if here == "gone":
        world.object(list_of(world)).unlink()
    else:
        damage(world.object(list_of(world)), "emptied")

    done = world.run("push")

    assert done.rc == 0, str(done)
    assert picture(world).objects(REMOTE_HOME)[NAME] == GOOD


def test_push_fails_when_the_only_list_is_damaged_in_the_remote(base: Path, runs: Runs) -> None:
    world = ready(base, runs, "copy")
    name = list_of(world)
    world.object(name).unlink()
    damage(world.object(name, REMOTE_HOME), "flipped bit")

    done = world.run("push")

    assert done.rc != 0
    assert name in done.stderr


def test_push_of_what_is_nowhere_fails(base: Path, runs: Runs) -> None:
    world = ready(base, runs, "copy")
    world.object(NAME, REMOTE_HOME).unlink()
    world.object(NAME).unlink()

    done = world.run("push")

    assert done.rc != 0
    assert NAME in done.stderr
