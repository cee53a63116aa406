"""`dvc undo` puts back what import, import-url and update changed, the user's files among that."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.programs import git
from tests.support.project import Project


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    (root / "d").mkdir(parents=True)
    (root / "d/a").write_text("theirs")
    git("init", "-q", cwd=root)
    _commit(root)
    return root


def _commit(root: Path) -> None:
    git("add", "-A", cwd=root)
    git("commit", "-qm", "state", cwd=root)


def test_an_import_over_files_of_the_user_is_undone(project: Project, source: Path) -> None:
    project.write("d/a", "mine")
    project.write("d/only", "mine too")
    for words in (("import", "-f", str(source), "d"), ("import-url", "-f", str(source / "d"))):
        project.dvc(*words)
        assert "theirs" == (project.root / "d/a").read_text()
        assert not (project.root / "d/only").exists()

        project.dvc("undo")

        assert "mine" == (project.root / "d/a").read_text()
        assert "mine too" == (project.root / "d/only").read_text()
        assert not (project.root / "d.dvc").exists()


def test_an_update_is_undone(project: Project, source: Path) -> None:
    project.dvc("import", str(source), "d")
    before = (project.root / "d.dvc").read_text()
    (source / "d/a").write_text("theirs, later")
    _commit(source)
    project.dvc("update", "d.dvc")
    assert "theirs, later" == (project.root / "d/a").read_text()

    project.dvc("undo")

    assert "theirs" == (project.root / "d/a").read_text()
    assert before == (project.root / "d.dvc").read_text()


def test_a_refused_import_changes_nothing(project: Project, source: Path) -> None:
    project.write("d", "mine")
    before = sorted(path.name for path in project.root.iterdir())
    for words in (
        ("import", str(source), "d"),
        ("import", str(source), "nothing"),
        ("import", str(source), "d", "-o", "x", "--rev", "nothing"),
        ("import-url", str(source / "nothing")),
        ("get", str(source), "d"),
    ):
        assert project.program(*words, cwd=project.root).rc in (1, 255)

    assert before == sorted(path.name for path in project.root.iterdir())
    assert "mine" == (project.root / "d").read_text()
