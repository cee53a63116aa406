"""`cache verify` and `remote verify` find every damage, delete nothing, and mend what can be."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.crash import (
    OBJECT_HOME,
    REMOTE_HOME,
    Picture,
    Runs,
    Scene,
    World,
    added,
    digests_of,
    litter,
    md5,
    new_world,
    picture,
    prepare,
    sample,
    wrong_objects,
)


def _write(path: Path, data: bytes) -> None:
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(mode)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    _write(path, bytes(data))


DAMAGES: dict[str, Callable[[Path], None]] = {
    "a flipped bit": _flip,
    "cut": lambda path: _write(path, path.read_bytes()[:-1]),
    "zeros": lambda path: _write(path, bytes(path.stat().st_size)),
    "emptied": lambda path: _write(path, b""),
    "one more byte": lambda path: _write(path, path.read_bytes() + b"\n"),
    "another file's bytes": lambda path: _write(path, b"somebody else's"),
}


@pytest.fixture
def world(base: Path, runs: Runs) -> World:
    made = new_world(base / "world", runs, "copy")
    added(made)
    made.dvc("push", "-q")
    return made


def _objects(world: World, home: str) -> list[Path]:
    """Files with bytes: the empty object cannot be cut."""
    return sorted(p for p in (world.base / home).glob("??/*") if p.stat().st_size)


def _wrong_ones(picture: Picture, home: str) -> set[str]:
    return {line.split()[1] for line in wrong_objects(picture.objects(home), "x")}


@pytest.mark.parametrize("home", [OBJECT_HOME, REMOTE_HOME], ids=["cache", "remote"])
def test_every_seeded_damage_is_found_and_put_aside(home: str, world: World) -> None:
    chance = random.Random(3)
    seeded = {}
    for path, damage in zip(_objects(world, home), [*DAMAGES] * 3, strict=False):
        if chance.random() < 0.8:
            DAMAGES[damage](path)
            seeded[path.parent.name + path.name] = path.read_bytes()
    assert len(seeded) > 6
    command = "cache" if home == OBJECT_HOME else "remote"

    done = world.run(command, "verify", "--json")
    again = world.run(command, "verify", "--json")

    assert 1 == done.rc == again.rc, str(done)
    found = {row["digest"]: row["quarantine"] for row in done.json["damaged"] if row["quarantine"]}
    assert seeded.keys() == found.keys()
    assert seeded == {name: Path(where).read_bytes() for name, where in found.items()}
    assert set() == _wrong_ones(picture(world), home)


def test_right_bytes_are_right_whatever_their_mode_and_time(world: World) -> None:
    for path in _objects(world, OBJECT_HOME):
        path.chmod(0o644)
        os.utime(path, (1, 1))
    before = picture(world)

    done = world.run("cache", "verify")

    assert done.rc == 0, str(done)
    assert "all are what their names say" in done.stdout
    assert before.objects() == picture(world).objects()


def test_a_link_in_the_place_of_an_object_is_damage(world: World) -> None:
    path = _objects(world, OBJECT_HOME)[0]
    (world.base / "elsewhere").write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(world.base / "elsewhere")

    done = world.run("cache", "verify")

    assert done.rc == 1
    assert path.parent.name + path.name in done.stdout


def _damage_all(world: World, home: str) -> None:
    for number, path in enumerate(_objects(world, home)):
        list(DAMAGES.values())[number % len(DAMAGES)](path)


def _without_workspace(world: World) -> None:
    world.remove("repo/big.bin", "repo/data")


def _without_remote(world: World) -> None:
    shutil.rmtree(world.remote)
    world.remote.mkdir()


@pytest.mark.parametrize("left", [_without_workspace, _without_remote], ids=["remote", "workspace"])
def test_a_damaged_cache_is_mended_from_what_is_left(
    left: Callable[[World], None], world: World
) -> None:
    good = picture(world).objects()
    _damage_all(world, OBJECT_HOME)
    left(world)

    done = world.run("cache", "verify", "--repair")

    assert done.rc == 0, str(done)
    assert good == picture(world).objects()
    assert 0 == world.run("cache", "verify").rc


def test_what_was_put_aside_earlier_is_mended_as_well(world: World) -> None:
    good = picture(world).objects()
    _damage_all(world, OBJECT_HOME)

    first = world.run("cache", "verify")
    second = world.run("cache", "verify", "--repair")

    assert (1, 0) == (first.rc, second.rc), str(second)
    assert good == picture(world).objects()


def test_an_object_that_is_unused_and_nowhere_else_stays_damaged(world: World) -> None:
    world.write("gone", b"once tracked")
    world.dvc("add", "-q", "gone")
    world.remove("repo/gone", "repo/gone.dvc")
    _flip(world.object(md5(b"once tracked")))

    done = world.run("cache", "verify", "--repair")

    assert done.rc == 1
    assert "no good copy was found" in done.stdout
    assert "dvc fetch" in done.stdout


@pytest.mark.parametrize("cache", ["whole", "damaged", "gone"])
def test_a_damaged_remote_is_mended(cache: str, world: World) -> None:
    good = picture(world).objects(REMOTE_HOME)
    _damage_all(world, REMOTE_HOME)
    if cache == "damaged":
        _damage_all(world, OBJECT_HOME)
    if cache == "gone":
        world.remove("repo/.dvc/cache")

    done = world.run("remote", "verify", "-r", "there", "--repair")

    assert done.rc == 0, str(done)
    assert good == picture(world).objects(REMOTE_HOME)
    assert 0 == world.run("remote", "verify").rc


@pytest.mark.parametrize("first", ["nobody", "another run"])
def test_what_is_absent_or_was_put_aside_at_a_remote_is_sent_again(
    first: str, world: World
) -> None:
    good = picture(world).objects(REMOTE_HOME)
    name = md5(b"gamma\n")
    if first == "nobody":
        world.object(name, REMOTE_HOME).unlink()
    else:
        _flip(world.object(name, REMOTE_HOME))
        assert 1 == world.run("remote", "verify").rc

    done = world.run("remote", "verify", "--repair")

    assert done.rc == 0, str(done)
    assert good == picture(world).objects(REMOTE_HOME)


def test_what_cannot_be_sent_is_not_called_repaired(world: World) -> None:
    """A file stands where the folder of one of two objects belongs."""
    names = md5(b"gamma\n"), md5(b"delta\n")
    for name in names:
        world.object(name, REMOTE_HOME).unlink()
    folder = world.object(names[0], REMOTE_HOME).parent
    folder.rmdir()
    folder.write_bytes(b"in the way")

    done = world.run("remote", "verify", "--repair", "--json")

    assert done.rc == 1, str(done)
    assert {names[0]: None, names[1]: "the cache"} == {
        row["digest"]: row["repaired_from"] for row in done.json["damaged"]
    }
    assert b"delta\n" == world.object(names[1], REMOTE_HOME).read_bytes()


def test_what_a_list_in_use_names_must_be_there(world: World) -> None:
    name = md5(b"gamma\n")
    world.object(name).unlink()

    done = world.run("cache", "verify")

    assert done.rc == 1
    assert f"{name} (data/sub/deep/er/c.txt): it is not there" in done.stdout
    assert "repair it: dvc cache verify --repair" in done.stdout


def test_a_list_with_the_right_digest_that_cannot_be_read_is_damage(world: World) -> None:
    data = b'[{"md5": "x", "relpath": "../../etc/passwd"}]'
    path = world.object(md5(data) + ".dir")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)

    done = world.run("cache", "verify")

    assert done.rc == 1
    assert "it is no list of files" in done.stdout
    assert path.read_bytes() == data


def test_a_sample_reads_that_share(world: World) -> None:
    done = world.run("cache", "verify", "--sample", "25%", "--json")

    assert done.json["checked"] == round(done.json["total"] * 0.25)


@pytest.mark.parametrize("share", ["0", "101", "x", "-5"])
def test_a_share_that_is_none_is_a_bad_command_line(share: str, world: World) -> None:
    assert 254 == world.run("cache", "verify", f"--sample={share}").rc


# -- killed ----


def _damaged(world: World) -> None:
    added(world)
    world.dvc("push", "-q")
    for path in _objects(world, OBJECT_HOME)[::2]:
        _flip(path)
    for path in _objects(world, REMOTE_HOME)[1::2]:
        _flip(path)


SCENES = [
    Scene("verify", ("cache", "verify", "--repair"), _damaged),
    Scene("remote verify", ("remote", "verify", "--repair"), _damaged),
]


@pytest.mark.parametrize("fault", ["kill@{}", "term@{}"])
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_kill_loses_no_bytes_and_the_next_run_does_the_rest(
    scene: Scene, fault: str, base: Path, runs: Runs
) -> None:
    trial = prepare(scene, base, runs, "copy")
    home = OBJECT_HOME if scene.name == "verify" else REMOTE_HOME
    found = []
    for number in sample(trial.log, 8, len(fault)):
        trial.at(fault.format(number))
        kept = {t.data for p, t in picture(trial.world).things.items() if t.kind == "file"}
        lost = [n for n, d in trial.before.objects(home).items() if d not in kept]
        found += [f"{trial.story(number)}: the bytes of {name} are lost" for name in lost]
        again = trial.again()
        after = picture(trial.world)
        if again.rc or after.objects(home) != trial.golden.objects(home):
            found.append(f"{trial.story(number)}: then {again}")
        found += [f"then {path} is litter" for path in litter(after)]

    assert [] == found


def test_pointers_name_what_was_mended(world: World) -> None:
    """A list is made anew from the workspace, byte for byte."""
    name = digests_of((world.repo / "data.dvc").read_bytes())[0]
    before = world.object(name).read_bytes()
    _flip(world.object(name))
    _without_remote(world)

    done = world.run("cache", "verify", "--repair")

    assert done.rc == 0, str(done)
    assert before == world.object(name).read_bytes()
    assert "repaired from 'data'" in done.stdout
    assert json.loads(before)


def test_a_file_that_was_edited_since_is_no_good_copy(world: World) -> None:
    name = md5(b"alpha\n")
    _flip(world.object(name))
    _without_remote(world)
    for path in ("data/a.txt", "data/sub/same as a"):
        world.write(path, b"edited\n")

    done = world.run("cache", "verify", "--repair")

    assert done.rc == 1
    assert f"{name} (" in done.stdout
    assert not world.object(name).exists()
    assert set() == _wrong_ones(picture(world), OBJECT_HOME)
