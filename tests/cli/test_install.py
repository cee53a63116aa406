"""dvc install and the hooks that it writes, called by real Git."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.support.oracle import Oracle
from tests.support.programs import Program, git
from tests.support.project import Project, make_project
from tests.support.wanted import is_wanted

HOOKS = ("post-checkout", "pre-commit", "pre-push")


@pytest.fixture
def theirs(tmp_path: Path, oracle: Oracle) -> Project:
    """A project that real DVC made and works in."""
    return make_project(tmp_path / "theirs", oracle)


def hooks_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*") if path.suffix != ".sample")


def test_hooks_are_for_their_owner_to_change(project: Project, theirs: Project) -> None:
    assert is_wanted("install-mode")
    for made in (project, theirs):
        made.dvc("install")

    modes = [
        stat.S_IMODE((made.root / ".git/hooks/pre-push").stat().st_mode)
        for made in (project, theirs)
    ]

    assert [0o755, 0o777] == modes


def test_lock_files_have_a_merge_driver_too(project: Project, theirs: Project) -> None:
    assert is_wanted("install-lock-driver")
    for made in (project, theirs):
        made.dvc("install")

    configs = [(made.root / ".git/config").read_text() for made in (project, theirs)]

    assert [True, True] == ['[merge "dvc"]' in config for config in configs]
    assert [True, False] == ['[merge "dvc-lock"]' in config for config in configs]


def test_a_hook_that_is_there_stops_all(project: Project) -> None:
    project.write(".git/hooks/pre-push", "#!/bin/sh\n")

    done = project.dvc("install", check=False)

    assert 1 == done.rc
    assert (
        "ERROR: failed to install DVC Git hooks - Hook 'pre-push' already exists. Please refer to"
        " <https://man.dvc.org/install> for more info.\n" in done.stderr
    )
    assert ["pre-push"] == hooks_in(project.root / ".git/hooks")


def test_a_project_without_git_has_no_place_for_hooks(
    tmp_path: Path, dvc: Program, oracle: Oracle
) -> None:
    assert is_wanted("install-no-git")
    codes = []
    for name, program in (("ours", dvc), ("theirs", oracle)):
        program("init", "--no-scm", "-q", name, cwd=tmp_path, check=True)
        codes.append(program("install", cwd=tmp_path / name).rc)

    assert [1, 0] == codes


def test_hooks_are_written_where_git_looks_for_them(
    tmp_path: Path, project: Project, theirs: Project
) -> None:
    assert is_wanted("install-worktree")
    answers = []
    for made in (project, theirs):
        git("config", "core.hooksPath", "my-hooks", cwd=made.root)
        answers.append((made.dvc("install", check=False).rc, hooks_in(made.root / "my-hooks")))
        git("config", "--unset", "core.hooksPath", cwd=made.root)
        tree = tmp_path / f"tree-of-{made.root.name}"
        git("worktree", "add", "-q", str(tree), cwd=made.root)
        for name in HOOKS:
            (made.root / ".git/hooks" / name).unlink(missing_ok=True)
        inside = Project(tree, made.program)
        answers.append((inside.dvc("install", check=False).rc, hooks_in(made.root / ".git/hooks")))

    assert [(0, sorted(HOOKS)), (0, sorted(HOOKS)), (0, []), (255, [])] == answers


def test_a_submodule_has_hooks_of_its_own(project: Project, tmp_path: Path, dvc: Program) -> None:
    inner = make_project(tmp_path / "inner", dvc)
    git("submodule", "add", "-q", str(inner.root), "module", cwd=project.root)

    dvc("install", cwd=project.root / "module", check=True)

    assert sorted(HOOKS) == hooks_in(project.root / ".git/modules/module/hooks")
    assert [] == hooks_in(project.root / ".git/hooks")


def test_the_entries_of_the_pre_commit_tool_join_those_that_are_there(project: Project) -> None:
    project.write(".pre-commit-config.yaml", "# ours\nrepos:\n- repo: https://x\n  hooks: []\n")

    project.dvc("install", "--use-pre-commit-tool")
    once = (project.root / ".pre-commit-config.yaml").read_text()
    project.dvc("install", "--use-pre-commit-tool")

    assert once == (project.root / ".pre-commit-config.yaml").read_text()
    assert once.startswith("# ours\nrepos:\n- repo: https://x\n")
    assert 1 == once.count("id: dvc-pre-commit\n") == once.count("always_run: true\n")


# -- as Git calls them ---------------------------------------------------------------------------


def test_a_checkout_of_a_branch_brings_its_data(project: Project) -> None:
    project.write("f", "old")
    project.dvc("add", "f")
    project.commit_all()
    project.git("checkout", "-qb", "other")
    project.write("f", "new")
    project.dvc("add", "f")
    project.commit_all()
    project.dvc("install")

    project.git("checkout", "-q", "main")

    assert "old" == (project.root / "f").read_text()


def test_a_commit_shows_the_state_of_the_data_and_goes_on(project: Project) -> None:
    project.write("f", "1")
    project.dvc("add", "f")
    project.dvc("install")
    project.write("f", "2")

    project.git("add", "-A")
    done = project.git("commit", "-m", "x")

    assert "f.dvc:\n\tchanged outs:\n\t\tmodified:           f\n" in done.stdout + done.stderr
    assert "x" == project.git("log", "-1", "--format=%s").stdout.strip()


def test_a_push_sends_the_data_first(project: Project, tmp_path: Path) -> None:
    git("init", "-q", "--bare", "there.git", cwd=tmp_path)
    project.git("remote", "add", "origin", str(tmp_path / "there.git"))
    project.dvc("remote", "add", "-d", "store", str(tmp_path / "store"))
    project.write("f", "1")
    project.dvc("add", "f")
    project.commit_all()
    project.dvc("install")

    project.git("push", "-q", "origin", "main")

    assert (tmp_path / "store/files/md5/c4/ca4238a0b923820dcc509a6f75849b").exists()


def test_a_push_without_data_and_remote_goes_on(
    project: Project, theirs: Project, tmp_path: Path
) -> None:
    assert is_wanted("hook-nothing-to-push")
    codes = [made.dvc("git-hook", "pre-push", check=False).rc for made in (project, theirs)]
    project.write("f", "1")
    project.dvc("add", "f")

    stopped = project.dvc("git-hook", "pre-push", check=False)

    assert [0, 1] == codes
    assert 1 == stopped.rc
    assert "ERROR: failed to push data to the cloud - " in stopped.stderr


def test_a_rebase_is_left_alone(project: Project) -> None:
    project.write("f", "1")
    project.dvc("add", "f")
    (project.root / "f").unlink()
    (project.root / ".git/rebase-merge").mkdir()

    project.dvc("git-hook", "post-checkout", "a", "b", "1")

    assert not (project.root / "f").exists()


@pytest.mark.parametrize("kind", ["0", "1"])
def test_the_pre_commit_tool_tells_by_a_variable(project: Project, dvc: Program, kind: str) -> None:
    project.write("f", "1")
    project.dvc("add", "f")
    (project.root / "f").unlink()

    env = {"PRE_COMMIT_CHECKOUT_TYPE": kind}
    dvc("git-hook", "post-checkout", cwd=project.root, env=env, check=True)

    assert (kind == "1") == (project.root / "f").exists()


def test_outside_of_a_project_hooks_do_nothing(dvc: Program, tmp_path: Path) -> None:
    for hook in HOOKS:
        done = dvc("git-hook", hook, "a", "b", "1", cwd=tmp_path)

        assert (0, "", "") == (done.rc, done.stdout, done.stderr)
