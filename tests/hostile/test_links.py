"""Links that a repository brought, where the program keeps and expects files of its own.

Git keeps symbolic links, also in `.dvc/`, whatever `.dvc/.gitignore` says. Through none of them is
anything written, emptied or removed outside, and none makes a command read without end (D6).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.hostile.commands import ON_DATA, ON_SETTINGS, Command
from tests.support.crash import World, everything, md5
from tests.support.hostile import EVIL, SECRET, faults_in, harm, outside, point_at, report
from tests.support.oracle import Oracle
from tests.support.programs import git
from tests.support.wanted import is_wanted

OWN_PLACES = [
    ".dvc/tmp",
    ".dvc/tmp/pannier",
    ".dvc/tmp/lock",
    ".dvc/tmp/rwlock",
    ".dvc/cache",
    ".dvc/cache/files",
    ".dvc/cache/files/md5",
    ".dvc/cache/files/md5/tmp",
    ".dvc/cache/files/md5/quarantine",
    ".dvc/cache/files/md5/60",  # where "a\n" goes
]


def lay_out(world: World) -> None:
    """What commands write, truncate, sweep or move by name, all of it somebody else's here."""
    canary = world.base / "canary"
    for name in ("wt-1-abc", "pannier/wt-1-abc", "files/md5/00", "00000000-1-00000000", "tmp"):
        (canary / "folder" / name).mkdir(parents=True)
        (canary / "folder" / name / "mine").write_bytes(b"mine\n")
    for name in ("clock-999999999", ".1-a.pannier-tmp", ".999999999.pannier-probe.2", "lock"):
        (canary / "folder" / name).write_bytes(b"mine\n")


def link(world: World, place: str, target: Path | str) -> None:
    """Puts a link, kept by Git, in the place of what is there."""
    path = world.repo / place
    world.remove(f"repo/{place}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    git("add", "-f", place, cwd=world.repo)


def write_here(world: World) -> None:
    """Something to do for each command."""
    world.write("new/a.txt", b"a\n")
    point_at(world, md5(EVIL))


@pytest.mark.parametrize("place", OWN_PLACES)
def test_nothing_is_written_or_swept_through_links_in_our_own_places(
    place: str, world: World
) -> None:
    lay_out(world)
    write_here(world)
    is_file = place.endswith("lock")
    link(world, place, world.base / "canary" / ("secret.txt" if is_file else "folder"))
    before = outside(world)

    told = [
        *harm(world, before),
        *faults_in(world.run("add", "new")),
        *harm(world, before, ON_SETTINGS),
    ]

    assert not told, report(told)


def test_a_committed_link_to_a_file_empties_it_with_dvc_only(world: World, oracle: Oracle) -> None:
    assert is_wanted("committed-links")
    victims = [world.base / "canary" / name for name in ("secret.txt", "folder/precious.txt")]
    before = [victim.read_bytes() for victim in victims]
    (world.repo / ".dvc/tmp").mkdir()

    link(world, ".dvc/tmp/lock", victims[0])
    theirs = oracle("checkout", cwd=world.repo)
    link(world, ".dvc/tmp/lock", victims[1])
    ours = world.run("checkout")

    assert 0 == theirs.rc
    assert before[0] != victims[0].read_bytes()
    assert 0 != ours.rc
    assert before[1] == victims[1].read_bytes()
    assert "git rm --cached .dvc/tmp/lock" in ours.stderr


WRITTEN = ["new.dvc", ".gitignore", "dvc.lock", ".dvc/config", ".dvc/config.local"]


@pytest.mark.parametrize("target", ["there", "not there"])
@pytest.mark.parametrize("place", [*WRITTEN, ".dvc/pannier.toml", ".dvc/.gitignore"])
def test_no_file_that_is_written_is_a_link_to_elsewhere(
    place: str, target: str, world: World
) -> None:
    """DVC and an editor would write through the link."""
    write_here(world)
    (world.repo / "dvc.yaml").write_text("stages:\n  s:\n    cmd: 'true'\n    outs: [new/a.txt]\n")
    victim = world.base / "canary" / ("empty" if target == "there" else "absent")
    if target == "there":
        victim.write_bytes(b"")
    link(world, place, victim)
    before = outside(world)

    told = [
        *faults_in(world.run("add", "new/a.txt")),
        *faults_in(world.run("add", "new")),
        *harm(world, before),
        *harm(world, before, ON_SETTINGS),
    ]

    assert not told, report(told)


ENDLESS = [
    ".dvcignore",
    "sub/.dvcignore",
    ".dvc/config",
    ".dvc/config.local",
    ".dvc/pannier.toml",
    "y.dvc",
    "dvc.yaml",
    "dvc.lock",
    "params.yaml",
    ".gitignore",
    ".dvc/tmp/rwlock",
]


@pytest.mark.parametrize("device", ["/dev/zero", "pipe"])
@pytest.mark.parametrize("place", ENDLESS)
def test_no_file_of_a_project_is_read_without_end(place: str, device: str, world: World) -> None:
    """A link to a device, or a pipe that nobody writes to: soon an answer, in little memory."""
    write_here(world)
    (world.repo / "sub").mkdir()
    if not place.startswith("dvc.y"):
        (world.repo / "dvc.yaml").write_text("stages:\n  s:\n    cmd: echo ${x}\n    params: [x]\n")
    if device == "pipe":
        world.remove(f"repo/{place}")
        (world.repo / place).parent.mkdir(exist_ok=True)
        os.mkfifo(world.repo / place)
    else:
        link(world, place, device)

    told = [
        line
        for words in [*(c.words for c in ON_DATA), ("add", "sub"), ("checkout", "y.dvc")]
        for line in faults_in(world.run(*words, seconds=10))
    ]

    assert not told, report(told)


@pytest.mark.parametrize("command", ON_DATA, ids=str)
@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
def test_no_command_takes_files_through_a_link_on_the_way(
    kind: str, command: Command, world: World
) -> None:
    """S3: a committed `link -> outside` and an output below it that is there. Its bytes would go
    into the cache and to the remote, and with hard links the file itself would become read-only."""
    world.links(kind)
    (world.repo / "link").symlink_to(world.base / "canary")
    point_at(world, md5(b"whatever"), "link/secret.txt")
    mode = (world.base / "canary/secret.txt").stat().st_mode
    before = outside(world)

    told = harm(world, before, [command])

    assert not told, report(told)
    assert mode == (world.base / "canary/secret.txt").stat().st_mode
    stored = everything(world.base / "remote") | everything(world.store)
    assert [] == [path for path, thing in stored.items() if SECRET in thing.data]


@pytest.mark.parametrize("command", [c for c in ON_DATA if c.puts or c.takes], ids=str)
def test_an_output_behind_a_link_is_refused_also_when_its_bytes_are_right(
    command: Command, world: World
) -> None:
    """What lies behind the link is not the project's, so it is not "up to date" either."""
    (world.repo / "link").symlink_to(world.base / "canary")
    point_at(world, md5(SECRET), "link/secret.txt")

    done = world.run(*command.words)

    assert done.rc != 0
    assert "'link' is a link" in done.stderr


def test_a_link_of_the_user_that_leaves_the_project_is_warned_of(world: World) -> None:
    """Row 18: its content is stored, as with DVC, but nobody shares a password file unawares."""
    (world.repo / "data").mkdir()
    (world.repo / "data/inside").symlink_to("real.txt")
    (world.repo / "data/real.txt").write_bytes(b"real\n")
    (world.repo / "data/outside").symlink_to(world.base / "canary/secret.txt")

    done = world.run("add", "data")

    assert is_wanted("link-outside")
    assert done.rc == 0, str(done)
    assert "data/outside" in done.stderr
    assert "data/inside" not in done.stderr
    assert (world.repo / "data/outside").is_symlink()
