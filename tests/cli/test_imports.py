"""Imports whose sources are gone, are not trusted, or are named from elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.programs import git
from tests.support.project import Project


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    root.mkdir()
    (root / "a").write_text("theirs")
    git("init", "-q", cwd=root)
    git("add", "-A", cwd=root)
    git("commit", "-qm", "state", cwd=root)
    return root


def test_a_source_that_is_gone_stops_no_other_output(project: Project, source: Path) -> None:
    project.dvc("remote", "add", "-q", "-d", "store", "../remote")
    project.write("own", "ours")
    project.dvc("add", "-q", "own")
    project.dvc("push", "-q")
    project.dvc("import", "-q", str(source), "a")
    shutil.rmtree(project.root / ".dvc/cache")
    (project.root / "own").unlink()
    (project.root / "a").unlink()
    source.rename(source.with_name("gone"))

    done = project.dvc("pull", check=False)

    assert 1 == done.rc
    assert "'a.dvc' was not brought from its source: SCM error" in done.stderr
    assert "ours" == (project.root / "own").read_text()
    assert 1 == project.dvc("fetch", check=False).rc
    told = project.dvc("status", check=False)
    assert 1 == told.rc
    assert "'dvc status --no-updates' does not ask the sources" in told.stderr
    assert 0 == project.dvc("status", "--no-updates").rc


def test_pull_follows_no_pointer_that_names_neither_commit_nor_digest(
    project: Project, tmp_path: Path
) -> None:
    """S4d: it came with a repository, and any folder of the user's could be its source."""
    private = tmp_path / "private"
    private.mkdir()
    (private / "key").write_text("secret")
    project.write(
        "key.dvc",
        f"md5: {'a' * 32}\nfrozen: true\ndeps:\n- path: key\n  repo:\n    url: {private}\n"
        "outs:\n- hash: md5\n  path: key\n",
    )

    done = project.dvc("pull", check=False)

    assert 1 == done.rc
    assert "does not say which state of its source is meant" in done.stderr
    assert not (project.root / "key").exists()


def test_a_relative_address_is_found_from_any_folder_of_the_project(
    project: Project, source: Path
) -> None:
    (project.root / "inner/deep").mkdir(parents=True)
    project.program("import", "-q", "../../source", "a", cwd=project.root / "inner", check=True)

    for folder in ("", "inner", "inner/deep"):
        target = project.root / "inner/a.dvc"
        done = project.program("update", str(target), cwd=project.root / folder)

        assert 0 == done.rc, str(done)
        assert "didn't change" in done.stdout
