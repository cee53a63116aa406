"""Revisions and the two ways to read a project's files, against real DVC where it has a say."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pannier.core.errors import DiskError, GitError
from pannier.git.repo import GitRepo
from pannier.project.revisions import Revision, RevisionTree, TreeMemo, WorkspaceTree, select
from tests.support.oracle import Oracle
from tests.support.programs import git


@pytest.fixture
def top(tmp_path: Path) -> Path:
    path = tmp_path / "repo"
    path.mkdir()
    git("init", "-q", cwd=path)
    return path


@pytest.fixture
def repo(top: Path) -> GitRepo:
    found = GitRepo.find(str(top))
    assert found is not None
    return found


def commit(top: Path, **files: str | None) -> str:
    """Commits files, given as name=text with '__' for '/' and a final '_dvc' for '.dvc'."""
    write(top, {name.replace("__", "/").replace("_dvc", ".dvc"): t for name, t in files.items()})
    return commit_all(top)


def write(top: Path, files: dict[str, str | None]) -> None:
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink()
        else:
            path.write_text(text)


def commit_all(top: Path) -> str:
    git("add", "-A", cwd=top)
    git("commit", "-qm", "x", "--allow-empty", cwd=top)
    return git("rev-parse", "HEAD", cwd=top).stdout.strip()


def test_without_choice_only_the_workspace_is_selected(repo: GitRepo) -> None:
    expected = [Revision("workspace", None)]

    assert expected == select(repo)
    assert expected == select(None, all_branches=True, all_tags=True, all_commits=True)
    assert expected == select(repo, all_branches=True, all_tags=True, all_commits=True)


@pytest.mark.parametrize("chosen", ["-a", "-T", "-aT", "-A", "-aA"])
def test_revisions_are_selected_and_named_as_dvc_does(
    repo: GitRepo, top: Path, oracle: Oracle, chosen: str
) -> None:
    oracle("init", "-q", cwd=top, check=True)
    write(top, {"dvc.yaml": "metrics:\n- m.json\n", "m.json": '{"a": 1}'})
    commit_all(top)
    for name in ("zeta", "alpha", "remote"):
        git("branch", name, cwd=top)
    git("tag", "light", cwd=top)
    git("tag", "-a", "-m", "x", "heavy", cwd=top)
    commit(top, m="x")
    git("tag", "v2", cwd=top)
    git("checkout", "-q", "--detach", cwd=top)
    git("update-ref", "refs/remotes/origin/x", commit(top, m="y"), cwd=top)
    git("update-ref", "refs/notes/x", commit(top, m="z"), cwd=top)
    commit(top, m="head")
    (top / "m.json").write_text('{"a": 2}')  # else DVC does not show the workspace

    shown = oracle("metrics", "show", chosen, "--json", cwd=top, check=True)

    selected = select(
        repo, all_branches="a" in chosen, all_tags="T" in chosen, all_commits="A" in chosen
    )
    names = [revision.name for revision in selected]
    if "A" in chosen:  # DVC gives these no order
        assert (names[0], set(names)) == ("workspace", set(json.loads(shown.stdout)))
    else:
        assert list(json.loads(shown.stdout)) == names
    assert len(names) == len({revision.sha for revision in selected})


def test_both_trees_read_the_same(repo: GitRepo, top: Path) -> None:
    write(top, {"sub/a.dvc": "1", "sub/d/b": "2", "above.yaml": "3"})
    (top / "sub" / "link").symlink_to("../above.yaml")
    sha = commit_all(top)
    asked = ["a.dvc", "d/b", "../above.yaml", "link", "d", "nope", "a.dvc/x", "d/../a.dvc", "x\0y"]
    expected = {
        "a.dvc": b"1",
        "d/b": b"2",
        "../above.yaml": b"3",
        "link": b"3",
        "d/../a.dvc": b"1",
    }

    for tree in (WorkspaceTree(str(top / "sub")), RevisionTree(repo, sha, "sub")):
        assert expected == tree.read_many(asked)
        assert [expected.get(path) for path in asked] == [tree.read(path) for path in asked]


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "params.yaml")

    assert WorkspaceTree(str(tmp_path)).read("params.yaml") is None


def test_a_file_that_cannot_be_read_is_an_error_not_an_absence(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("a")

    with pytest.raises(DiskError, match="'a'"):
        WorkspaceTree(str(tmp_path)).read("a")


def test_a_revision_reads_nothing_outside_its_repository(repo: GitRepo, top: Path) -> None:
    (top.parent / "secret").write_text("s")
    (top / "secret").write_text("another")
    (top / "link").symlink_to("../secret")
    sha = commit_all(top)

    tree = RevisionTree(repo, sha)

    assert {} == tree.read_many(["../secret", "link", str(top.parent / "secret")])


def test_equal_content_has_one_name_over_all_revisions(repo: GitRepo, top: Path) -> None:
    first = RevisionTree(repo, commit(top, a_dvc="1", b_dvc="1"))
    second = RevisionTree(repo, commit(top, a_dvc="2"))

    assert first.oid("a.dvc") == first.oid("b.dvc") == second.oid("b.dvc")
    assert second.oid("a.dvc") not in (None, first.oid("a.dvc"))
    assert [None, None] == [second.oid("."), second.oid("nope")]


FILES = {
    "dvc.yaml": "x",
    "dvc.lock": "x",
    ".dvcignore": "x",
    "data.dvc": "x",
    "data.txt": "x",
    "in/dvc.yaml": "x",
    "in/deep/new\nline.dvc": "x",
    "in/deep/.dvcignore": "x",
    "in/x.dvcignore": "x",
    "in/dvc.yml": "x",
    "other/.dvc/config": "x",
    "other/data.dvc": "x",
    "other/in/data.dvc": "x",
    ".dvc/config": "x",
    ".dvc/tmp/inside.dvc": "x",
    "skipped/data.dvc": "x",
    "skip.dvc": "x",
}


def test_stage_files_of_a_revision_are_found(repo: GitRepo, top: Path) -> None:
    write(top, dict(FILES))
    git("add", "-f", ".", cwd=top)
    sha = commit_all(top)
    tree = RevisionTree(repo, sha)

    found = tree.stage_files(lambda path, is_dir: (path, is_dir) in SKIPPED)

    assert ["data.dvc", "dvc.yaml", "in/dvc.yaml", "in/deep/new\nline.dvc"] == found
    assert {*found, "skip.dvc", "skipped/data.dvc"} == set(tree.stage_files())
    assert [".dvcignore", "in/deep/.dvcignore"] == tree.ignore_files()


SKIPPED = {("skipped", True), ("skip.dvc", False)}


def test_a_linked_pointer_is_read_and_a_submodule_is_none(repo: GitRepo, top: Path) -> None:
    write(top, {"data.dvc": "x"})
    (top / "link.dvc").symlink_to("data.dvc")
    sha = commit_all(top)
    git("update-index", "--add", "--cacheinfo", f"160000,{sha},sub.dvc", cwd=top)
    git("commit", "-qm", "x", cwd=top)
    tree = RevisionTree(repo, repo.resolve("HEAD"))

    found = tree.read_many(tree.stage_files())

    assert {"data.dvc": b"x", "link.dvc": b"x"} == found
    assert tree.oid("data.dvc") == tree.oid("link.dvc")
    assert ["data.dvc", "link.dvc"] == tree.stage_files()


def test_a_project_further_in_has_its_own_stage_files(repo: GitRepo, top: Path) -> None:
    write(top, dict(FILES))
    git("add", "-f", ".", cwd=top)
    sha = commit_all(top)
    memo = TreeMemo()

    found = [RevisionTree(repo, sha, subdir, memo).stage_files() for subdir in ("in", "other")]

    assert [["dvc.yaml", "deep/new\nline.dvc"], ["data.dvc", "in/data.dvc"]] == found
    assert ["data.dvc", "dvc.yaml"] == RevisionTree(repo, sha, "", memo).stage_files()[:2]


def test_a_memo_never_mixes_up_revisions(repo: GitRepo, top: Path) -> None:
    memo = TreeMemo()
    shas = [
        commit(top, d__a_dvc="1", e__b_dvc="1"),
        commit(top, d__a_dvc=None, f__a_dvc="1"),
        commit(top, e__b_dvc=None, f__a_dvc="2"),
        commit(top, f__a_dvc=None),
    ]

    trees = [RevisionTree(repo, sha, "", memo) for sha in shas]

    wanted = [["d/a.dvc", "e/b.dvc"], ["e/b.dvc", "f/a.dvc"], ["f/a.dvc"], []]
    assert wanted == [tree.stage_files() for tree in trees]
    assert [None, b"1", b"2", None] == [tree.read("f/a.dvc") for tree in trees]


def test_a_revision_without_the_project_is_empty(repo: GitRepo, top: Path) -> None:
    tree = RevisionTree(repo, commit(top, a="1"), "sub")

    assert ([], [], [], None) == (
        tree.stage_files(),
        tree.ignore_files(),
        list(tree.files()),
        tree.read("a.dvc"),
    )


def test_files_of_a_revision_are_those_of_the_project(repo: GitRepo, top: Path) -> None:
    tree = RevisionTree(repo, commit(top, a="1", sub__d__b="1", sub__c="1"), "sub")

    assert ["c", "d/b"] == list(tree.files())


def test_a_repository_made_to_explode_is_refused(repo: GitRepo, top: Path) -> None:
    """A few objects, a thousand million files: ten times the same folder, ten deep."""
    blob = git("hash-object", "-w", "--stdin", cwd=top).stdout.strip()
    rows, kind = [f"100644 blob {blob}\tx{n}.dvc" for n in range(10)], "040000 tree"
    for _ in range(9):
        tree = make_tree(top, rows)
        rows = [f"{kind} {tree}\td{n}" for n in range(10)]
    sha = git("commit-tree", "-m", "x", make_tree(top, rows), cwd=top).stdout.strip()

    with pytest.raises(GitError, match="over a million"):
        RevisionTree(repo, sha).stage_files()


def make_tree(top: Path, rows: list[str]) -> str:
    (top.parent / "rows").write_text("".join(row + "\n" for row in rows))
    done = git("-c", f"alias.m=!git mktree < '{top.parent / 'rows'}'", "m", cwd=top)
    return done.stdout.strip()


def test_many_revisions_are_resolved_as_one_by_one(repo: GitRepo, top: Path) -> None:
    shas = [commit(top, f=str(number)) for number in range(3)]
    git("tag", "-am", "x", "v1", shas[0], cwd=top)
    git("branch", "b/x", shas[1], cwd=top)
    names = ["HEAD", "v1", "b/x", shas[1], shas[0][:10], "HEAD~2", "HEAD@{0}"]

    assert repo.resolve_all(names) == [repo.resolve(name) for name in names]
    assert repo.resolve_all([]) == []
    blob = git("rev-parse", "HEAD:f", cwd=top).stdout.strip()
    for bad in ("nope", "a b", "v1\ncontents HEAD", "-x", "", "v1\0", blob):
        with pytest.raises(GitError, match="unknown Git revision"):
            repo.resolve_all(["HEAD", bad])
    assert repo.resolve_all(["HEAD"]) == [shas[2]]
