"""The damage matrix: each kind of object, damaged in each way, for each kind of link, met by each
command. Never handed on, put aside and named, and the exit code tells (D2, promises 5, 6, 23, 24).

Beside tests/crash/test_damaged.py, which has the common cases one by one, this has all of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hostile.commands import ON_DATA, Command, one
from tests.support.buckets import Bucket
from tests.support.crash import (
    FIRST,
    REMOTE_HOME,
    Runs,
    World,
    added,
    digests_of,
    md5,
    new_world,
    picture,
    wrong_objects,
)
from tests.support.crash_disks import loop_disk
from tests.support.hostile import faults_in, report
from tests.support.programs import Completed

LINKS = ("copy", "reflink", "hardlink", "symlink")
SMALL, EMPTY, BIG = md5(FIRST["data/b.txt"]), md5(b""), md5(FIRST["big.bin"])


def _rewrite(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        before = path.stat()
        data = change(path.read_bytes())
        path.chmod(0o644)
        path.write_bytes(data)
        path.chmod(0o444)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return damage


def _replace(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.unlink()
        make(path)

    return damage


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "x").write_bytes(b"x")


REWRITTEN: dict[str, Callable[[Path], None]] = {
    "flipped": _rewrite(lambda data: data[:-1] + bytes([data[-1] ^ 1]) if data else b"\0"),
    "cut": _rewrite(lambda data: data[: len(data) // 2] or b"\0"),
    "emptied": _rewrite(lambda data: b"" if data else b"\0"),
    "zeros": _rewrite(lambda data: bytes(len(data)) or b"\0"),
    "swapped": _rewrite(lambda data: FIRST["data/a.txt"]),
    "longer": _rewrite(lambda data: data + b"\n"),
    "a page": _rewrite(lambda data: b"<html><body>Log in</body></html>\n"),
}
REPLACED: dict[str, Callable[[Path], None]] = {
    "folder": _replace(_folder),
    "pipe": _replace(os.mkfifo),
    "link to nothing": _replace(lambda path: path.symlink_to("nowhere")),
    "link to itself": _replace(lambda path: path.symlink_to(path.name)),
    "link to other bytes": _replace(lambda path: path.symlink_to("/etc/passwd")),
    "link to zeros": _replace(lambda path: path.symlink_to("/dev/zero")),
}
DAMAGES = REWRITTEN | REPLACED


@dataclass(frozen=True, slots=True)
class Saved:
    """A project that was saved and pushed, to be copied for each case."""

    world: World
    manifest: str

    def name(self, kind: str) -> str:
        return {"file": SMALL, "empty": EMPTY, "big": BIG, "list": self.manifest}[kind]


def can_reflink(folder: Path) -> bool:
    (folder / "a").write_bytes(b"x" * 5000)
    done = subprocess.run(
        ["cp", "--reflink=always", folder / "a", folder / "b"], capture_output=True
    )
    return done.returncode == 0


@pytest.fixture(scope="module")
def reflinking() -> Iterator[Path]:
    """A disk with reflinks."""
    with loop_disk("xfs") as disk:
        assert can_reflink(disk.place)
        yield disk.place


@pytest.fixture
def saved(request: pytest.FixtureRequest, base: Path, runs: Runs) -> Saved:
    """Nothing lies in the workspace but the pointers."""
    kind = request.param
    if kind == "reflink" and not can_reflink(base):
        if os.geteuid() != 0:
            pytest.skip("this file system has no reflinks, and mounting one that has needs root")
        base = Path(tempfile.mkdtemp(dir=request.getfixturevalue("reflinking")))
    world = new_world(base / "world", runs, kind)
    added(world)
    world.dvc("push", "-q")
    world.remove("repo/big.bin", "repo/data")
    manifest = digests_of((world.repo / "data.dvc").read_bytes())[0]
    return Saved(world, manifest)


def handed_on(world: World, name: str) -> list[str]:
    """Where bytes lie that are not what they should be: workspace, remote, or under a digest."""
    found = picture(world)
    told = [
        f"{path} holds {data[:40]!r}"
        for path, data in found.data().items()
        if FIRST.get(path.removeprefix("repo/")) not in (None, data)
    ]
    told += wrong_objects(found.objects(REMOTE_HOME), "remote")
    for path in (world.repo / "data").rglob("*"):
        if path.is_symlink() and path.resolve().is_relative_to(world.store):
            inside = path.resolve().relative_to(world.store).as_posix().replace("/", "")
            if not path.exists() or md5(path.read_bytes()) != inside:
                told.append(f"{path} leads to a damaged object")
    return told


def check(saved: Saved, kind: str, how: str, command: Command) -> list[str]:
    """Damages one object, runs one command, and tells what is wrong after it."""
    world, name = saved.world, saved.name(kind)
    if command.sends:
        world.remove("remote")
        world.remote.mkdir()
    if command.takes:
        for path, data in FIRST.items():
            world.write(path, data)
    DAMAGES[how](world.object(name))
    done = world.run(*command.words, seconds=20)
    told = [*faults_in(done), *handed_on(world, name)]
    held = picture(world).objects().get(name)
    is_good = held is not None and md5(held) == name[:32]
    whole = all((world.repo / path).exists() for path in FIRST)
    if command.puts and not command.brings and kind != "list":
        if done.rc == 0 and not (whole and is_good):
            told.append("exit code 0, and something is missing")
        if how in REWRITTEN and name[:32] not in done.stderr and not is_good:
            told.append("the damaged object is not named")
    if command.takes and not is_good:
        told.append("the good file did not repair its damaged twin")
    if command.takes and done.rc:
        told.append("the good file did not go in")
    if command.brings and command.puts and how in REPLACED and not (whole and is_good):
        told.append("what is no file did not make room for what the remote has")
    if command.sends:
        if done.rc == 0 and kind != "list":
            told.append("exit code 0, and not all arrived")
        there = picture(world).objects(REMOTE_HOME)
        if kind != "list" and saved.manifest in there and name not in there and kind != "big":
            told.append("the list was sent without all that it names")
    if how in REWRITTEN and (command.puts or command.sends or command.takes) and not is_good:
        if os.path.lexists(world.object(name)):
            told.append("it still stands under its name")
        if not list(world.store.glob(f"quarantine/{name}*")):
            told.append("it is not in quarantine")
    return [f"{how}, {kind}, {command}: {line}\n{done}" for line in told]


KINDS = ("file", "empty", "big", "list")


USING = [c for c in ON_DATA if c.puts or c.sends or c.takes]


@pytest.mark.parametrize("command", USING, ids=str)
@pytest.mark.parametrize("saved", LINKS, indirect=True)
def test_a_damaged_object_is_never_handed_on(command: Command, saved: Saved) -> None:
    """Each damage, of one kind of object after the other; in a fresh copy of the project."""
    shift = USING.index(command)
    run_cases(saved, command, [(how, KINDS[(n + shift) % 4]) for n, how in enumerate(DAMAGES)])


@pytest.mark.long
@pytest.mark.parametrize("command", USING, ids=str)
@pytest.mark.parametrize("saved", LINKS, indirect=True)
def test_no_damage_of_any_object_is_handed_on(command: Command, saved: Saved) -> None:
    run_cases(saved, command, [(how, kind) for how in DAMAGES for kind in KINDS])


def run_cases(saved: Saved, command: Command, cases: list[tuple[str, str]]) -> None:
    told = []
    kept = saved.world.base.with_name("kept")
    subprocess.run(["cp", "-a", saved.world.base, kept], check=True)
    for how, kind in cases:
        shutil.rmtree(saved.world.base)
        subprocess.run(["cp", "-a", kept, saved.world.base], check=True)
        told += check(saved, kind, how, command)

    assert not told, report(told)


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("saved", ["copy"], indirect=True)
def test_asking_changes_nothing_and_ends(how: str, saved: Saved) -> None:
    """`status`, `status -c` and `fetch` look at names, not at all bytes, but none falls over."""
    told = []
    for kind in ("file", "list"):
        DAMAGES[how](saved.world.object(saved.name(kind)))
    for line in ("status", "status -c", "fetch"):
        told += faults_in(saved.world.run(*line.split(), seconds=20))

    assert not told, report(told)


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        *[(how, kind) for how in REWRITTEN for kind in ("file", "empty", "list")],
        *[(how, kind) for how in REPLACED for kind in ("file", "empty", "list")],
    ],
)
@pytest.mark.parametrize("saved", ["copy"], indirect=True)
def test_damage_at_a_folder_remote_stays_there(saved: Saved, how: str, kind: str) -> None:
    """Promise 24: nothing of it comes into cache or workspace, and it is named."""
    world, name = saved.world, saved.name(kind)
    world.remove("repo/.dvc/cache")
    DAMAGES[how](world.object(name, REMOTE_HOME))

    done = world.run("pull", seconds=20)

    assert [] == faults_in(done)
    found = picture(world)
    assert [] == list(wrong_objects(found.objects(), "cache"))
    assert [] == [p for p, d in found.data().items() if FIRST.get(p[5:]) not in (None, d)]
    assert done.rc != 0
    assert name in done.stderr


def at_s3(world: World, bucket: Bucket) -> None:
    (world.repo / ".dvc/config.local").write_text(
        f"['remote \"there\"']\n    url = s3://{bucket.name}/x\n"
        f"    endpointurl = {bucket.endpoint}\n    region = us-east-1\n"
        f"    access_key_id = {bucket.key_id}\n    secret_access_key = {bucket.secret}\n"
    )


@pytest.mark.parametrize("saved", ["copy"], indirect=True)
def test_damage_at_an_s3_remote_stays_there(saved: Saved, s3_bucket: Bucket) -> None:
    """The same at a real server: changed bytes, and objects gone while their list is there."""
    world, told = saved.world, []
    at_s3(world, s3_bucket)
    world.dvc("push", "-q")
    client = s3_bucket.server.client

    def run(*words: str) -> Completed:
        done = world.run(*words, seconds=60)
        told.extend(faults_in(done))
        return done

    for kind in ("file", "list"):
        name = saved.name(kind)
        key = f"x/files/md5/{name[:2]}/{name[2:]}"
        good = client.get_object(Bucket=s3_bucket.name, Key=key)["Body"].read()
        for how, bad in {
            "flipped": good[:-1] + bytes([good[-1] ^ 1]),
            "emptied": b"",
            "a page": b"<html>Log in</html>",
            "gone": None,
        }.items():
            if bad is None:
                client.delete_object(Bucket=s3_bucket.name, Key=key)
            else:
                client.put_object(Bucket=s3_bucket.name, Key=key, Body=bad)
            world.remove("repo/.dvc/cache", "repo/data", "repo/big.bin")
            done = run("pull")
            found = picture(world)
            told += wrong_objects(found.objects(), f"{how}: cache")
            told += [f"{how}: {p}" for p, d in found.data().items() if FIRST.get(p[5:]) != d]
            if done.rc == 0 or name not in done.stderr:
                told.append(f"{how}, {kind}: {done}")
            client.put_object(Bucket=s3_bucket.name, Key=key, Body=good)
            if how in ("gone", "emptied"):
                run("fetch")
                client.delete_object(Bucket=s3_bucket.name, Key=key)
                if how != "gone":
                    client.put_object(Bucket=s3_bucket.name, Key=key, Body=bad)
                if "in sync" in run("status", "-c").stdout:
                    told.append(f"{how}, {kind}: called in sync")
                run("push")
                now = client.get_object(Bucket=s3_bucket.name, Key=key)["Body"].read()
                if now != good:
                    told.append(f"{how}, {kind}: push did not bring it back")

    assert not told, report(told)


@pytest.mark.parametrize("seen", ["never read", "read before"])
@pytest.mark.parametrize("kind", ["file", "empty"])
@pytest.mark.parametrize("saved", LINKS, indirect=True)
def test_a_good_copy_beats_a_bad_one(saved: Saved, kind: str, seen: str) -> None:
    """Promise 6: `add` of a good file takes the place of whatever stands under its digest."""
    world, name = saved.world, saved.name(kind)
    data = next(data for data in FIRST.values() if md5(data) == name)
    told = []
    for how in DAMAGES:
        world.write("twin", data)
        os.utime(world.repo / "twin", (1_600_000_000, 1_600_000_000))
        if seen == "read before":
            world.dvc("add", "-q", "--no-commit", "twin")
        DAMAGES[how](world.object(name))
        done = world.run("add", "twin", seconds=20)
        if done.rc or data != picture(world).objects().get(name):
            told.append(f"{how}: {done}")
            world.remove(f"repo/.dvc/cache/files/md5/{name[:2]}")
            world.run("add", "twin")
        if data != (world.repo / "twin").read_bytes():
            told.append(f"{how}: the user's file changed")
        if not list(world.store.glob(f"quarantine/{name}*")):
            told.append(f"{how}: not in quarantine")
        world.remove("repo/.dvc/cache/files/md5/quarantine")

    assert not told, report(told)


def test_the_table_of_commands_has_each_kind() -> None:
    assert one("push").sends
    assert one("commit --force").takes
    assert one("checkout --force").puts
