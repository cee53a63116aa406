"""Walk-through 1: a folder of images, shared with a team, on an S3-compatible store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.shell import Shell
from tests.support.buckets import Bucket
from tests.support.project import picture
from tests.support.samples import write_images
from tests.support.terminal import run_on_terminal

IMAGES = 300


@dataclass(slots=True)
class Team:
    """Two machines, one Git server, one bucket. mine: the images as they were made."""

    first: Shell
    second: Shell
    bucket: Bucket
    images: dict[str, bytes]


def images_in(folder: Path) -> dict[str, bytes]:
    return {p: e.data for p, e in picture(folder).items() if e.kind == "file"}


def write_keys(folder: Path, bucket: Bucket) -> None:
    """The key pair in a git-ignored `.env`, as each person of the team has it."""
    (folder / ".env").write_text(
        f"export AWS_ACCESS_KEY_ID={bucket.key_id}\nexport AWS_SECRET_ACCESS_KEY={bucket.secret}\n"
    )


@pytest.fixture
def team(tmp_path: Path, s3_bucket: Bucket) -> Team:
    """The walk-through up to the first commit, and a server that the others clone from."""
    work = tmp_path / "work"
    work.mkdir()
    first = Shell(work)
    first("git init && dvc init")
    images = write_images(work / "data/raw/training-data", IMAGES)
    said = first("dvc add data/raw/training-data").stdout
    line = first.printed_git_line(said)

    assert sorted(line.split()[2:]) == ["data/raw/.gitignore", "data/raw/training-data.dvc"]

    first(line)
    (work / ".gitignore").write_text(".env\n")
    first("git add .gitignore && git commit -m 'Track the images'")
    first(f"dvc remote add -d b2 s3://{s3_bucket.name}/")
    first(f"dvc remote modify b2 endpointurl {s3_bucket.endpoint}")
    first("git add .dvc/config && git commit -m 'Name the remote'")
    write_keys(work, s3_bucket)
    first(f"git init -q --bare {tmp_path}/server.git")
    first(f"git remote add origin {tmp_path}/server.git && git push -u origin main")
    return Team(first, Shell(tmp_path / "clone"), s3_bucket, images)


def clone(team: Team) -> None:
    team.first(f"git clone -q {team.first.folder}/../server.git {team.second.folder}")
    write_keys(team.second.folder, team.bucket)


def test_the_data_is_ignored_by_git_and_named_by_a_pointer(team: Team) -> None:
    folder = team.first.folder / "data/raw"

    assert (folder / ".gitignore").read_text() == "/training-data\n"
    assert f"nfiles: {IMAGES}" in (folder / "training-data.dvc").read_text()
    assert team.first("git status --porcelain").stdout == ""


def test_push_shows_a_bar_on_a_terminal_and_says_how_much_it_pushed(team: Team) -> None:
    rc, said, drawn = run_on_terminal(
        ["bash", "-c", "source .env; dvc push"], cwd=team.first.folder
    )

    assert (rc, said) == (0, f"{IMAGES + 1} files pushed\n"), drawn
    assert "\r" in drawn or "\x1b[" in drawn

    again = team.first("source .env; dvc push")

    assert (again.stdout, again.stderr) == ("Everything is up to date.\n", "")


def test_without_a_terminal_no_bar_is_drawn(team: Team) -> None:
    pushed = team.first("source .env; dvc push")

    assert (pushed.stdout, pushed.stderr) == (f"{IMAGES + 1} files pushed\n", "")


def test_another_machine_gets_every_file_back(team: Team) -> None:
    team.first("source .env; dvc push")
    clone(team)

    pulled = team.second("source .env; dvc pull")

    assert pulled.lines[-1] == f"{IMAGES + 1} files fetched and {IMAGES} files added"
    assert "data/raw/training-data/" in pulled.stdout
    assert images_in(team.second.folder / "data/raw/training-data") == team.images
    assert team.second("dvc status").stdout == "Data and pipelines are up to date.\n"


def test_checkout_alone_says_what_is_missing_and_what_to_type(team: Team) -> None:
    team.first("source .env; dvc push")
    clone(team)

    failed = team.second("dvc checkout", rc=255)

    assert "data/raw/training-data" in failed.stderr
    assert "dvc pull" in failed.stderr or "dvc fetch" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_push_without_keys_fails_in_one_sentence(team: Team) -> None:
    failed = team.first("AWS_EC2_METADATA_DISABLED=true dvc push || exit 9", rc=9)

    assert failed.stderr.startswith("ERROR: ")
    assert "unexpected error" not in failed.stderr
    assert "credential" in failed.stderr.lower()
    assert "Traceback" not in failed.stderr
    assert team.bucket.keys() == []


def test_with_hooks_git_push_pushes_the_data_too(team: Team) -> None:
    team.first("dvc install")

    team.first("source .env; git commit --allow-empty -m go && git push")

    assert len(team.bucket.keys()) == IMAGES + 1


def test_with_hooks_git_checkout_brings_the_data_of_the_branch(team: Team) -> None:
    folder = team.first.folder / "data/raw/training-data"
    team.first("dvc install && git checkout -b more")
    more = write_images(folder, 10, start=IMAGES)
    team.first("dvc add data/raw/training-data && git commit -am 'More images'")

    team.first("git checkout main")

    assert images_in(folder) == team.images

    team.first("git checkout more")

    assert images_in(folder) == team.images | more


def test_with_hooks_git_commit_shows_what_changed(team: Team) -> None:
    team.first("dvc install")
    write_images(team.first.folder / "data/raw/training-data", 1, start=IMAGES)

    commit = team.first("git commit --allow-empty -m 'Something else'")

    said = commit.stdout + commit.stderr
    assert "data/raw/training-data.dvc:" in said
    assert "modified:" in said
