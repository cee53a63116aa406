"""Projects, caches and remotes that can only be read (row 27).

Reading commands work there; writing commands say one sentence, and nothing changes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.crash import FIRST, Runs, World, everything, new_world, write_first
from tests.support.crash_disks import needs_root
from tests.support.programs import Completed
from tests.support.second_user import ANNA, environment, why_not

pytestmark = [pytest.mark.root, needs_root]

PLACES = {"project": "repo", "cache": "repo/.dvc/cache", "remote": "remote"}
READING = [
    "status",
    "status --json",
    "status -c",
    "data status",
    "list .",
    "du .",
    "op log",
    "gc -w --dry",
    "config -l",
    "remote list",
    "remote default",
    "root",
    "version",
]
WRITING = {
    # What is given up before the command, so that there is something to write; and where it writes.
    "add new.txt": ("", ("project", "cache")),
    "commit -f": ("", ("project", "cache")),
    "checkout": ("repo/data", ("project",)),
    "fetch": ("repo/.dvc/cache/files", ("project", "cache")),
    "pull": ("repo/.dvc/cache/files repo/data", ("project", "cache")),
    "push": ("remote/files", ("project", "remote")),
    "config core.autostage true": ("", ("project",)),
    "remote add other /nowhere": ("", ("project",)),
    "remote modify there url /nowhere": ("", ("project",)),
    "remote remove there": ("", ("project",)),
    "install": ("", ("project",)),
    "remove data.dvc": ("", ("project",)),
    "move big.bin other.bin": ("", ("project",)),
    "freeze data.dvc": ("", ("project",)),
    "undo": ("", ("project",)),
    "destroy -f": ("", ("project",)),
}
"""By command: paths removed before, and the places of which it needs each to be writable."""
CASES = [(command, place) for command, (_, places) in WRITING.items() for place in places]


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


class ReadOnly:
    """A world on a disk of its own, of which some place becomes read-only in one of two ways.

    rights: everything is root's, and the program runs as another user. mount: it is mounted so.
    """

    def __init__(self, base: Path, runs: Runs, env: dict[str, str]) -> None:
        self.world, self._runs, self._env = new_world(base / "world", runs, "copy"), runs, env

    def run(self, *args: str) -> Completed:
        return self._runs(*args, cwd=self.world.repo, env=self._env)

    def look(self) -> dict[str, object]:
        return {p: (t.kind, t.data) for p, t in everything(self.world.base).items()}


@contextmanager
def mounted_read_only(place: Path) -> Iterator[None]:
    subprocess.run(["mount", "--bind", place, place], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
        yield
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.fixture(scope="session")
def annas_runs() -> Iterator[Runs]:
    if reason := why_not():
        pytest.skip(reason)
    started = Runs(ANNA.command)
    yield started
    started.close()


@pytest.fixture(params=["rights", "mount"])
def world(request: pytest.FixtureRequest, base: Path, runs: Runs) -> ReadOnly:
    base.chmod(0o755)
    if request.param == "mount":
        made = ReadOnly(base, runs, {"XDG_CACHE_HOME": str(base / "xdg")})
    else:
        user = request.getfixturevalue("annas_runs")
        made = ReadOnly(base, user, environment(base / "home", ANNA))
    by_root = World(made.world.base, runs)
    write_first(by_root)
    (by_root.repo / "data/b.txt").chmod(0o644)  # else another user may not even read it
    by_root.dvc("add", "-q", "big.bin", "data")
    by_root.dvc("push", "-q")
    by_root.write("new.txt", b"new\n")
    by_root.write("data/a.txt", b"edited\n")
    return made


@contextmanager
def read_only(made: ReadOnly, place: str, way: str) -> Iterator[None]:
    """By rights: all other places are Anna's."""
    with ExitStack() as stack:
        target = made.world.base / PLACES[place]
        if way == "mount":
            stack.enter_context(mounted_read_only(target))
        else:
            for folder, _, files in os.walk(made.world.base):
                if not Path(folder).is_relative_to(target):
                    os.chown(folder, ANNA.number, -1)
                    for name in files:
                        os.chown(f"{folder}/{name}", ANNA.number, -1)
        yield


def way_of(request: pytest.FixtureRequest) -> str:
    return str(request.node.callspec.params["world"])


@pytest.mark.parametrize("place", PLACES)
def test_what_can_only_be_read_can_be_looked_at(
    place: str, world: ReadOnly, request: pytest.FixtureRequest
) -> None:
    before = world.look()
    with read_only(world, place, way_of(request)):
        done = {command: world.run(*command.split()) for command in READING}

    found = [str(one) for one in done.values() if one.rc != 0]
    assert [] == found
    assert "data.dvc" in done["status"].stdout
    assert before == {p: t for p, t in world.look().items() if p in before}


@pytest.mark.parametrize(("command", "place"), CASES)
def test_what_cannot_be_written_is_told_in_one_sentence_and_nothing_changes(
    command: str, place: str, world: ReadOnly, request: pytest.FixtureRequest
) -> None:
    given_up, _ = WRITING[command]
    if command in ("pull", "checkout"):
        world.world.write("data/a.txt", FIRST["data/a.txt"])
    for path in given_up.split():
        shutil.rmtree(world.world.base / path)
    before = world.look()
    with read_only(world, place, way_of(request)):
        done = world.run(*command.split())
    target = PLACES[place]
    after = world.look()

    assert done.rc > 0, str(done)
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    assert 1 == len(errors), str(done)
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr, str(done)
    changed = [
        path
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path)
        and not path.startswith(("repo/.dvc/tmp", "xdg"))
        and (path.startswith(target) or not path.startswith(("repo/.dvc/cache", "remote")))
    ]
    assert [] == changed


@pytest.mark.parametrize(
    ("command", "place"),
    [("cache verify", "cache"), ("remote verify", "remote"), ("remote verify", "cache")],
)
def test_damage_is_named_where_it_cannot_be_mended(
    command: str, place: str, world: ReadOnly, request: pytest.FixtureRequest
) -> None:
    kind = PLACES["remote" if command == "remote verify" else "cache"]
    for name, text in (("data/b.txt", "damaged"), ("big.bin", "")):
        digest = md5(FIRST[name])
        path = world.world.base / kind / "files/md5" / digest[:2] / digest[2:]
        path.chmod(0o644)
        path.write_text(text) if text else path.unlink()
    with read_only(world, place, way_of(request)):
        done = [world.run(*command.split(), *more) for more in ((), ("--repair",))]

    mended = kind != PLACES[place]
    assert [1, 0 if mended else 1] == [one.rc for one in done], str(done)
    assert md5(FIRST["data/b.txt"]) in done[0].stdout
    assert ("cannot be moved aside" in done[0].stdout) != mended
    assert "ERROR" not in done[0].stderr + done[1].stderr
