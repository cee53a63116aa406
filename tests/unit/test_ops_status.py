"""status, called as a function: what differs, in DVC's own words."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from pannier.core.errors import BadTarget, InvalidFile
from pannier.ops.add import AddOptions, add
from pannier.ops.commit import CommitOptions, commit
from pannier.ops.status import StatusOptions, status
from tests.support.opened import Told, files_below, open_new, reopened, write_files

PIPELINE = """\
stages:
  train:
    cmd: make
    deps: [d]
    params: [lr]
    outs: [model]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    project = open_new(tmp_path / "p")
    write_files(
        tmp_path / "p",
        {"f": "text", "d/a": "1", "model": "m", "params.yaml": "lr: 1\n", "dvc.yaml": PIPELINE},
    )
    add(project, ["f", "d"], AddOptions(), Told())
    list(commit(project, ["train"], CommitOptions(force=True), lambda _: True, Told()))
    project.close()
    return tmp_path / "p"


def changes(root: Path, *targets: str) -> dict[str, list[Any]]:
    return status(reopened(root), targets, StatusOptions(), Told()).changes


def test_nothing_differs_after_everything_was_recorded(root: Path) -> None:
    assert {} == changes(root)
    assert 3 == status(reopened(root), [], StatusOptions(), Told()).stages


def test_a_change_is_told_of_the_output_and_of_who_depends_on_it(root: Path) -> None:
    write_files(root, {"d/a": "2"})

    assert {
        "d.dvc": [{"changed outs": {"d": "modified"}}],
        "train": [{"changed deps": {"d": "modified"}}],
    } == changes(root)


def test_what_is_gone_is_deleted(root: Path) -> None:
    (root / "f").unlink()
    shutil.rmtree(root / "d")

    assert {
        "f.dvc": [{"changed outs": {"f": "deleted"}}],
        "d.dvc": [{"changed outs": {"d": "deleted"}}],
        "train": [{"changed deps": {"d": "deleted"}}],
    } == changes(root)


@pytest.mark.parametrize("lost", ["the manifest", "one of its files"])
def test_what_is_not_in_the_cache_is_said_to_be_so(root: Path, lost: str) -> None:
    store = reopened(root).store
    directory = next(name for name in store.listing() if name.endswith(".dir"))
    os.unlink(
        store.path(directory if lost == "the manifest" else "c4ca4238a0b923820dcc509a6f75849b")
    )

    assert {"d.dvc": [{"changed outs": {"d": "not in cache"}}]} == changes(root)


def test_an_output_without_a_digest_is_modified(root: Path) -> None:
    write_files(root, {"x": "x", "x.dvc": "outs:\n- path: x\n  hash: md5\n"})

    assert {"x.dvc": [{"changed outs": {"x": "modified"}}]} == changes(root, "x.dvc")


def test_a_changed_parameter_and_command_are_told(root: Path) -> None:
    write_files(root, {"params.yaml": "lr: 2\n", "dvc.yaml": PIPELINE.replace("make", "do")})

    assert {
        "train": [{"changed deps": {"params.yaml": {"lr": "modified"}}}, "changed command"]
    } == changes(root)


def test_only_the_targets_are_looked_at(root: Path) -> None:
    write_files(root, {"d/a": "2", "f": "changed"})

    assert {"f.dvc": [{"changed outs": {"f": "modified"}}]} == changes(root, "f")


def test_a_frozen_stage_says_nothing_of_its_dependencies(root: Path) -> None:
    write_files(root, {"dvc.yaml": PIPELINE + "    frozen: true\n", "d/a": "2"})
    told = Told()

    found = status(reopened(root), ["train"], StatusOptions(), told).changes

    assert {} == found
    assert 1 == len(told.warnings)
    assert "'train' is frozen" in told.warnings[0]


def test_a_target_that_is_none_and_a_file_that_is_broken_are_errors(root: Path) -> None:
    with pytest.raises(BadTarget):
        changes(root, "nothing")
    write_files(root, {"f.dvc": ""})
    with pytest.raises(InvalidFile):
        changes(root)


def test_looking_changes_nothing_in_the_project(root: Path) -> None:
    write_files(root, {"d/a": "2"})
    before = files_below(root)

    changes(root)

    assert before == files_below(root)
