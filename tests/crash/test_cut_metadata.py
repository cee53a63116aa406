"""Every prefix of a metadata file: an error that names it, or the whole truth; never loss (D4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.crash import FIRST, Runs, World, added, digests_of, new_world, picture

COMMANDS = (("checkout", "--force"), ("pull", "--force"), ("status",))


@pytest.fixture
def world(base: Path, runs: Runs) -> World:
    made = new_world(base / "world", runs, "copy")
    added(made)
    made.dvc("push", "-q")
    return made


def cut_and_run(world: World, path: Path, whole: bytes, length: int, command: int) -> list[str]:
    """One command on a file cut at a length; what was wrong with that."""
    path.chmod(0o644)
    path.write_bytes(whole[:length])
    done = world.run(*COMMANDS[command])
    found = []
    lost = [name for name in FIRST if not (world.repo / name).exists()]
    if lost:
        found.append(f"{length} bytes: {lost} are gone, exit code {done.rc}")
        for name in lost:
            world.write(name, FIRST[name])
    if "Traceback" in done.stderr or "unexpected error" in done.stderr:
        found.append(f"{length} bytes: {done.stderr}")
    if done.rc == 0 and COMMANDS[command] != ("status",) and not _is_whole_truth(world, path):
        found.append(f"{length} bytes: exit code 0 with {path.read_bytes()!r}")
    return found


def _is_whole_truth(world: World, path: Path) -> bool:
    """Cut where nothing is missing: a line's end, or a field that says nothing of the bytes."""
    if path.suffix == ".dvc":
        data = path.read_bytes()
        return bool(digests_of(data + b"\n")) and b"\n  path: " in data
    return True


@pytest.mark.parametrize("name", ["big.bin.dvc", "data.dvc"])
def test_a_cut_pointer_is_an_error_or_still_says_all(name: str, world: World) -> None:
    path = world.repo / name
    whole = path.read_bytes()

    found = [
        line
        for length in range(len(whole))
        for line in cut_and_run(world, path, whole, length, length % 2)
    ]

    assert [] == found


def test_an_empty_pointer_is_an_error(world: World) -> None:
    """It must never mean that nothing is tracked."""
    (world.repo / "data.dvc").write_bytes(b"")

    done = [world.run(*command) for command in COMMANDS]

    assert [] == [str(run) for run in done if run.rc == 0]
    assert [] == [name for name in FIRST if not (world.repo / name).exists()]


def test_a_cut_list_of_files_is_brought_again_or_named(world: World) -> None:
    digest = digests_of((world.repo / "data.dvc").read_bytes())[0]
    path = world.object(digest)
    whole = path.read_bytes()
    found = []
    for length in range(0, len(whole), 23):
        found += cut_and_run(world, path, whole, length, 0)
        world.run("fetch")
        if picture(world).objects().get(digest) != whole:
            found.append(f"{length} bytes: the fetch did not repair it")

    assert [] == found


def test_a_cut_config_is_an_error_or_changes_nothing(world: World) -> None:
    path = world.repo / ".dvc/config"
    whole = path.read_bytes()

    found = [
        line
        for length in range(0, len(whole), 3)
        for line in cut_and_run(world, path, whole, length, 0)
    ]

    assert [] == found
    assert [] == [name for name in FIRST if not (world.repo / name).exists()]
