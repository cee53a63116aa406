"""Commits, refs, trees and blobs, against git itself."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pannier.core.errors import GitError
from pannier.git.repo import GitRepo
from tests.support.programs import git


def out(*args: str, cwd: Path) -> str:
    return git(*args, cwd=cwd).stdout.strip()


def commit(top: Path, text: str) -> str:
    (top / "a").write_text(text)
    git("add", "-A", cwd=top)
    git("commit", "-qm", text, cwd=top)
    return out("rev-parse", "HEAD", cwd=top)


def opened(path: Path) -> GitRepo:
    found = GitRepo.find(str(path))
    assert found is not None
    return found


@pytest.fixture(params=["sha1", "sha256"])
def top(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "repo"
    git("init", "-q", f"--object-format={request.param}", str(path))
    return path


@pytest.fixture
def repo(top: Path) -> Iterator[GitRepo]:
    commit(top, "1")
    found = opened(top)
    yield found
    found.close()


def test_before_the_first_commit_there_is_no_head(top: Path) -> None:
    assert opened(top).head() is None


def test_head_is_the_commit_checked_out(repo: GitRepo, top: Path) -> None:
    first = repo.head()
    second = commit(top, "2")

    assert [out("rev-parse", "HEAD~1", cwd=top), second] == [first, repo.head()]


def test_head_is_read_from_packed_refs(repo: GitRepo, top: Path) -> None:
    commit(top, "2")
    git("branch", "feature/x", "HEAD~1", cwd=top)
    git("pack-refs", "--all", cwd=top)
    assert not (top / ".git/refs/heads/main").exists()
    git("checkout", "-q", "feature/x", cwd=top)

    assert out("rev-parse", "HEAD", cwd=top) == repo.head()


def test_a_loose_ref_counts_more_than_a_packed_one(repo: GitRepo, top: Path) -> None:
    git("pack-refs", "--all", cwd=top)

    assert commit(top, "2") == repo.head()


def test_a_detached_head_is_read(repo: GitRepo, top: Path) -> None:
    second = commit(top, "2")
    git("checkout", "-q", "--detach", cwd=top)

    assert second == repo.head()


def test_head_of_a_worktree_is_its_own(repo: GitRepo, top: Path, tmp_path: Path) -> None:
    git("worktree", "add", "-q", str(tmp_path / "tree"), cwd=top)
    second = commit(tmp_path / "tree", "2")

    assert second == opened(tmp_path / "tree").head() != repo.head()


def test_head_never_reads_a_file_outside(repo: GitRepo, top: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("0" * 40 + "\n")
    (top / ".git/HEAD").write_text("ref: refs/heads/../../../../secret\n")

    with pytest.raises(GitError):
        repo.head()


@pytest.mark.parametrize("rev", ["HEAD", "main", "light", "heavy", "main~0", "refs/tags/heavy"])
def test_a_revision_resolves_to_its_commit(repo: GitRepo, top: Path, rev: str) -> None:
    git("tag", "light", cwd=top)
    git("tag", "-a", "-m", "x", "heavy", cwd=top)

    assert repo.head() == repo.resolve(rev)


def test_a_short_name_resolves(repo: GitRepo) -> None:
    assert repo.head() == repo.resolve(str(repo.head())[:8])


@pytest.mark.parametrize(
    "rev", ["nope", "", "--path-format=x", "0" * 40, "HEAD:a", "HEAD^{tree}", "a b", "x\ny", "x\0y"]
)
def test_an_unknown_revision_is_named(repo: GitRepo, rev: str) -> None:
    with pytest.raises(GitError) as caught:
        repo.resolve(rev)

    assert f"unknown Git revision '{rev}'" == caught.value.message


def test_head_before_the_first_commit_is_unknown(top: Path) -> None:
    with pytest.raises(GitError, match="unknown Git revision 'HEAD'"):
        opened(top).resolve("HEAD")


def test_branches_are_the_local_ones_by_name(repo: GitRepo, top: Path) -> None:
    first = repo.head()
    git("branch", "zeta", cwd=top)
    git("branch", "feature/ü\u2028x", cwd=top)
    git("update-ref", "refs/remotes/origin/main", "HEAD", cwd=top)
    second = commit(top, "2")

    assert [("feature/ü\u2028x", first), ("main", second), ("zeta", first)] == repo.branches()


def test_tags_are_peeled_to_commits_and_others_left_out(repo: GitRepo, top: Path) -> None:
    git("tag", "light", cwd=top)
    git("tag", "-a", "-m", "x", "heavy", cwd=top)
    git("tag", "-a", "-m", "x", "heavier", "heavy", cwd=top)
    git("tag", "blob", "HEAD:a", cwd=top)
    git("tag", "-a", "-m", "x", "tree", "HEAD^{tree}", cwd=top)
    git("tag", "-a", "-m", "x", "deep-tree", "tree", cwd=top)
    git("pack-refs", "--all", cwd=top)

    assert [(name, repo.head()) for name in ("heavier", "heavy", "light")] == repo.tags()


def test_all_commits_are_those_of_branches_remotes_tags_and_head(repo: GitRepo, top: Path) -> None:
    kept = {str(repo.head())}
    for number, ref in enumerate(["refs/remotes/origin/x", "refs/tags/t", "refs/notes/n"]):
        git("checkout", "-q", "--detach", "main", cwd=top)
        sha = commit(top, f"side {number}")
        git("update-ref", ref, sha, cwd=top)
        kept |= {sha} if "notes" not in ref else set()
    git("tag", "blob", "HEAD:a", cwd=top)
    git("checkout", "-q", "--detach", "main", cwd=top)
    kept.add(commit(top, "detached"))

    found = repo.all_commits()

    assert (kept, len(kept)) == (set(found), len(found))


def test_an_empty_repository_has_no_commits(top: Path) -> None:
    repo = opened(top)

    assert ([], [], []) == (repo.all_commits(), repo.branches(), repo.tags())


ODD_NAMES = ["-dash", "new\nline", "sp ace", "ünï", "*", ":(glob)x", "d/e/f", "d.x", "d-x", "dz"]


def test_a_tree_is_listed_as_git_lists_it(repo: GitRepo, top: Path) -> None:
    for name in [*ODD_NAMES, os.fsdecode(b"\xff\xfe")]:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name if name.isprintable() else "x")
    (top / "x.sh").write_text("x")
    (top / "x.sh").chmod(0o755)
    (top / "link").symlink_to("a")
    sha = commit(top, "2")
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "-z", sha], cwd=top, capture_output=True, check=True
    ).stdout
    rows = [row.split(b"\t", 1) for row in listed.split(b"\0")[:-1]]
    expected = [
        (name.decode("utf-8", "surrogateescape"), int(head.split()[0], 8), head.split()[2].decode())
        for head, name in rows
    ]

    assert expected == repo.ls_tree("HEAD") == repo.ls_tree(sha, [""])


def test_a_tree_is_listed_below_chosen_paths_only(repo: GitRepo, top: Path) -> None:
    for name in ("d/e/f", "d/g", "dz"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    commit(top, "2")

    found = repo.ls_tree("HEAD", ["d/e", str(top / "dz"), "nope", "a/b"])

    assert ["d/e/f", "dz"] == [path for path, _, _ in found]


def test_many_blobs_come_back_in_order(repo: GitRepo, top: Path) -> None:
    for number in range(250):
        (top / f"f{number}").write_bytes(b"\n\0%d\n" % number * number)
    commit(top, "2")
    oids = [oid for _, _, oid in repo.ls_tree("HEAD")]

    found = list(repo.read_blobs(oids + oids[:3]))

    assert oids + oids[:3] == [oid for oid, _ in found]
    assert {b"\n\0%d\n" % n * n for n in range(250)} == {data for _, data in found} - {b"2"}


def test_a_reader_left_half_way_does_not_mix_up_the_next(repo: GitRepo, top: Path) -> None:
    for number in range(250):
        (top / f"f{number}").write_text(f"{number}")
    commit(top, "2")
    oids = [oid for _, _, oid in repo.ls_tree("HEAD")]
    left = repo.read_blobs(oids)
    next(left)

    assert {"f7": b"7"} == repo.read_files("HEAD", ["f7"])
    assert oids[1] == next(left)[0]


def test_an_object_committed_later_is_found(repo: GitRepo, top: Path) -> None:
    before = repo.read_files("HEAD", ["a"])
    commit(top, "2")
    git("gc", "-q", cwd=top)

    assert [{"a": b"1"}, {"a": b"2"}] == [before, repo.read_files("HEAD", ["a"])]


def test_reading_goes_on_after_close(repo: GitRepo) -> None:
    repo.read_files("HEAD", ["a"])
    repo.close()

    assert {"a": b"1"} == repo.read_files("HEAD", ["a"])


def test_a_missing_object_is_named_and_reading_goes_on(repo: GitRepo) -> None:
    absent = "1" * len(str(repo.head()))

    with pytest.raises(GitError, match=absent):
        list(repo.read_blobs([absent]))
    assert {"a": b"1"} == repo.read_files("HEAD", ["a"])


def test_a_name_that_is_no_object_name_never_reaches_git(repo: GitRepo) -> None:
    with pytest.raises(GitError, match="not the name of a Git object"):
        list(repo.read_blobs(["HEAD:a\ninfo HEAD"]))


@pytest.mark.parametrize("kept_bytes", [0, 20, 5000])
def test_a_damaged_object_is_an_error_and_reading_goes_on(
    repo: GitRepo, top: Path, kept_bytes: int
) -> None:
    (top / "big").write_bytes(random.Random(1).randbytes(20_000))
    commit(top, "2")
    (a, _, _), (big, _, oid) = repo.ls_tree("HEAD")
    path = top / ".git" / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:kept_bytes])

    with pytest.raises(GitError):
        repo.read_files("HEAD", [big])
    assert {a: b"2"} == repo.read_files("HEAD", [a])


def test_a_tree_is_no_blob(repo: GitRepo, top: Path) -> None:
    tree = out("rev-parse", "HEAD^{tree}", cwd=top)

    with pytest.raises(GitError, match="is a tree, not a blob"):
        list(repo.read_blobs([tree]))


def test_files_of_a_revision_are_read_and_what_is_no_file_left_out(
    repo: GitRepo, top: Path
) -> None:
    (top / "d").mkdir()
    (top / "d" / "new\nline").write_text("n")
    commit(top, "2")
    (top / "a").unlink()

    found = repo.read_files("HEAD", ["a", "d/new\nline", "d", "nope", "a/x"])

    assert {"a": b"2", "d/new\nline": b"n"} == found


def test_links_are_followed_inside_the_repository_only(
    repo: GitRepo, top: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("s")
    (top / "d").mkdir()
    links = {
        "d/up": "../a",
        "folder": "d",
        "again": "folder/up",
        "absolute": str(top / "a"),
        "outside": "../secret",
        "self": "self",
    }
    for name, target in links.items():
        (top / name).symlink_to(target)
    commit(top, "2")

    found = repo.read_files("HEAD", [*links, "folder/up"])

    assert {name: b"2" for name in ("d/up", "again", "folder/up")} == found


def test_a_shallow_clone_says_so_and_how_to_get_the_rest(
    repo: GitRepo, top: Path, tmp_path: Path
) -> None:
    first = str(repo.head())
    second = commit(top, "2")
    git("clone", "-q", "--depth=1", f"file://{top}", str(tmp_path / "shallow"))
    shallow = opened(tmp_path / "shallow")

    assert (False, True) == (repo.is_shallow(), shallow.is_shallow())
    assert [second] == shallow.all_commits()
    with pytest.raises(GitError) as caught:
        shallow.resolve(first)
    assert "git fetch --unshallow" in str(caught.value.hint)


def test_a_submodule_is_listed_but_has_no_bytes(
    repo: GitRepo, top: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    git("clone", "-q", str(top), str(tmp_path / "other"))
    git("submodule", "--quiet", "add", str(tmp_path / "other"), "sub", cwd=top)
    commit(top, "2")

    assert [("sub", 0o160000)] == [(p, mode) for p, mode, _ in repo.ls_tree("HEAD", ["sub"])]
    assert {} == repo.read_files("HEAD", ["sub", "sub/a"])


@pytest.mark.parametrize("ask", ["head", "branches", "all_commits", "resolve"])
def test_a_damaged_branch_is_an_error_never_a_missing_one(
    repo: GitRepo, top: Path, ask: str
) -> None:
    """What a branch needs must not look unneeded because its file is damaged (D5)."""
    (top / ".git/refs/heads/main").write_text("zzz\n")

    with pytest.raises(GitError):
        repo.resolve("main") if ask == "resolve" else getattr(repo, ask)()
