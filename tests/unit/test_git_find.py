"""Which repository a folder belongs to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pannier.core.errors import GitError
from pannier.git.repo import GitRepo
from tests.support.programs import git, run


def make(path: Path) -> Path:
    path.mkdir(parents=True)
    git("init", "-q", cwd=path)
    (path / "a").write_text("a\n")
    git("add", "-A", cwd=path)
    git("commit", "-qm", "one", cwd=path)
    return path


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return make(tmp_path / "repo")


def places(found: GitRepo | None) -> tuple[Path, Path, Path] | None:
    if found is None:
        return None
    return Path(found.root), Path(found.git_dir), Path(found.common_dir)


def test_a_folder_inside_is_found_going_up(top: Path) -> None:
    inner = top / "x" / "y"
    inner.mkdir(parents=True)

    assert (top, top / ".git", top / ".git") == places(GitRepo.find(str(inner)))


def test_a_folder_that_is_not_there_yet_belongs_to_what_would_hold_it(top: Path) -> None:
    assert (top, top / ".git", top / ".git") == places(GitRepo.find(str(top / "new" / "er")))


def test_outside_of_any_repository_there_is_none(tmp_path: Path) -> None:
    assert GitRepo.find(str(tmp_path)) is None


def test_an_empty_git_folder_is_no_repository(top: Path) -> None:
    (top / "x" / ".git").mkdir(parents=True)

    assert (top, top / ".git", top / ".git") == places(GitRepo.find(str(top / "x")))


def test_a_way_in_over_a_symbolic_link_gives_the_real_place(top: Path, tmp_path: Path) -> None:
    (top / "x").mkdir()
    (tmp_path / "link").symlink_to(top / "x")

    assert (top, top / ".git", top / ".git") == places(GitRepo.find(str(tmp_path / "link")))


def test_a_worktree_has_its_own_git_dir(top: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    git("worktree", "add", "-q", str(tree), cwd=top)

    found = places(GitRepo.find(str(tree)))

    assert (tree, top / ".git" / "worktrees" / "tree", top / ".git") == found


def test_a_submodule_is_a_repository_of_its_own(top: Path, tmp_path: Path) -> None:
    other = make(tmp_path / "other")
    git("submodule", "--quiet", "add", str(other), "sub", cwd=top)

    found = places(GitRepo.find(str(top / "sub")))

    assert (top / "sub", top / ".git/modules/sub", top / ".git/modules/sub") == found


def test_a_bare_repository_has_no_work_tree(tmp_path: Path) -> None:
    git("init", "-q", "--bare", "bare.git", cwd=tmp_path)

    assert GitRepo.find(str(tmp_path / "bare.git" / "refs")) is None


def test_inside_the_git_folder_there_is_no_work_tree(top: Path) -> None:
    assert GitRepo.find(str(top / ".git" / "hooks")) is None


def test_a_worktree_of_a_bare_repository_is_found(top: Path, tmp_path: Path) -> None:
    git("clone", "-q", "--bare", str(top), ".bare", cwd=tmp_path)
    git("worktree", "add", "-q", "main", cwd=tmp_path / ".bare")
    git("worktree", "add", "-q", str(tmp_path / "tree"), "-b", "x", cwd=tmp_path / ".bare")

    found = places(GitRepo.find(str(tmp_path / "tree")))

    assert (tmp_path / "tree", tmp_path / ".bare/worktrees/tree", tmp_path / ".bare") == found


def test_a_git_file_to_a_bare_repository_makes_no_work_tree(top: Path, tmp_path: Path) -> None:
    git("clone", "-q", "--bare", str(top), ".bare", cwd=tmp_path)
    (tmp_path / ".git").write_text("gitdir: ./.bare\n")

    assert GitRepo.find(str(tmp_path)) is None


def test_a_work_tree_named_in_the_config_counts(top: Path, tmp_path: Path) -> None:
    git("config", "core.worktree", str(tmp_path), cwd=top)

    found = GitRepo.find(str(top))

    assert found is not None
    assert (tmp_path, top / ".git", top / ".git") == places(found)
    assert {str(top / "a")} == found.tracked([str(top / "a")]) | {str(top / "a")}


def test_a_work_tree_elsewhere_is_not_ours(top: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    git("config", "core.worktree", str(tmp_path / "elsewhere"), cwd=top)

    assert GitRepo.find(str(top)) is None


@pytest.mark.parametrize(
    "lines",
    ["[core] bare = true\n", '[core]\n\tbare = "true"\n', "[CORE]\n\tBare\n", "[core]\nbare=YES"],
)
def test_bare_is_understood_however_it_is_written(top: Path, lines: str) -> None:
    (top / ".git" / "config").write_text("[core]\n\trepositoryformatversion = 0\n" + lines)

    assert GitRepo.find(str(top)) is None


def test_a_sparse_checkout_is_found(top: Path) -> None:
    git("sparse-checkout", "set", "x", cwd=top)

    assert (top, top / ".git", top / ".git") == places(GitRepo.find(str(top)))


def test_a_git_file_that_points_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: /nowhere/at/all\n")

    with pytest.raises(GitError, match="/nowhere/at/all") as caught:
        GitRepo.find(str(tmp_path))

    assert "git worktree repair" in str(caught.value.hint)


def test_a_git_file_that_is_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("hello\n")

    with pytest.raises(GitError, match="not a valid"):
        GitRepo.find(str(tmp_path))


def test_the_search_ends_below_a_ceiling(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (top / "x").mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", f"/nowhere{os.pathsep}{top}")

    assert GitRepo.find(str(top / "x")) is None


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_the_search_ends_at_a_mount_point_as_gits_does(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (top / "mounted").mkdir()
    run(["mount", "-t", "tmpfs", "none", str(top / "mounted")], check=True)
    try:
        found = GitRepo.find(str(top / "mounted"))
        monkeypatch.setenv("GIT_DISCOVERY_ACROSS_FILESYSTEM", "1")
        across = GitRepo.find(str(top / "mounted"))
    finally:
        run(["umount", str(top / "mounted")], check=True)

    assert (None, (top, top / ".git", top / ".git")) == (places(found), places(across))


def test_a_repository_kept_elsewhere_is_named_by_the_environment(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (top / ".git").rename(tmp_path / "kept")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "kept"))
    monkeypatch.setenv("GIT_WORK_TREE", str(top))

    found = GitRepo.find(str(top / "x"))

    assert found is not None
    assert (top, tmp_path / "kept", tmp_path / "kept") == places(found)
    assert {"a"} == found.tracked(["a", "b"])


def test_the_environment_decides_between_two_repositories_of_one_work_tree(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "other")
    (tmp_path / "other" / ".git").rename(tmp_path / "kept")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "kept"))
    monkeypatch.setenv("GIT_WORK_TREE", str(top))

    assert (top, tmp_path / "kept", tmp_path / "kept") == places(GitRepo.find(str(top)))


def test_an_index_elsewhere_holds_for_the_repository_that_the_environment_names(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make(tmp_path / "other")
    monkeypatch.chdir(top)
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    git("read-tree", "HEAD")
    (top / "new").write_text("x")
    git("add", "new")

    found = [GitRepo.find(str(path)) for path in (top, other)]

    assert [{"a", "new"}, {"a"}] == [repo.tracked(["a", "new"]) for repo in found if repo]


def test_a_hook_may_go_to_another_folder(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git sets GIT_WORK_TREE=. for a hook, which is wrong from the first `cd` on."""
    (top / "x").mkdir()
    monkeypatch.chdir(top / "x")
    monkeypatch.setenv("GIT_DIR", str(top / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", ".")

    assert (top, top / ".git", top / ".git") == places(GitRepo.find("."))


def test_a_relative_git_dir_has_the_current_folder_as_its_work_tree(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (top / ".git").rename(tmp_path / "kept")
    monkeypatch.chdir(top)
    monkeypatch.setenv("GIT_DIR", "../kept")

    assert (top, tmp_path / "kept", tmp_path / "kept") == places(GitRepo.find(str(top)))


def test_a_clone_inside_is_itself_whatever_the_environment_names(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = make(top / "tmp" / "clone")
    (clone / "b").write_text("b")
    git("add", "b", cwd=clone)
    monkeypatch.chdir(top)
    monkeypatch.setenv("GIT_DIR", str(top / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", ".")
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")

    found = GitRepo.find(str(clone))

    assert found is not None
    assert (clone, clone / ".git", clone / ".git") == places(found)
    assert {"a", "b"} == found.tracked(["a", "b"])


def test_a_repository_beside_is_itself_whatever_the_environment_names(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make(tmp_path / "other")
    monkeypatch.chdir(top)
    monkeypatch.setenv("GIT_DIR", str(top / ".git"))

    assert (other, other / ".git", other / ".git") == places(GitRepo.find(str(other)))


def test_a_git_dir_that_is_not_there_is_passed_over(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (top / "x").mkdir()
    monkeypatch.chdir(top / "x")
    monkeypatch.setenv("GIT_DIR", ".git")

    found = GitRepo.find(".")

    assert found is not None
    assert (top, top / ".git", top / ".git") == places(found)
    assert {"a"} == found.tracked(["a"])
