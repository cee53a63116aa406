"""Every file that the program reads, cut at every length and with junk at many places.

An error that names the file, or the truth; never a loss, never a traceback (D4, promise 11). `make
test` takes some lengths and places of each file, `make test-long` all lengths and many places.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.commands import ON_DATA
from tests.support.crash import FIRST, Runs, World, added, digests_of, md5, new_world, picture
from tests.support.hostile import faults_in, report

STAGE = b"made by a stage\n"
YAML = (
    "stages:\n  make:\n    cmd: cp big.bin out.txt\n"
    "    deps:\n    - big.bin\n    outs:\n    - out.txt\n"
)
FILES = (
    "repo/big.bin.dvc",
    "repo/data.dvc",
    "repo/dvc.yaml",
    "repo/dvc.lock",
    "repo/.dvc/config",
    "repo/.dvc/config.local",
    "repo/.dvcignore",
    "repo/.dvc/pannier.toml",
    "repo/.dvc/tmp/rwlock",
    "the list",
)
JUNK = (b"\0", b"\xff", b"\n", b'"', b"{", b"-", b":", b"&a ", b"..", b"0")
DATA = {**FIRST, "out.txt": STAGE}


@pytest.fixture
def world(base: Path, runs: Runs) -> World:
    """Saved, pushed, with a stage, patterns, settings of our own and a record of busy paths."""
    made = new_world(base / "world", runs, "copy")
    added(made)
    made.write("dvc.yaml", YAML.encode())
    made.write("out.txt", STAGE)
    made.dvc("commit", "-f", "-q")
    made.dvc("push", "-q")
    made.write(".dvcignore", b"*.log\n!keep.log\n/build/\n")
    made.write(".dvc/pannier.toml", b'[pannier]\nfsync = "batch"\njobs = 2\n')
    made.write(".dvc/config.local", b"['remote \"there\"']\n    jobs = 2\n")
    (made.repo / ".dvc/tmp").mkdir(exist_ok=True)
    made.write(".dvc/tmp/rwlock", b'{"read": {"/x/y": [{"pid": 1, "cmd": "x"}]}, "write": {}}')
    return made


def place(world: World, name: str) -> Path:
    if name == "the list":
        return world.object(digests_of((world.repo / "data.dvc").read_bytes())[0])
    return world.base / name


def lost(world: World) -> list[str]:
    """User's files whose bytes are neither under their name nor under their digest."""
    stored = picture(world).objects()
    return [
        path
        for path, data in DATA.items()
        if not ((world.repo / path).is_file() and (world.repo / path).read_bytes() == data)
        and stored.get(md5(data)) != data
    ]


def damaged(whole: bytes, some: int, seed: str) -> Iterator[tuple[str, bytes]]:
    """some: so many lengths and places; 0 for all lengths, and junk at every third byte."""
    chance = random.Random(seed)
    lengths = range(len(whole)) if not some else sorted(chance.sample(range(len(whole)), some))
    for length in [0, *lengths, len(whole) - 1]:
        yield f"cut to {length}", whole[:length]
    places = range(0, len(whole), 3) if not some else chance.sample(range(len(whole)), some)
    for at in places:
        junk = chance.choice(JUNK)
        yield f"{junk!r} at {at}", whole[:at] + junk + whole[at + len(junk) :]
        flipped = bytes([whole[at] ^ (1 << chance.randrange(8))])
        yield f"a flipped bit at {at}", whole[:at] + flipped + whole[at + 1 :]


def sweep(world: World, name: str, some: int) -> list[str]:
    path, told = place(world, name), []
    whole = path.read_bytes()
    kept = world.base.with_name("kept")
    subprocess.run(["cp", "-a", world.base, kept], check=True)
    before = len(picture(world).objects())
    for number, (what, data) in enumerate(damaged(whole, min(some, len(whole)), name)):
        path.chmod(0o644)
        path.write_bytes(data)
        command = ON_DATA[number % len(ON_DATA)]
        done = world.run(*command.words, seconds=30)
        wrong = [f"{line} is lost, exit code {done.rc}" for line in lost(world)]
        wrong += faults_in(done)
        if len(picture(world).objects()) < before - 1:
            wrong.append("objects were deleted")
        told += [f"{name} {what}, {command}: {line}\n{data!r}" for line in wrong]
        if wrong or not path.exists() or command.puts or command.takes:
            shutil.rmtree(world.base)
            subprocess.run(["cp", "-a", kept, world.base], check=True)
    return told


@pytest.mark.parametrize("name", FILES)
def test_no_cut_or_flipped_file_loses_anything(name: str, world: World) -> None:
    told = sweep(world, name, some=7)

    assert not told, report(told)


@pytest.mark.long
@pytest.mark.parametrize("name", FILES)
def test_no_file_cut_anywhere_loses_anything(name: str, world: World) -> None:
    told = sweep(world, name, some=0)

    assert not told, report(told)


def state_of(world: World) -> Path:
    return next((world.base / "xdg").rglob("state.db"))


def sweep_state(world: World, count: int) -> list[str]:
    """Own state that is damaged is read past, or found out; it never decides what is true."""
    state, told = state_of(world), []
    whole, pointers = state.read_bytes(), picture(world).pointers()
    chance = random.Random(count)
    for number in range(count):
        data = bytearray(whole)
        if number % 5 == 0:
            del data[chance.randrange(len(data)) :]
        for _ in range(chance.choice((1, 1, 8, 64))):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        state.write_bytes(data)
        words = (("status",), ("add", "-q", "data"), ("commit", "-f"), ("checkout",))[number % 4]
        done = world.run(*words, seconds=30)
        told += faults_in(done)
        if done.rc or (words == ("status",) and "up to date" not in done.stdout):
            told.append(str(done))
        if pointers != picture(world).pointers() or lost(world):
            told.append(f"round {number}: {words} changed the truth")
            for path, text in pointers.items():
                (world.base / path).write_bytes(text)
        state.parent.mkdir(exist_ok=True)
    return told


def test_damaged_state_of_our_own_decides_nothing(world: World) -> None:
    told = sweep_state(world, 40)

    assert not told, report(told)


@pytest.mark.long
def test_much_damaged_state_of_our_own_decides_nothing(world: World) -> None:
    told = sweep_state(world, 2000)

    assert not told, report(told)


@pytest.mark.parametrize(
    "change",
    [
        "update trees set hex = '00000000000000000000000000000000.dir'",
        "update trees set nfiles = 1",
        "update trees set size = 'x'",
        "update trees set fingerprint = null",
        "update folders set digests = randomblob(length(digests)); delete from trees",
        "update folders set names = x'ff'; delete from trees",
        "update links set hex = '00000000000000000000000000000000'",
        "update links set path = path || cast('x' as blob)",
        "drop table trees",
        "drop table links",
        "pragma user_version = 77",
        "create table trees2 as select * from trees; drop table trees;"
        " alter table trees2 rename to trees",
    ],
)
def test_a_row_that_lies_is_found_out(change: str, world: World) -> None:
    """S7: by its checksum; also rows of whole trees, which `add` and `status` take as they are."""
    import sqlite3

    db = sqlite3.connect(state_of(world))
    try:
        db.executescript(change.replace("= null", "= x''"))
    finally:
        db.close()
    before = picture(world).pointers()

    told = [world.run(*words) for words in (("status",), ("add", "-q", "data"), ("checkout",))]

    assert [] == [str(done) for done in told if done.rc]
    assert "up to date" in told[0].stdout
    assert before == picture(world).pointers()
    assert [] == lost(world)
