"""Others at work at the same time: their edits survive, and no digest names other bytes.

The program is stopped (SIGSTOP) before a chosen change, the other one acts, the program goes on.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.crash import (
    FIRST,
    Runs,
    World,
    added,
    config,
    lacking,
    md5,
    new_world,
    picture,
    write_first,
    wrong_objects,
)
from tests.support.crash_disks import loop_disk, needs_root
from tests.support.odd_machine import Under
from tests.support.programs import Completed
from tests.unit.test_proc import PATIENCE_S

KINDS = ("copy", "hardlink", "symlink")


class Stopped:
    """The program at work, stopped before its n-th change."""

    def __init__(self, world: World, number: int, *args: str) -> None:
        self._args = args
        under = world.runs if isinstance(world.runs, Under) else Under((), {})
        self._process = subprocess.Popen(
            under.command(*args),
            cwd=world.repo,
            env={
                **os.environ,
                **under.more,
                "XDG_CACHE_HOME": str(world.base / "xdg"),
                "PANNIER_FAULT": f"stop@{number}",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        _, status = os.waitpid(self._process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), self._process.communicate()

    def go_on(self) -> Completed:
        self._process.send_signal(signal.SIGCONT)
        out, err = self._process.communicate(timeout=PATIENCE_S)
        return Completed(self._args, self._process.returncode, out.decode(), err.decode())


def changes(world: World, *args: str) -> list[list[str]]:
    """The log of a run, to find the number of a change in; the world is then as it was before.

    Both runs start from a copy, so that neither knows more of the files' stats than the other.
    """
    kept = world.base.with_name(world.base.name + "-kept")
    log = kept.with_name("log")
    subprocess.run(["cp", "-a", world.base, kept], check=True)
    for fresh in (True, False):
        subprocess.run(["rm", "-rf", world.base], check=True)
        subprocess.run(["cp", "-a", kept, world.base], check=True)
        if fresh:
            done = world.run(*args, log=str(log))
            assert done.rc == 0, str(done)
    return [line.split("\t") for line in log.read_text().splitlines()]


def number_of(log: list[list[str]], name: str, part: str = "") -> int:
    """The number of the first change of a kind whose arguments hold a text."""
    return next(n for n, step in enumerate(log, 1) if step[0] == name and part in "\t".join(step))


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, base: Path, runs: Runs) -> World:
    made = new_world(base / "world", runs, request.param)
    (made.repo / ".dvc/config").write_text(config(request.param))
    return made


def await_time(path: Path, later_ns: int) -> None:
    """Returns when the clock of the disk is more than later_ns beyond the last change of path."""
    wanted = path.stat().st_ctime_ns + later_ns
    probe = path.with_name("probe")
    while True:
        probe.write_bytes(b"")
        now = probe.stat().st_ctime_ns
        probe.unlink()
        if now > wanted:
            return


def saved_right(world: World) -> list[str]:
    found = picture(world)
    return list(wrong_objects(found.objects(), "cache"))


def test_an_edit_between_reading_and_publishing_is_not_published_as_the_old(world: World) -> None:
    """Row 7."""
    world.write("x.bin", b"before" * 1000)
    log = changes(world, "add", "x.bin")
    kind = "publish" if any(step[0] == "publish" for step in log) else "link"
    stopped = Stopped(world, number_of(log, kind, "/files/md5/"), "add", "x.bin")
    with open(world.repo / "x.bin", "r+b") as file:
        file.write(b"BEFORE")

    stopped.go_on()

    found = picture(world)
    assert (world.repo / "x.bin").read_bytes().startswith(b"BEFORE")
    assert [] == saved_right(world)
    for path, data in found.pointers().items():
        assert [] == list(lacking(path, data, found.objects()))


@pytest.mark.parametrize("place", ["x.bin", "data/x.bin"])
@pytest.mark.parametrize("link", ["hardlink", "symlink"])
def test_an_edit_before_the_file_becomes_the_object_is_told(
    link: str, place: str, base: Path, runs: Runs
) -> None:
    """Row 7: what was hashed is there no more, so nothing may be named by that digest."""
    world = new_world(base / "world", runs, link)
    world.write(place, b"before" * 1000)
    world.write("data/other", b"as it was")
    target = place.partition("/")[0]
    log = changes(world, "add", target)
    stopped = Stopped(world, number_of(log, "fsync", f"/repo/{place}"), "add", target)
    with open(world.repo / place, "r+b") as file:
        file.write(b"BEFORE")

    done = stopped.go_on()
    after = picture(world)
    again = world.run("add", target)

    assert done.rc == 1, str(done)
    assert f"{place}' kept changing" in done.stderr
    assert {} == after.pointers()
    assert (world.repo / place).read_bytes().startswith(b"BEFORE")
    assert [] == saved_right(world)
    assert again.rc == 0, str(again)


@pytest.mark.parametrize("link", ["hardlink", "symlink"])
def test_a_file_becomes_no_link_to_an_object_that_somebody_put_damaged(
    link: str, base: Path, runs: Runs
) -> None:
    """D2, D3: another program gives the name to half of the bytes just before we do."""
    world = new_world(base / "world", runs, link)
    data = b"all of these bytes" * 500
    world.write("x.bin", data)
    log = changes(world, "add", "x.bin")
    target = str(world.object(md5(data)))
    stopped = Stopped(world, number_of(log, "link", target), "add", "x.bin")
    world.object(md5(data)).write_bytes(data[:100])

    done = stopped.go_on()

    assert done.rc == 0, str(done)
    assert (world.repo / "x.bin").read_bytes() == data
    assert world.object(md5(data)).read_bytes() == data
    assert [data[:100]] == [path.read_bytes() for path in (world.store / "quarantine").iterdir()]


@pytest.mark.parametrize("link", ["hardlink", "symlink"])
def test_an_edit_before_the_file_becomes_a_link_survives(link: str, base: Path, runs: Runs) -> None:
    """Row 8."""
    world = new_world(base / "world", runs, link)
    write_first(world)
    world.dvc("add", "-q", "data/a.txt")
    world.write("twin.txt", FIRST["data/a.txt"])
    log = changes(world, "add", "twin.txt")
    stopped = Stopped(world, number_of(log, "exchange"), "add", "twin.txt")
    (world.repo / "twin.txt").unlink()
    (world.repo / "twin.txt").write_bytes(b"edited meanwhile\n")

    stopped.go_on()

    assert (world.repo / "twin.txt").read_bytes() == b"edited meanwhile\n"
    assert [] == saved_right(world)


@pytest.mark.parametrize("way", ["descriptor", "mmap"])
def test_what_a_process_writes_that_holds_the_file_open_is_not_lost(way: str, world: World) -> None:
    """Rows 8 and 22: an open log file; a mapping whose writes do not move the mtime."""
    world.write("log", b"line 1\n" + bytes(4096))
    file = open(world.repo / "log", "r+b")
    with file, mmap.mmap(file.fileno(), 0) as mapped:
        done = world.run("add", "log")
        if way == "mmap":
            mapped[:6] = b"LINE 2"
            mapped.flush()
        else:
            file.write(b"LINE 2")
            file.flush()
    status = world.run("status")

    assert done.rc in (0, 1), str(done)
    assert (world.repo / "log").read_bytes().startswith(b"LINE 2")
    assert [] == saved_right(world)
    if done.rc == 0:
        assert "log" in status.stdout


@pytest.mark.parametrize("place", ["x", "folder/x"])
@pytest.mark.parametrize("way", ["another file", "in place"])
def test_an_edit_that_puts_size_and_mtime_back_is_noticed(
    way: str, place: str, base: Path, runs: Runs
) -> None:
    """Row 9; DVC reverts the user's file here. In place only the ctime tells."""
    world = new_world(base / "world", runs, "copy")
    world.write(place, b"one one one")
    os.utime(world.repo / place, (1_600_000_000, 1_600_000_000))
    target = place.partition("/")[0]
    world.dvc("add", "-q", target)
    edited = world.repo / place
    before = edited.stat()
    if way == "another file":
        edited.unlink()
    with open(edited, "r+b" if way == "in place" else "wb") as file:
        file.write(b"two two two")
    os.utime(edited, ns=(before.st_atime_ns, before.st_mtime_ns))

    status = world.run("status")
    world.dvc("add", target)

    assert "modified" in status.stdout
    assert edited.read_bytes() == b"two two two"
    assert picture(world).objects()[md5(b"two two two")] == b"two two two"


def test_an_edit_of_a_link_that_puts_size_and_mtime_back_is_noticed(world: World) -> None:
    """The same where the file is a link into the cache."""
    world.write("x", b"one one one")
    os.utime(world.repo / "x", (1_600_000_000, 1_600_000_000))
    world.dvc("add", "-q", "x")
    target = world.repo / "x"
    before = target.stat()
    target.unlink()
    target.write_bytes(b"two two two")
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))

    status = world.run("status")
    world.dvc("add", "x")

    assert "modified" in status.stdout
    assert target.read_bytes() == b"two two two"
    assert picture(world).objects()[md5(b"two two two")] == b"two two two"


def test_edits_within_one_tick_of_the_clock_are_noticed(base: Path, runs: Runs) -> None:
    world = new_world(base / "world", runs, "copy")
    target = world.repo / "x"
    target.write_bytes(b"000")
    found = []
    for number in range(20):
        target.write_bytes(f"{number:03}".encode())
        world.dvc("add", "-q", "x")
        target.write_bytes(f"{number + 500:03}".encode())
        if "modified" not in world.run("status").stdout:
            found.append(number)

    assert [] == found


@pytest.mark.root
@needs_root
@pytest.mark.parametrize("last", ["add", "checkout", "status"])
def test_an_object_that_somebody_removes_is_missed_at_once(
    last: str, base: Path, runs: Runs
) -> None:
    """The time stamps of the cache's disk are whole seconds; within one, equal ones say nothing."""
    found = []
    with loop_disk("ext4", 64, ("-I", "128")) as disk:
        world = new_world(base / "world", runs, "copy")
        settings = config("copy").replace("[cache]\n", f"[cache]\n    dir = {disk.place}\n")
        (world.repo / ".dvc/config").write_text(settings)
        for number in range(8):
            for n in range(300 if last == "checkout" else 3):
                world.write(f"data/{n}", f"{number} {n}".encode())
            world.dvc("add", "-q", "data")
            if last == "checkout":
                world.remove("repo/data")
            if last != "add":
                world.dvc(last, "-q")
            name = md5(f"{number} 1".encode())
            removed = disk.place / "files/md5" / name[:2] / name[2:]
            removed.unlink()
            status = world.run("status")
            if "not in cache" not in status.stdout:
                found.append(f"{number}: {status}")
            world.dvc("add", "-q", "data")
            if not removed.exists():
                found.append(f"{number}: add did not put it back")

    assert [] == found


@pytest.mark.parametrize("kind", ["copy", "hardlink"])
def test_an_object_that_a_stranger_takes_while_add_runs_is_missed_at_once(
    kind: str, base: Path, runs: Runs
) -> None:
    """Somebody who knows nothing of our locks, like DVC's gc: what was put is looked at once more
    before the program remembers that all is there."""
    world = new_world(base / "world", runs, kind)
    for n in range(3):
        world.write(f"data/{n}", f"{n}".encode())
    name = md5(b"1")
    taken = world.repo / ".dvc/cache/files/md5" / name[:2] / name[2:]
    log = changes(world, "add", "data")
    put = next(n for n, step in enumerate(log, 1) if step[-1] == str(taken))
    pointer = next(n for n, step in enumerate(log, 1) if step[-1] == str(world.repo / "data.dvc"))
    kept = world.base.with_name("before")
    subprocess.run(["cp", "-a", world.base, kept], check=True)
    found, alive = [], 0
    for number in range(put + 1, pointer + 1):
        if log[number - 1][0] not in ("chmod", "publish", "rmdir", "rename"):
            continue
        subprocess.run(["rm", "-rf", world.base], check=True)
        subprocess.run(["cp", "-a", kept, world.base], check=True)
        await_time(world.repo / "data/2", 150_000_000)  # what was written just now is read again
        stopped = Stopped(world, number, "add", "data")
        taken.unlink()
        await_time(taken.parent, 0)
        added = stopped.go_on()
        if added.rc == 0:
            alive += 1
            if "up to date" in world.run("status").stdout:
                found.append(f"taken before {log[number - 1]}: {added}")

    assert [] == found
    assert alive > 1


def test_two_projects_on_one_cache_do_not_harm_each_other(base: Path, runs: Runs) -> None:
    """Row 18: the second publishes the same bytes while the first is about to."""
    first, second = (new_world(base / name, runs, "hardlink") for name in ("one", "two"))
    for world in (first, second):
        settings = world.repo / ".dvc/config"
        shared_cache = f"[cache]\n    dir = {base / 'shared'}\n"
        settings.write_text(settings.read_text().replace("[cache]\n", shared_cache))
        world.write("x.bin", b"the same bytes" * 500)
    log = changes(first, "add", "x.bin")
    subprocess.run(["rm", "-rf", base / "shared"], check=True)
    name = md5(b"the same bytes" * 500)
    moment = number_of(log, "link", f"/files/md5/{name[:2]}/{name[2:]}")
    stopped = Stopped(first, moment, "add", "x.bin")

    other = second.run("add", "x.bin")
    done = stopped.go_on()

    assert (0, 0) == (other.rc, done.rc), f"{other}\n{done}"
    shared = base / "shared/files/md5" / name[:2] / name[2:]
    assert shared.read_bytes() == b"the same bytes" * 500
    assert (first.repo / "x.bin").read_bytes() == (second.repo / "x.bin").read_bytes()
    assert shared.read_bytes() == (second.repo / "x.bin").read_bytes()


def test_a_second_command_in_the_project_waits_or_says_who_is_there(world: World) -> None:
    """Row 17."""
    write_first(world)
    stopped = Stopped(world, 40, "add", "data")

    second = world.run("add", "big.bin")
    first = stopped.go_on()
    third = world.run("add", "big.bin")

    assert second.rc != 0
    assert "Unable to acquire lock" in second.stderr
    assert (0, 0) == (first.rc, third.rc)
    assert {"repo/data.dvc", "repo/big.bin.dvc"} == picture(world).pointers().keys()


def test_dvcs_own_lock_is_respected_and_dies_with_its_holder(world: World) -> None:
    write_first(world)
    (world.repo / ".dvc/tmp").mkdir()
    with open(world.repo / ".dvc/tmp/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        held = world.run("add", "big.bin")
    free = world.run("add", "big.bin")

    assert held.rc != 0
    assert "Unable to acquire lock" in held.stderr
    assert free.rc == 0, str(free)


RECORDS = {
    "empty": "",
    "torn": '{"write": {"',
    "a list": "[]",
    "a dead holder": json.dumps({"write": {"{root}/big.bin": {"pid": 4_000_000, "cmd": "dvc"}}}),
    "strange": json.dumps({"write": {"{root}/big.bin": 5}, "read": None}),
}


@pytest.mark.parametrize("record", RECORDS)
def test_dvcs_record_of_busy_paths_blocks_nobody_when_it_is_torn_or_dead(
    record: str, base: Path, runs: Runs
) -> None:
    """Row 15."""
    world = new_world(base / "world", runs, "copy")
    added(world)
    text = RECORDS[record].replace("{root}", str(world.repo))
    (world.repo / ".dvc/tmp/rwlock").write_text(text)

    done = [world.run(*words) for words in (("add", "big.bin"), ("checkout",), ("commit", "-f"))]

    assert [0, 0, 0] == [run.rc for run in done], str(done)


def test_a_living_holder_of_a_path_is_named(base: Path, runs: Runs) -> None:
    world = new_world(base / "world", runs, "copy")
    added(world)
    holder = {"pid": os.getpid(), "cmd": "dvc repro train"}
    record = {"write": {str(world.repo / "big.bin"): holder}, "read": {}}
    (world.repo / ".dvc/tmp/rwlock").write_text(json.dumps(record))

    done = world.run("add", "big.bin")

    assert done.rc != 0
    assert f"(PID {os.getpid()}): dvc repro train" in done.stderr
