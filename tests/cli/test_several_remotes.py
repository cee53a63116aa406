"""One project, several remotes: to all of them, from whichever has it, and from one to another."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from tests.support.project import Project


def objects(remote: Path) -> set[str]:
    root = remote / "files/md5"
    return {path.relative_to(root).as_posix() for path in root.glob("*/*") if path.is_file()}


@pytest.fixture
def stored(project: Project) -> Project:
    """A folder and a file in the cache; remotes a (the default), b and c, all empty."""
    for name in "abc":
        project.dvc("remote", "add", "-q", name, f"../{name}")
    project.dvc("remote", "default", "-q", "a")
    for number in range(5):
        project.write(f"data/{number}", f"datum {number}")
    project.write("file", "one file")
    project.dvc("add", "-q", "data", "file")
    return project


def lose(project: Project) -> None:
    """The cache and the workspace's data are gone."""
    shutil.rmtree(project.cache)
    shutil.rmtree(project.root / "data", ignore_errors=True)
    (project.root / "file").unlink(missing_ok=True)


def test_push_all_remotes_leaves_the_same_in_every_one(stored: Project) -> None:
    done = stored.dvc("push", "--all-remotes")

    base = stored.root.parent
    assert len(objects(base / "a")) == 7
    assert objects(base / "a") == objects(base / "b") == objects(base / "c")
    assert [f"7 files pushed to '{name}'" for name in "abc"] == done.lines
    again = stored.dvc("push", "--all-remotes")
    assert [f"Everything is up to date to '{name}'." for name in "abc"] == again.lines


def test_an_output_with_a_remote_of_its_own_goes_to_no_other(stored: Project) -> None:
    pointer = stored.root / "file.dvc"
    pointer.write_text(pointer.read_text() + "  remote: b\n")

    done = stored.dvc("push", "--all-remotes")

    assert ["6 files pushed to 'a'", "7 files pushed to 'b'", "6 files pushed to 'c'"] == done.lines
    assert [6, 7, 6] == [len(objects(stored.root.parent / name)) for name in "abc"]


def test_a_remote_that_fails_does_not_keep_the_others_from_their_copy(stored: Project) -> None:
    (stored.root.parent / "a").write_text("no folder")

    done = stored.dvc("push", "--all-remotes", check=False)

    assert done.rc == 1
    assert "remote 'a'" in done.stderr
    assert len(objects(stored.root.parent / "c")) == 7


def test_all_remotes_and_a_remote_are_not_asked_for_together(stored: Project) -> None:
    done = stored.dvc("push", "--all-remotes", "-r", "b", check=False)

    assert done.rc != 0
    assert not (stored.root.parent / "b").exists()


def test_what_the_default_remote_lacks_comes_from_those_after_it(stored: Project) -> None:
    stored.dvc("push", "-q", "-r", "b")
    stored.dvc("push", "-q", "-r", "a", "file.dvc")
    stored.dvc("config", "pannier.fallback", "c, b")
    lose(stored)

    done = stored.dvc("pull")

    assert (stored.root / "data/3").read_text() == "datum 3"
    assert (stored.root / "file").read_text() == "one file"
    assert "trying remote 'c'" in done.stderr
    assert "trying remote 'b'" in done.stderr


def test_a_damaged_object_comes_from_the_next_remote(stored: Project) -> None:
    stored.dvc("push", "-q", "--all-remotes")
    stored.dvc("config", "pannier.fallback", "b")
    damaged = next(p for p in (stored.root.parent / "a/files/md5").glob("*/*") if p.is_file())
    damaged.chmod(0o644)
    damaged.write_bytes(bytes(len(damaged.read_bytes())))
    lose(stored)

    stored.dvc("pull")

    assert (stored.root / "data/3").read_text() == "datum 3"
    assert stored.dvc("status").lines == ["Data and pipelines are up to date."]


def test_without_fallback_or_with_a_named_remote_no_other_is_asked(stored: Project) -> None:
    stored.dvc("push", "-q", "-r", "b")
    lose(stored)

    assert stored.dvc("fetch", check=False).rc == 1
    stored.dvc("config", "pannier.fallback", "b")
    assert stored.dvc("fetch", "-r", "c", check=False).rc == 1
    assert stored.dvc("fetch").lines == ["7 files fetched"]


def test_remote_sync_copies_what_the_other_lacks(stored: Project) -> None:
    stored.dvc("push", "-q", "-r", "a")
    stored.dvc("push", "-q", "-r", "b", "file.dvc")
    lose(stored)

    done = stored.dvc("remote", "sync", "a", "b")

    assert done.lines == ["6 files copied from 'a' to 'b'"]
    assert objects(stored.root.parent / "a") == objects(stored.root.parent / "b")
    assert stored.dvc("remote", "sync", "a", "b").lines == ["Everything is up to date."]
    stored.dvc("pull", "-q", "-r", "b")
    assert (stored.root / "data/4").read_text() == "datum 4"


def test_remote_sync_hands_no_damaged_object_on_and_no_list_that_lacks_a_file(
    stored: Project,
) -> None:
    stored.dvc("push", "-q", "-r", "a")
    base = stored.root.parent
    (damaged,) = (p for p in (base / "a/files/md5").glob("*/*") if p.read_bytes() == b"datum 2")
    damaged.chmod(0o644)
    damaged.write_bytes(b"datum 3")

    done = stored.dvc("remote", "sync", "a", "b", check=False)

    assert done.rc == 1
    assert "corrupt" in done.stderr
    assert "1 of the files that it names did not arrive" in done.stderr
    assert len(objects(base / "b")) == 5
    assert not [name for name in objects(base / "b") if name.endswith(".dir")]


def test_remote_sync_leaves_nothing_on_this_machine(stored: Project) -> None:
    stored.dvc("push", "-q", "-r", "a")
    before = {p for p in stored.root.rglob("*") if p.is_file()}

    stored.dvc("remote", "sync", "a", "c")

    assert {p for p in stored.root.rglob("*") if p.is_file()} - before == set()


@pytest.mark.parametrize("args", [("a", "a"), ("a", "nope"), ("nope", "b")])
def test_remote_sync_of_what_is_no_pair_of_remotes_is_refused(
    stored: Project, args: tuple[str, str]
) -> None:
    done = stored.dvc("remote", "sync", *args, check=False)

    assert done.rc != 0
    assert "remote" in done.stderr


@pytest.mark.parametrize("rate", ["0", "-1", "fast", "1x", "k", "", "nan", "inf"])
def test_a_rate_that_is_none_is_refused(stored: Project, rate: str) -> None:
    assert stored.dvc("push", f"--limit-rate={rate}", check=False).rc == 254


def test_a_push_is_no_faster_than_its_rate(stored: Project) -> None:
    stored.write("big", bytes(3 << 20))
    stored.dvc("add", "-q", "big")

    start = time.monotonic()
    stored.dvc("push", "-q", "--limit-rate", "2M", "big.dvc")

    assert time.monotonic() - start >= 1.5
    assert stored.dvc("status", "-c", "big.dvc").rc == 0


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
def test_what_is_pulled_cannot_be_written_by_mistake_into_the_cache(
    stored: Project, kind: str
) -> None:
    stored.dvc("push", "-q")
    lose(stored)
    stored.dvc("config", "cache.type", kind)

    stored.dvc("pull", "-q")

    paths = [stored.root / "file", *(stored.root / "data").iterdir()]
    assert {0o444} == {path.stat().st_mode & 0o777 for path in paths}
