"""dataset add, dataset update and `ds://` dependencies: real DVC beside ours, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.oracle import Oracle
from tests.support.programs import Program, git
from tests.support.project import Project
from tests.support.twins import Twins, make_twins
from tests.support.wanted import is_wanted

STAGE = "stages:\n  s:\n    cmd: echo hi\n    deps:\n    - ds://two\n    - ds://three\n"


@pytest.fixture
def twins(tmp_path: Path, oracle: Oracle, dvc: Program) -> Twins:
    """Sources lie beside both sides: inode and time of a file are part of what is recorded."""
    source = tmp_path / "src"
    (source / "d").mkdir(parents=True)
    (source / "d/a").write_text("1")
    git("init", "-q", cwd=source)
    commit(source)
    git("tag", "-am", "one", "v1", cwd=source)
    (tmp_path / "tree/in").mkdir(parents=True)
    (tmp_path / "tree/in/.hidden").write_text("12")
    (tmp_path / "tree/x").write_text("345")
    (tmp_path / "one.txt").write_text("")
    made = make_twins(tmp_path, oracle, dvc)
    made.dvc("init", "-q")
    return made


def commit(folder: Path) -> None:
    git("add", "-A", cwd=folder)
    git("commit", "-qm", "more", cwd=folder)


def edit(twins: Twins, before: str, after: str) -> None:
    def change(base: Path) -> None:
        file = base / "repo/dvc.yaml"
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after))

    twins.touch(f"{before!r} becomes {after!r}", change)


def test_datasets_are_entered_updated_and_depended_on_as_with_dvc(
    twins: Twins, tmp_path: Path
) -> None:
    source, file = tmp_path / "src", tmp_path / "one.txt"
    twins.dvc("ds", "add", "--dvc", "../../src", "--path", "d", "--rev", "v1", "two")
    twins.dvc("dataset", "add", "-f", "--dvc", "../../src", "two")
    twins.dvc("ds", "add", "--url", "../../tree/", "four")
    twins.dvc("ds", "add", "--url", "../../one.txt", "three")
    edit(twins, "datasets:", f"{STAGE}datasets:")
    twins.dvc("repro")
    (source / "b").write_text("2")
    commit(source)
    file.write_text("more")
    file.chmod(0o755)
    for line in ("two", "three", "four", "two --rev v1"):
        twins.dvc("ds", "update", *line.split())
    assert "modified:           ds://three" in twins.dvc("status").stdout
    twins.dvc("repro")
    edit(twins, "rev: v1", "rev: main")
    assert "not in sync:        ds://two" in twins.dvc("status").stdout
    assert 255 == twins.dvc("repro").rc
    twins.dvc("ds", "update", "two")
    edit(twins, "- name: two", "- name: other")
    assert 1 == twins.dvc("status").rc


def test_what_cannot_be_recorded_is_refused_and_nothing_is_written(
    project: Project, dvc: Program, oracle: Oracle, tmp_path: Path
) -> None:
    assert is_wanted("dataset-folder")
    (tmp_path / "x").write_text("x")
    project.write("sub/keep", "")
    project.dvc("ds", "add", "-q", "--url", "../x", "n")
    files = [project.root / name for name in ("dvc.yaml", "dvc.lock")]
    before = [file.read_bytes() for file in files]
    said = {
        "add --url ../../x n": "n already exists in ../dvc.yaml",
        "add -f --url ../../x n": "n already exists in ../dvc.yaml",
        "add --url https://127.0.0.1:1/x m": "127.0.0.1:1",
        "add --url ../none m": "dependency '../none' does not exist",
        "add --dvc ../../project --rev none m": "unknown Git revision 'none'",
        "add --url ../../x --rev v1 m": "--rev can't be used without --dvc",
        "add --dc name m": "datasets of DataChain are not supported",
        "update n --rev v1": "cannot update version/revision for a url",
    }

    for line, words in said.items():
        done = dvc("ds", *line.split(), cwd=project.root / "sub")
        assert 255 == done.rc, done
        assert words in done.stderr, done
    assert 1 == dvc("ds", "update", "none", cwd=project.root).rc
    assert 0 != oracle("ds", "update", "n", cwd=project.root / "sub").rc
    below = dvc("ds", "update", "n", cwd=project.root / "sub")

    assert (0, "Nothing to update\n") == (below.rc, below.stdout), below
    assert before == [file.read_bytes() for file in files]
    assert ["keep"] == [path.name for path in (project.root / "sub").iterdir()]
