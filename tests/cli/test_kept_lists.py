"""Lists of files that were fetched for a look at a repository end as its mirror does."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.project import Project

DAY_S = 86400


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that holds them, in a cache of the user's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    return tmp_path / "own/pannier/sources/cache/files/md5"


@pytest.fixture
def source(kept: Path, new_project: Callable[[str], Project]) -> Project:
    """Three folders whose lists only the remote has."""
    made = new_project("source")
    made.dvc("remote", "add", "-q", "-d", "there", "../remote")
    for name in ("one", "two", "three"):
        made.write(f"{name}/of {name}", name)
        made.dvc("add", "-q", name)
    made.dvc("push", "-q")
    made.commit_all()
    shutil.rmtree(made.cache)
    return made


def look(source: Project, name: str) -> str:
    return source.dvc("list", "-R", f"file://{source.root}", name).stdout


def lists(kept: Path) -> set[Path]:
    return {path for path in kept.glob("??/*") if path.name.endswith(".dir")}


def age(path: Path, days: float) -> None:
    long_ago = time.time() - days * DAY_S
    os.utime(path, (long_ago, long_ago))


def test_who_keeps_a_list_removes_those_that_nobody_asked_for(source: Project, kept: Path) -> None:
    look(source, "one")
    (old,) = lists(kept)
    look(source, "two")
    (young,) = lists(kept) - {old}
    age(old, 31)
    age(young, 29)

    look(source, "three")

    assert not old.exists()
    assert young.exists()
    assert "of one\n" == look(source, "one")
    assert 3 == len(lists(kept))


def test_a_list_that_is_asked_for_stays(source: Project, kept: Path) -> None:
    look(source, "one")
    (old,) = lists(kept)
    age(old, 31)

    assert "of one\n" == look(source, "one")
    look(source, "two")

    assert old.exists()


def test_a_list_that_cannot_be_removed_or_marked_is_no_failure(source: Project, kept: Path) -> None:
    look(source, "one")
    (old,) = lists(kept)
    old.unlink()
    old.mkdir()
    age(old, 31)

    assert "of one\n" == look(source, "one")
    assert "of two\n" == look(source, "two")


def test_damaged_lists_that_were_put_aside_go_as_well(source: Project, kept: Path) -> None:
    aside = kept / "quarantine"
    look(source, "one")
    aside.mkdir()
    (aside / "old").write_text("damaged")
    age(aside / "old", 31)

    look(source, "two")

    assert [] == os.listdir(aside)
