"""commit, called as a function: what is there becomes what is recorded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pannier.core.errors import CommitDeclined, OutputMissing
from pannier.ops.add import AddOptions, add
from pannier.ops.commit import CommitOptions, commit
from pannier.ops.status import StatusOptions, status
from tests.support.opened import Told, open_new, reopened, write_files

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
        {
            "f": "text",
            "d/a": "1",
            "model": "m",
            "params.yaml": "lr: 1\nother: 2\n",
        },
    )
    add(project, ["f", "d"], AddOptions(), Told())
    project.close()
    return tmp_path / "p"


def run(root: Path, *targets: str, answer: bool = True, **options: bool) -> list[str]:
    """The paths that changed."""
    wanted = CommitOptions(**options)
    return [path for path, _ in commit(reopened(root), targets, wanted, lambda _: answer, Told())]


def changes(root: Path) -> dict[str, list[object]]:
    return status(reopened(root), [], StatusOptions(), Told()).changes


def test_nothing_changed_is_nothing_written(root: Path) -> None:
    asked: list[str] = []

    written = commit(
        reopened(root), [], CommitOptions(), lambda text: bool(asked.append(text)), Told()
    )

    assert ([], []) == (list(written), asked)


def test_a_change_is_asked_about_and_then_recorded_and_stored(root: Path) -> None:
    write_files(root, {"f": "new"})

    written = run(root, "f.dvc")

    assert ["f.dvc"] == written
    assert {} == changes(root)
    assert b"new" == reopened(root).store.read("22af645d1859cb5ca6da0c484f1f37ea")


def test_what_the_user_declines_stays_as_recorded(root: Path) -> None:
    before = (root / "f.dvc").read_text()
    write_files(root, {"f": "new"})

    with pytest.raises(CommitDeclined, match=r"unable to commit changed stage: 'f\.dvc'"):
        run(root, "f.dvc", answer=False)
    assert before == (root / "f.dvc").read_text()


def test_force_asks_nothing(root: Path) -> None:
    write_files(root, {"f": "new"})

    assert ["f.dvc"] == run(root, "f.dvc", answer=False, force=True)


def test_data_that_is_not_in_the_cache_is_put_back_there(root: Path) -> None:
    store = reopened(root).store
    os.unlink(store.path("1cb251ec0d568de6a929b520c4aed8d1"))

    written = run(root, "f.dvc")

    assert [] == written
    assert b"text" == reopened(root).store.read("1cb251ec0d568de6a929b520c4aed8d1")


@pytest.mark.parametrize("target", ["f", "d"])
def test_data_that_is_gone_cannot_be_recorded(root: Path, target: str) -> None:
    os.rename(root / target, root / "away")

    with pytest.raises(OutputMissing, match=f"output '{target}' does not exist"):
        run(root)


def test_a_stage_is_recorded_in_the_lock_file(root: Path) -> None:
    write_files(root, {"dvc.yaml": PIPELINE})

    written = run(root, "train")

    assert ["dvc.lock"] == written
    assert {} == changes(root)
    text = (root / "dvc.lock").read_text()
    assert "lr: 1" in text
    assert "other" not in text
    assert b"m" == reopened(root).store.read("6f8f57715090da2632453988d9a1501b")


def test_a_changed_parameter_or_dependency_is_recorded_anew(root: Path) -> None:
    write_files(root, {"dvc.yaml": PIPELINE})
    run(root, "train")
    write_files(root, {"params.yaml": "lr: 5\n", "d/a": "2"})

    run(root)

    assert {} == changes(root)
    assert "lr: 5" in (root / "dvc.lock").read_text()
