"""The index, ignore rules, config and places, in real repositories."""

from __future__ import annotations

from pathlib import Path

import pytest

from pannier.core.errors import GitError
from pannier.git.filters import is_dirty
from pannier.git.repo import GitRepo
from tests.support.programs import git

ODD = ["-dash", "new\nline", "sp ace", "ünï", "*", ":(glob)x", "[a]", "!x", "#x"]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    path = tmp_path / "repo"
    path.mkdir()
    git("init", "-q", cwd=path)
    (path / "d" / "e").mkdir(parents=True)
    (path / "d" / "e" / "f").write_text("f")
    git("add", "-A", cwd=path)
    git("commit", "-qm", "1", cwd=path)
    return path


@pytest.fixture
def repo(top: Path) -> GitRepo:
    found = GitRepo.find(str(top))
    assert found is not None
    return found


def staged(top: Path) -> set[str]:
    return set(git("diff", "--cached", "--name-only", "-z", cwd=top).stdout.split("\0")) - {""}


def test_a_file_and_the_folders_that_hold_it_are_tracked(repo: GitRepo, top: Path) -> None:
    (top / "d" / "new").write_text("x")
    asked = ["d/e/f", "d/e", "d/", "", ".", str(top / "d"), str(top), "d/new", "nope", "d/e/f/x"]

    assert {"d/e/f", "d/e", "d/", "", ".", str(top / "d"), str(top)} == repo.tracked(asked)


def test_what_is_added_but_not_committed_is_tracked(repo: GitRepo, top: Path) -> None:
    (top / "x").write_text("x")
    git("add", "x", cwd=top)

    assert repo.is_tracked("x")


def test_nothing_is_tracked_in_an_empty_question(repo: GitRepo) -> None:
    assert set() == repo.tracked([])


@pytest.mark.parametrize("name", ODD)
def test_any_name_can_be_tracked_and_none_is_a_pattern(repo: GitRepo, top: Path, name: str) -> None:
    assert not repo.is_tracked(name)

    (top / name).write_text("x")
    repo.add([name])

    assert {name} == staged(top)
    assert repo.is_tracked(name)
    assert {name} == repo.tracked([name, "a", "x"])


def test_more_paths_than_fit_on_a_command_line_are_asked_for(repo: GitRepo, top: Path) -> None:
    asked = [f"{'long' * 50}-{number}" for number in range(2000)] + ["d/e/f"]

    assert {"d/e/f"} == repo.tracked(asked)


def test_files_of_a_submodule_are_not_ours(repo: GitRepo, top: Path, tmp_path: Path) -> None:
    git("clone", "-q", str(top), str(tmp_path / "other"))
    git("submodule", "--quiet", "add", str(tmp_path / "other"), "sub", cwd=top)

    assert {"sub"} == repo.tracked(["sub", "sub/d/e/f"])
    assert {"sub/d/e/f": False} == repo.check_ignore(["sub/d/e/f"])


def test_a_sparse_index_is_seen_whole(repo: GitRepo, top: Path) -> None:
    git("sparse-checkout", "set", "--sparse-index", "z", cwd=top)
    assert not (top / "d").exists()

    assert {"d", "d/e/f"} == repo.tracked(["d", "d/e/f", "z"])


def test_a_path_outside_is_refused(repo: GitRepo, tmp_path: Path) -> None:
    with pytest.raises(GitError, match="outside"):
        repo.tracked([str(tmp_path / "x")])


def test_a_path_by_way_of_a_link_to_the_repository_is_inside(
    repo: GitRepo, top: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(top)

    assert repo.is_tracked(str(tmp_path / "link" / "d" / "e" / "f"))


def test_all_sources_of_ignore_rules_count(repo: GitRepo, top: Path, tmp_path: Path) -> None:
    (top / ".gitignore").write_text("/data\n*.tmp\n!keep.tmp\nfolder/\n")
    (top / "d" / ".gitignore").write_text("/x\n")
    Path(repo.info_exclude_path()).parent.mkdir(exist_ok=True)
    Path(repo.info_exclude_path()).write_text("excluded\n")
    (tmp_path / "global").write_text("everywhere\n")
    git("config", "--global", "core.excludesFile", str(tmp_path / "global"), cwd=top)
    wanted = {
        "data": True,
        "d/data": False,
        "a.tmp": True,
        "keep.tmp": False,
        "folder": False,
        "folder/": True,
        "folder/x": True,
        "d/x": True,
        "x": False,
        "excluded": True,
        "everywhere": True,
        str(top / "data"): True,
    }

    assert wanted == repo.check_ignore(list(wanted))
    assert {path for path in wanted if wanted[path]} == repo.ignored(list(wanted))


def test_a_tracked_file_that_a_rule_matches_counts_as_ignored(repo: GitRepo, top: Path) -> None:
    (top / ".gitignore").write_text("f\n")

    assert repo.is_ignored("d/e/f")


@pytest.mark.parametrize("name", ODD)
def test_any_name_can_be_asked_for_and_only_it_is_meant(
    repo: GitRepo, top: Path, name: str
) -> None:
    (top / ".gitignore").write_text("abc\n")

    assert {name: False, "abc": True} == repo.check_ignore([name, "abc"])


def test_a_name_with_a_newline_can_be_ignored(repo: GitRepo, top: Path) -> None:
    (top / ".gitignore").write_text("new*\n")

    assert repo.is_ignored("new\nline")


def test_what_git_cannot_ignore_is_not_ignored(repo: GitRepo, top: Path, tmp_path: Path) -> None:
    (top / ".gitignore").write_text("*\n")
    (top / "link").symlink_to("d")
    asked = ["link/x", "link/e/x", str(tmp_path / "x"), "../x", ".", "x"]

    assert {"x"} == repo.ignored(asked)


def test_no_rules_and_no_paths_are_no_error(repo: GitRepo) -> None:
    assert ({}, {"x": False}) == (repo.check_ignore([]), repo.check_ignore(["x"]))


def test_adding_an_ignored_file_needs_force(repo: GitRepo, top: Path) -> None:
    (top / ".gitignore").write_text("x\n")
    (top / "x").write_text("x")

    with pytest.raises(GitError, match=r"are ignored by one of your \.gitignore files: x$"):
        repo.add(["x"])
    repo.add(["x"], force=True)

    assert {"x"} == staged(top)


def test_adding_stages_what_was_deleted(repo: GitRepo, top: Path) -> None:
    (top / "d/e/f").unlink()
    repo.add([str(top / "d/e/f")])

    assert {"d/e/f"} == staged(top)


def test_adding_what_is_nowhere_is_an_error(repo: GitRepo) -> None:
    with pytest.raises(GitError, match="nope"):
        repo.add(["nope"])


def test_adding_nothing_is_nothing(repo: GitRepo, top: Path) -> None:
    (top / "x").write_text("x")
    repo.add([])

    assert set() == staged(top)


def test_adding_outside_a_sparse_checkout_works(repo: GitRepo, top: Path) -> None:
    git("sparse-checkout", "set", "z", cwd=top)
    (top / "y").mkdir()
    (top / "y" / "new.dvc").write_text("x")
    repo.add(["y/new.dvc"])

    assert {"y/new.dvc"} == staged(top)


def test_a_locked_index_gives_git_s_words_in_one_line(repo: GitRepo, top: Path) -> None:
    (top / ".git" / "index.lock").touch()
    (top / "x").write_text("x")

    with pytest.raises(GitError, match=r"index\.lock.*File exists") as caught:
        repo.add(["x"])

    assert "\n" not in caught.value.message


def test_in_a_worktree_its_own_index_is_meant(repo: GitRepo, top: Path, tmp_path: Path) -> None:
    git("worktree", "add", "-q", str(tmp_path / "tree"), cwd=top)
    tree = GitRepo.find(str(tmp_path / "tree"))
    assert tree is not None
    (tmp_path / "tree" / "x").write_text("x")
    tree.add(["x"])

    assert (True, False) == (tree.is_tracked("x"), repo.is_tracked("x"))


@pytest.mark.parametrize("value", ["plain", "-x --y", " spaces ", "a\nb", 'quo"te', "", "ü"])
def test_a_config_value_is_read_back_as_written(repo: GitRepo, value: str) -> None:
    repo.config_set("merge.dvc.driver", "old")
    repo.config_set("merge.dvc.driver", value)

    assert value == repo.config_get("merge.dvc.driver")


def test_a_config_key_that_is_not_set_is_none(repo: GitRepo) -> None:
    assert (None, "A Tester") == (repo.config_get("no.such"), repo.config_get("user.name"))


def test_config_shows_the_users_settings_not_our_protections(repo: GitRepo) -> None:
    repo.config_set("core.hooksPath", "my-hooks")

    assert "my-hooks" == repo.config_get("core.hooksPath")


def test_hooks_lie_where_git_looks_for_them(repo: GitRepo, top: Path, tmp_path: Path) -> None:
    git("worktree", "add", "-q", str(tmp_path / "tree"), cwd=top)
    git("clone", "-q", str(top), str(tmp_path / "other"))
    git("submodule", "--quiet", "add", str(tmp_path / "other"), "sub", cwd=top)
    found = [GitRepo.find(str(path)) for path in (top, tmp_path / "tree", top / "sub")]

    places = [repo.hooks_dir() for repo in found if repo]

    own = str(top / ".git" / "hooks")
    assert [own, own, str(top / ".git" / "modules" / "sub" / "hooks")] == places


@pytest.mark.parametrize(
    ("value", "place"), [("my hooks", "{top}/my hooks"), ("/x/y", "/x/y"), ("~/h", "{home}/h")]
)
def test_hooks_lie_where_the_config_says(
    repo: GitRepo, top: Path, clean_machine: Path, value: str, place: str
) -> None:
    git("config", "core.hooksPath", value, cwd=top)

    assert place.format(top=top, home=clean_machine) == repo.hooks_dir()


def test_untracked_files_are_named_one_by_one_without_those_ignored(
    repo: GitRepo, top: Path
) -> None:
    (top / ".gitignore").write_text("ignored\n")
    for name in ("ignored", "d/b", "d/a", "d/new\nline"):
        (top / name).write_text("x")

    assert [".gitignore", "d/a", "d/b", "d/new\nline"] == repo.untracked(str(top))
    assert ["a", "b", "new\nline"] == repo.untracked(str(top / "d"))


def test_only_changes_of_tracked_files_make_a_repository_dirty(repo: GitRepo, top: Path) -> None:
    (top / "new").write_text("x")
    assert not is_dirty(repo)

    (top / "d/e/f").write_text("changed")
    assert is_dirty(repo)

    git("add", "d/e/f", cwd=top)
    assert is_dirty(repo)
