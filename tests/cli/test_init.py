"""dvc init and dvc root. What is alike is in tests/compat/test_config_oracle.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.oracle import Oracle
from tests.support.programs import Program, git
from tests.support.project import Project, picture
from tests.support.wanted import is_wanted


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """An empty Git repository."""
    root = tmp_path / "repo"
    root.mkdir()
    git("init", "-q", cwd=root)
    return root


def test_init_stages_three_files(repo: Path, dvc: Program) -> None:
    done = dvc("init", cwd=repo)

    assert done.stdout.startswith(
        "Initialized DVC repository.\n\nYou can now commit the changes to git.\n\nWhat's next?\n"
    )
    assert ["A  .dvc/.gitignore", "A  .dvc/config", "A  .dvcignore"] == (
        git("status", "--porcelain", cwd=repo).lines
    )


def test_a_project_without_git_says_so_in_its_config(tmp_path: Path, dvc: Program) -> None:
    dvc("init", "--no-scm", "-q", "new/one", cwd=tmp_path, check=True)

    root = tmp_path / "new/one"
    assert "[core]\n    no_scm = True\n" == (root / ".dvc/config").read_text()
    assert not (root / ".dvc/.gitignore").exists()
    assert (root / ".dvcignore").exists()


def test_force_replaces_the_old_project_with_its_cache(project: Project) -> None:
    project.write("f", "1")
    project.dvc("add", "f")
    project.dvc("config", "core.remote", "x")

    project.dvc("init", "-f", "-q")

    assert not project.cache.exists()
    assert "" == (project.root / ".dvc/config").read_text()
    assert [] == [p.name for p in project.root.iterdir() if "pannier-tmp" in p.name]


def test_a_killed_init_leaves_the_old_project_or_the_new_one(
    project: Project, dvc: Program
) -> None:
    """At every change of a file: `.dvc` is whole, and the next init works (D4)."""
    project.dvc("config", "core.remote", "old")
    old = picture(project.root / ".dvc", leave_out=("tmp",))
    for point in range(1, 40):
        fault = {"PANNIER_FAULT": f"kill@{point}"}
        done = dvc("init", "-f", "-q", cwd=project.root, env=fault)
        now = picture(project.root / ".dvc", leave_out=("tmp",))

        assert now == old or now["config"].data == b""
        if done.rc == 0:
            break
        git("checkout", "-q", "--", ".dvc", cwd=project.root)
        project.write(".dvc/config", old["config"].data)
    assert 0 == done.rc
    assert 5 < point


def test_a_file_in_the_way_is_named(repo: Path, dvc: Program, oracle: Oracle) -> None:
    assert is_wanted("init-no-folder")
    (repo / ".dvc").write_text("mine")

    ours, theirs = dvc("init", cwd=repo), oracle("init", cwd=repo)

    assert (1, 255) == (ours.rc, theirs.rc)
    assert "failed to initiate DVC - " in ours.stderr
    assert "mine" == (repo / ".dvc").read_text()


@pytest.mark.parametrize("flags", [(), ("--subdir",)])
def test_without_git_there_is_no_project_with_git(
    tmp_path: Path, dvc: Program, flags: tuple[str, ...]
) -> None:
    done = dvc("init", *flags, cwd=tmp_path)

    assert 1 == done.rc
    assert (
        f"ERROR: failed to initiate DVC - {tmp_path} is not tracked by any supported SCM tool"
        in done.stderr
    )
    assert [] == list(tmp_path.iterdir())


def test_a_folder_that_git_ignores_is_refused(repo: Path, dvc: Program) -> None:
    (repo / ".gitignore").write_text(".dvc\n")

    done = dvc("init", cwd=repo)

    assert 1 == done.rc
    assert ".dvc is ignored by your SCM tool." in done.stderr
    assert not (repo / ".dvc").exists()


def test_an_own_dvcignore_is_kept(repo: Path, dvc: Program) -> None:
    (repo / ".dvcignore").write_text("*.tmp\n")

    dvc("init", "-q", cwd=repo, check=True)

    assert "*.tmp\n" == (repo / ".dvcignore").read_text()


def test_the_root_is_found_through_a_symbolic_link(project: Project, tmp_path: Path) -> None:
    (project.root / "a/b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(project.root / "a/b")
    code = "import os, sys; os.chdir(sys.argv[1]); os.execv(sys.argv[2], ['dvc', 'root'])"

    done = subprocess.run(
        [
            sys.executable,
            "-c",
            code,
            str(tmp_path / "link"),
            str(Path(sys.executable).with_name("dvc")),
        ],
        capture_output=True,
        text=True,
    )

    assert "../..\n" == done.stdout
