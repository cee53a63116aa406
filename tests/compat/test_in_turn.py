"""Real DVC and our program on the same project in turn: what one writes the other reads."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.buckets import Bucket
from tests.support.oracle import Oracle
from tests.support.programs import Program, Runner, git
from tests.support.project import Project, make_project, objects, picture
from tests.support.wanted import is_wanted

LINK_TYPES = ["copy", "hardlink", "symlink", "reflink,copy"]
DATA = {
    "data/1.png": b"\x89PNG one",
    "data/deep/2.png": b"\x89PNG two",
    "data/empty": b"",
    "data/späne #1.txt": b"text\r\nmore\r\n",
    "table.csv": b"a,b\r\n1,2\r\n",
    "tool.sh": b"#!/bin/sh\n",
}


@dataclass(frozen=True, slots=True)
class Turn:
    """Who starts and who takes over."""

    first: Runner
    second: Runner


@pytest.fixture(params=["DVC first", "ours first"])
def turn(request: pytest.FixtureRequest, oracle: Oracle, dvc: Program) -> Turn:
    return Turn(oracle, dvc) if request.param == "DVC first" else Turn(dvc, oracle)


@pytest.fixture
def shared(tmp_path: Path, turn: Turn) -> Project:
    """A project that the first program made, with data that nobody tracks yet."""
    project = make_project(tmp_path / "shared", turn.first)
    for path, data in DATA.items():
        project.write(path, data)
    (project.root / "tool.sh").chmod(0o755)
    return project


def tracked(root: Path) -> dict[str, bytes]:
    """The data of the project, whatever kind of link it is."""
    return {path: (root / path).read_bytes() for path in DATA if (root / path).exists()}


def lose_data(project: Project) -> None:
    shutil.rmtree(project.root / "data")
    (project.root / "table.csv").unlink()
    (project.root / "tool.sh").unlink()


def metadata(project: Project) -> dict[str, bytes]:
    """What Git keeps: pointers, ignore files and settings."""
    return {
        path: entry.data
        for path, entry in picture(project.root, leave_out=(".git", ".dvc/tmp")).items()
        if path.endswith((".dvc", ".gitignore", "/config")) and entry.kind == "file"
    }


@pytest.mark.parametrize("kind", LINK_TYPES)
def test_data_added_by_one_is_clean_and_restored_by_the_other(
    shared: Project, turn: Turn, kind: str
) -> None:
    shared.dvc("config", "cache.type", kind)
    shared.dvc("add", "data", "table.csv", "tool.sh")

    assert {} == turn.second("status", "--json", cwd=shared.root, check=True).json

    lose_data(shared)
    turn.second("checkout", cwd=shared.root, check=True)

    assert tracked(shared.root) == DATA
    assert os.access(shared.root / "tool.sh", os.X_OK)
    assert {} == shared.dvc("status", "--json").json


@pytest.mark.parametrize("kind", LINK_TYPES)
def test_adding_again_what_the_other_added_changes_nothing(
    shared: Project, turn: Turn, kind: str
) -> None:
    shared.dvc("config", "cache.type", kind)
    shared.dvc("add", "data", "table.csv", "tool.sh")
    written, stored = metadata(shared), objects(shared.cache)

    turn.second("add", "data", "table.csv", "tool.sh", cwd=shared.root, check=True)

    assert metadata(shared) == written
    assert objects(shared.cache) == stored


def test_a_change_that_one_made_is_seen_by_the_other(shared: Project, turn: Turn) -> None:
    shared.dvc("add", "data", "table.csv")
    shared.write("data/3.png", b"three")
    (shared.root / "table.csv").unlink()

    answer = turn.second("status", "--json", cwd=shared.root, check=True).json

    assert answer == {
        "data.dvc": [{"changed outs": {"data": "modified"}}],
        "table.csv.dvc": [{"changed outs": {"table.csv": "deleted"}}],
    }


def test_a_file_added_inside_the_other_s_folder_is_in_its_manifest(
    shared: Project, turn: Turn
) -> None:
    shared.dvc("add", "data")
    shared.write("data/deep/new.png", b"new")
    turn.second("add", "data/deep/new.png", cwd=shared.root, check=True)

    assert {} == shared.dvc("status", "--json").json
    assert "nfiles: 5" in (shared.root / "data.dvc").read_text()


def test_a_commit_completes_the_other_s_add_without_commit(shared: Project, turn: Turn) -> None:
    shared.dvc("add", "--no-commit", "data", "table.csv")
    turn.second("commit", "-f", cwd=shared.root, check=True)
    shutil.rmtree(shared.root / "data")

    shared.dvc("checkout")

    assert DATA["data/1.png"] == (shared.root / "data/1.png").read_bytes()


def test_versions_of_both_are_checked_out_by_both(shared: Project, turn: Turn) -> None:
    shared.dvc("add", "table.csv")
    shared.commit_all("one")
    shared.git("tag", "one")
    (shared.root / "table.csv").write_bytes(b"new")
    turn.second("add", "table.csv", cwd=shared.root, check=True)
    shared.commit_all("two")

    for tag, expected, program in (
        ("one", DATA["table.csv"], turn.second),
        ("main", b"new", turn.first),
        ("one", DATA["table.csv"], turn.first),
        ("main", b"new", turn.second),
    ):
        shared.git("checkout", "-q", tag)
        said = program("checkout", cwd=shared.root, check=True)

        assert (expected, ["M", "table.csv"]) == (
            (shared.root / "table.csv").read_bytes(),
            said.stdout.split(),
        )


def test_a_pointer_edited_by_hand_is_kept_the_same_way(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    by_hand = (
        "# a comment\ndesc: top desc\nmeta:\n  owner: me\nouts:\n"
        "- md5: 575c5638d60271457e54ab7d07309502   # c2\n  path: f2\n  desc: some\n"
        "  type: model\n  labels: [x, y]\n  cache: true\n  remote: lr\n  push: false\n"
        "  persist: true\n"
    )
    written = []
    for name, program in (("dvc", oracle), ("our", dvc)):
        project = make_project(tmp_path / name, program)
        project.write("f2", "f2\n")
        project.write("f2.dvc", by_hand)
        project.dvc("add", "f2")
        written.append((project.root / "f2.dvc").read_text())

    assert written[0] == written[1]
    assert "# c2" in written[1]


def clone(project: Project, to: Path, program: Runner) -> Project:
    git("clone", "-q", str(project.root), str(to))
    return Project(to, program)


def pushes_and_pulls(shared: Project, turn: Turn, base: Path) -> None:
    """One pushes, the other pulls in a clone, pushes more, and the first fetches that."""
    shared.dvc("add", "data", "table.csv", "tool.sh")
    shared.commit_all()

    assert ["7 files pushed"] == shared.dvc("push").lines

    other = clone(shared, base / "clone", turn.second)

    assert "7 files fetched and 6 files added" in other.dvc("pull").stdout.splitlines()
    assert tracked(other.root) == DATA
    assert other.dvc("push").lines == ["Everything is up to date."]

    other.write("data/3.png", b"three")
    other.dvc("add", "data")
    answer = {"data/3.png": "new", "data": "new"}

    assert answer == other.dvc("status", "-c", "--json").json
    assert other.dvc("push").lines == ["2 files pushed"]

    other.commit_all()
    shared.git("pull", "-q", str(other.root), "main")
    shared.dvc("pull")

    assert b"three" == (shared.root / "data/3.png").read_bytes()
    assert {} == shared.dvc("status", "-c", "--json").json


def test_a_folder_as_remote_serves_both(shared: Project, turn: Turn, tmp_path: Path) -> None:
    shared.dvc("remote", "add", "-d", "store", str(tmp_path / "remote"))

    pushes_and_pulls(shared, turn, tmp_path)

    assert objects(shared.cache) == objects(tmp_path / "remote")


def test_a_bucket_serves_both(
    shared: Project,
    turn: Turn,
    tmp_path: Path,
    s3_bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_bucket.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_bucket.secret)
    shared.dvc("remote", "add", "-d", "b2", f"s3://{s3_bucket.name}/some/path")
    shared.dvc("remote", "modify", "b2", "endpointurl", s3_bucket.endpoint)

    pushes_and_pulls(shared, turn, tmp_path)

    assert s3_bucket.keys() == [f"some/path/{key}" for key in sorted(objects(shared.cache))]


def test_what_one_lost_the_other_finds_missing(shared: Project, turn: Turn, tmp_path: Path) -> None:
    shared.dvc("remote", "add", "-d", "store", str(tmp_path / "remote"))
    shared.dvc("add", "data")
    shared.dvc("push")
    shutil.rmtree(shared.cache)

    answer = turn.second("status", "-c", "--json", cwd=shared.root, check=True).json

    assert {"data": "deleted"} == answer or {"deleted"} == set(answer.values())

    turn.second("fetch", cwd=shared.root, check=True)

    assert objects(shared.cache) == objects(tmp_path / "remote")


SETTINGS: list[tuple[str, ...]] = [
    ("config", "core.autostage", "true"),
    ("config", "--local", "cache.type", "hardlink,copy"),
    ("config", "--global", "core.checksum_jobs", "3"),
    ("remote", "add", "-d", "Store", "../data"),
    ("remote", "add", "b2", "s3://bucket/some path"),
    ("remote", "modify", "b2", "endpointurl", "http://localhost:1"),
    ("remote", "modify", "--local", "b2", "secret_access_key", "a#b'c\"d, e"),
    ("remote", "add", "--local", "lab", "ssh://user@host:2222/path"),
    ("remote", "modify", "--local", "lab", "password", " spaces "),
    ("cache", "dir", "../cache"),
    ("remote", "add", "old", "gs://bucket"),
    ("remote", "rename", "old", "cloud"),
    ("remote", "default", "cloud"),
    ("config", "-u", "core.autostage"),
    ("remote", "remove", "store"),
]
QUESTIONS: list[tuple[str, ...]] = [
    ("config", "-l"),
    ("config", "-l", "--show-origin"),
    ("config", "-l", "--local"),
    ("remote", "list"),
    ("remote", "default"),
    ("cache", "dir"),
    ("config", "remote.b2.secret_access_key"),
    ("config", "remote.lab.password"),
]


def without_secrets(listing: str) -> str:
    """A listing as ours is when docs/compat.md says that a list of settings shows no secret."""
    if is_wanted("config-list-secrets") and "=" in listing:
        listing = re.sub(r"(?m)(password|secret_access_key)=.*", r"\1=***", listing)
    return listing


def test_settings_are_written_and_read_alike_in_turn(
    shared: Project, turn: Turn, tmp_path: Path, oracle: Oracle
) -> None:
    """Each setting is written by the other program than the one before; then both answer."""
    alone = make_project(tmp_path / "alone1", oracle)
    for number, setting in enumerate(SETTINGS):
        (turn.first, turn.second)[number % 2](*setting, cwd=shared.root, check=True)
        if "--global" not in setting:
            alone.dvc(*setting)

    for name in ("config", "config.local"):
        written = (shared.root / ".dvc" / name).read_text()
        assert (alone.root / ".dvc" / name).read_text() == written
    for question in QUESTIONS:
        asked = [who(*question, cwd=shared.root) for who in (turn.first, turn.second)]
        answers = [(answer.rc, without_secrets(answer.stdout)) for answer in asked]
        assert answers[0] == answers[1]


def test_a_cache_shared_by_two_projects_serves_both_programs(tmp_path: Path, turn: Turn) -> None:
    one = make_project(tmp_path / "one", turn.first)
    two = make_project(tmp_path / "two", turn.second)
    for project in (one, two):
        project.dvc("cache", "dir", str(tmp_path / "cache"))
        project.dvc("config", "cache.shared", "group")
        project.dvc("config", "cache.type", "hardlink,symlink")
        project.write("data/x", "the same")
    one.dvc("add", "data")
    stored = objects(tmp_path / "cache")

    two.dvc("add", "data")

    assert stored == objects(tmp_path / "cache")
    assert {} == two.dvc("status", "--json").json == one.dvc("status", "--json").json
