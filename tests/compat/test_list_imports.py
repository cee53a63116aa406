"""list of directories that were imported, and whose lists of files are nowhere in the project."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.oracle import Oracle
from tests.support.programs import Program
from tests.support.project import Project, make_project

LINES = (
    "list -R .",
    "list . tracked",
    "list . tracked/s",
    "list -R . plain",
    "list -R --dvc-only .",
    "list -R --rev HEAD .",
)


@pytest.fixture
def importing(tmp_path: Path, dvc: Program) -> Project:
    """With a directory of another project's cache, and one of its Git repository."""
    source = make_project(tmp_path / "source", dvc)
    for path in ("tracked/a", "tracked/s/b", "plain/x", "plain/s/y"):
        source.write(path, path)
    source.dvc("add", "-q", "tracked")
    source.commit_all()
    project = make_project(tmp_path / "p", dvc)
    for name in ("tracked", "plain"):
        project.dvc("import", "-q", str(source.root), name)
    project.commit_all()
    for name in ("tracked", "plain", ".dvc/cache"):
        shutil.rmtree(project.root / name)
    return project


def test_the_source_knows_them(importing: Project, oracle: Oracle) -> None:
    for line in LINES:
        theirs = oracle(*line.split(), cwd=importing.root)
        ours = importing.dvc(*line.split())

        assert (theirs.rc, theirs.stdout) == (ours.rc, ours.stdout), f"{theirs}\n{ours}"
    assert "tracked/s/b" in importing.dvc("list", "-R", ".").lines


def test_without_the_source_one_sentence_says_what_is_not_there(
    importing: Project, tmp_path: Path
) -> None:
    (tmp_path / "source").rename(tmp_path / "away")
    shutil.rmtree(Path.home() / ".cache", ignore_errors=True)

    done = importing.dvc("list", "-R", ".", check=False)

    assert 255 == done.rc
    assert "ERROR: failed to load directory 'plain': its list of files is not in" in done.stderr
    assert 2 == len(done.stderr.splitlines())
