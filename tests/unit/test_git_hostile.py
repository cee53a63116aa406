"""Repositories that want to run something, foreign owners, hooks, and a missing git."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pannier.core.errors import GitError
from pannier.git.filters import is_dirty
from pannier.git.repo import GitRepo
from tests.support.programs import Completed, git, run

READS: dict[str, Callable[[GitRepo], object]] = {
    "head": GitRepo.head,
    "resolve": lambda repo: repo.resolve("main"),
    "branches": GitRepo.branches,
    "tags": GitRepo.tags,
    "all_commits": GitRepo.all_commits,
    "ls_tree": lambda repo: repo.ls_tree("HEAD"),
    "read_files": lambda repo: repo.read_files("HEAD", ["a"]),
    "tracked": lambda repo: repo.tracked(["a", "."]),
    "check_ignore": lambda repo: repo.check_ignore(["a", "x"]),
    "config_get": lambda repo: repo.config_get("user.name"),
    "config_set": lambda repo: repo.config_set("x.y", "z"),
    "hooks_dir": GitRepo.hooks_dir,
    "untracked": lambda repo: repo.untracked(""),
    "is_dirty": is_dirty,
    "not_held": lambda repo: repo.not_held([f"{repo.root}/a"]),
    "add": lambda repo: repo.add(["a"]),
}


def make(top: Path) -> Path:
    top.mkdir(parents=True)
    git("init", "-q", cwd=top)
    (top / "a").write_text("a\n")
    git("add", "-A", cwd=top)
    git("commit", "-qm", "1", cwd=top)
    return top


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return make(tmp_path / "repo")


def opened(path: Path, *, lazy_fetch: bool = False) -> GitRepo:
    found = GitRepo.find(str(path), lazy_fetch=lazy_fetch)
    assert found is not None
    return found


def lay_traps(top: Path, canary: Path) -> None:
    """Everything known that makes git run a program: each would touch the canary."""
    program = top.parent / "trap"
    program.write_text(f"#!/bin/sh\ntouch '{canary}'\n")
    program.chmod(0o755)
    settings = {
        "core.fsmonitor": program,
        "core.pager": program,
        "core.editor": program,
        "core.sshCommand": program,
        "core.alternateRefsCommand": program,
        "core.askPass": program,
        "diff.external": program,
        "diff.x.textconv": program,
        "gpg.program": program,
        "log.showSignature": "true",
        "credential.helper": program,
        "alias.ls-files": f"!{program}",
        "alias.rev-parse": f"!{program}",
    }
    for key, value in settings.items():
        git("config", key, str(value), cwd=top)
    (top / ".gitattributes").write_text("* diff=x\n")
    for hook in ("post-index-change", "reference-transaction", "post-checkout", "pre-commit"):
        (top / ".git" / "hooks" / hook).write_text(program.read_text())
        (top / ".git" / "hooks" / hook).chmod(0o755)


def test_the_traps_work(top: Path, tmp_path: Path) -> None:
    lay_traps(top, tmp_path / "canary")

    git("status", cwd=top)

    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize("name", READS)
def test_a_hostile_repository_runs_nothing(top: Path, tmp_path: Path, name: str) -> None:
    lay_traps(top, tmp_path / "canary")
    (top / "a").write_text("changed\n")
    repo = opened(top)

    READS[name](repo)

    assert not (tmp_path / "canary").exists()


def partial_clone(top: Path, tmp_path: Path) -> Path:
    (top / "a").write_text("2\n")
    git("commit", "-qam", "2", cwd=top)
    git("config", "uploadpack.allowFilter", "true", cwd=top)
    clone = tmp_path / "partial"
    git("clone", "-q", "--filter=blob:none", f"file://{top}", str(clone))
    return clone


def test_a_partial_clone_does_not_run_its_remotes_program(top: Path, tmp_path: Path) -> None:
    clone = partial_clone(top, tmp_path)
    canary = tmp_path / "canary"
    git("config", "remote.origin.uploadpack", f"touch {canary}; false", cwd=clone)

    with pytest.raises(GitError, match="partial clone") as caught:
        opened(clone).read_files("HEAD~1", ["a"])

    assert not canary.exists()
    git("cat-file", "-e", "HEAD~1:a", cwd=clone, check=False)
    assert canary.exists(), "the trap does not work"
    assert "git fetch --refetch" in str(caught.value.hint)


def test_a_partial_clone_of_our_own_fetches_what_it_lacks(top: Path, tmp_path: Path) -> None:
    clone = partial_clone(top, tmp_path)

    assert {"a": b"a\n"} == opened(clone, lazy_fetch=True).read_files("HEAD~1", ["a"])


def _own(top: Path, trap: str, option: str, name: str) -> None:
    git("config", f"filter.{name}.{option}", trap, cwd=top)


def _included(top: Path, trap: str, option: str, name: str) -> None:
    (top / "more").write_text(f'[Filter "{name}"]\n\t{option} = {trap}\n')
    git("config", "include.path", "../more", cwd=top)


def _of_work_tree(top: Path, trap: str, option: str, name: str) -> None:
    git("config", "extensions.worktreeConfig", "true", cwd=top)
    git("config", "--worktree", f"filter.{name}.{option}", trap, cwd=top)


def _of_lfs(top: Path, trap: str, option: str, name: str) -> None:
    """Its extensions are programs, too; here `git-lfs` is one that shows what it was told."""
    git("config", "lfs.extension.x.clean", trap, cwd=top)
    git("config", "--global", f"filter.{name}.{option}", f"git-lfs; {trap}", cwd=top)


@pytest.mark.parametrize("name", ["x", "a=b"])
@pytest.mark.parametrize("option", ["clean", "process"])
@pytest.mark.parametrize("lay", [_own, _included, _of_work_tree, _of_lfs])
def test_no_filter_that_a_repository_names_is_run_to_look_at_it(
    top: Path, tmp_path: Path, lay: Callable[..., None], option: str, name: str
) -> None:
    canary = tmp_path / "canary"
    (top / ".git/info/attributes").write_text(f"* filter={name}\n")
    lay(top, f"touch {canary}; cat", option, name)
    os.utime(top / "a", (1, 1))
    repo = opened(top)

    answers = {question: ask(repo) for question, ask in READS.items() if question != "add"}

    assert not canary.exists()
    assert not answers["is_dirty"]
    git("status", cwd=top, check=False)
    assert canary.exists(), "the trap does not work"


def test_a_filter_of_the_users_own_counts_as_for_git(top: Path) -> None:
    git("config", "--global", "filter.x.clean", "tr b a", cwd=top)
    (top / ".git/info/attributes").write_text("* filter=x\n")
    (top / "a").write_text("b\n")

    assert not is_dirty(opened(top))
    (top / "a").write_text("c\n")
    assert is_dirty(opened(top))


def test_git_lfs_set_up_in_one_repository_goes_on_working(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `git lfs install --local` writes it; the program is a stand-in that says what LFS says."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/git-lfs"
    program.write_text('#!/bin/sh\necho "pointer to $(wc -c) bytes"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    git("config", "filter.lfs.clean", "git-lfs clean -- %f", cwd=top)
    git("config", "filter.lfs.smudge", "git-lfs smudge -- %f", cwd=top)
    git("config", "filter.lfs.required", "true", cwd=top)
    (top / ".gitattributes").write_text("a filter=lfs\n")
    (top / "a").write_text("data\n")
    git("add", "-A", cwd=top)
    git("commit", "-qm", "large", cwd=top)
    os.utime(top / "a", (1, 1))

    assert not is_dirty(opened(top))
    (top / "a").write_text("more data\n")
    assert is_dirty(opened(top))


NEEDS_GIT = {name: ask for name, ask in READS.items() if name not in ("head", "config_get")}


# git config says of a foreign repository only that there is none.
CHECKS_OWNER = {name: ask for name, ask in NEEDS_GIT.items() if name != "config_set"}


@pytest.mark.parametrize("name", CHECKS_OWNER)
def test_a_foreign_owner_is_named_with_the_way_to_trust_him(
    top: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    repo = opened(top)

    with pytest.raises(GitError, match="dubious ownership") as caught:
        READS[name](repo)

    hint = f"if you trust it: git config --global --add safe.directory {top}"
    assert hint == caught.value.hint


@pytest.mark.parametrize("name", NEEDS_GIT)
def test_without_git_the_way_out_is_told(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    repo = opened(top)

    with pytest.raises(GitError, match="cannot be run") as caught:
        READS[name](repo)

    assert "install Git" in str(caught.value.hint)


def test_git_asks_nobody_locks_nothing_needlessly_and_speaks_english(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"GIT_TERMINAL_PROMPT": "1", "LC_ALL": "de_DE.UTF-8"}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").write_text(f"#!/bin/sh\nenv > '{tmp_path}/env'\n")
    (tmp_path / "bin" / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")

    opened(top).branches()

    settings = {"GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "LC_ALL=C"}
    assert settings <= set((tmp_path / "env").read_text().splitlines())


INTERRUPTED = """\
import os, signal
from pannier.git.repo import GitRepo
repo = GitRepo.find(".")
repo.read_files("HEAD", ["a"])
try:
    os.killpg(0, signal.SIGINT)
    signal.pause()
except KeyboardInterrupt:
    print(repo.read_files("HEAD", ["a"])["a"].decode(), end="")
"""


def test_ctrl_c_leaves_git_to_those_who_still_have_something_to_do(top: Path) -> None:
    done = run(["setsid", "--wait", sys.executable, "-c", INTERRUPTED], cwd=top)

    assert (0, "a\n", "") == (done.rc, done.stdout, done.stderr)


def test_a_repository_that_has_gone_is_named(top: Path) -> None:
    repo = opened(top)
    top.rename(top.with_name("gone"))

    with pytest.raises(GitError, match=f"in '{top}'"):
        repo.branches()


PROBE = """\
#!{python}
import json, os, sys
from pannier.git.repo import GitRepo
os.chdir(os.path.join({tree!r}, {folder!r}))
repo = GitRepo.find(".")
open(os.path.join({tree!r}, "made-by-hook"), "w").close()
told = [repo.root, sorted(repo.tracked(["a", "new", "made-by-hook"])), repo.is_ignored("a")]
told.append(sorted(path for path, _, _ in repo.ls_tree("HEAD")))
if {add!r}:
    repo.add(["made-by-hook"])
other = GitRepo.find({other!r})
told.append([other.root, sorted(other.tracked(["a", "new", "only-other"]))])
with open({answer!r}, "w") as file:
    json.dump(told, file)
"""


def run_in_hook(top: Path, hook: str, *args: str, folder: str = "", add: bool = False) -> Completed:
    """Lets git run our code as a hook: what it saw is in `answer` beside the repository."""
    other = make(top.parent / "other")
    (other / "only-other").write_text("x")
    git("add", "only-other", cwd=other)
    (top / "sub").mkdir(exist_ok=True)
    answer = top.parent / "answer"
    text = PROBE.format(
        python=sys.executable,
        tree=str(top),
        folder=folder,
        add=add,
        other=str(other),
        answer=str(answer),
    )
    path = Path(opened(top).hooks_dir()) / hook
    path.write_text(text)
    path.chmod(0o755)
    git(*args, cwd=top)
    return run(["cat", str(answer)])


IN_HOOK = ["a", "new"]


@pytest.mark.parametrize("folder", ["", "sub"])
@pytest.mark.parametrize("kind", ["main", "worktree"])
@pytest.mark.parametrize("args", [["commit", "-m2"], ["commit", "-am2"], ["commit", "-m2", "new"]])
def test_pre_commit_sees_what_is_being_committed(
    top: Path, tmp_path: Path, kind: str, args: list[str], folder: str
) -> None:
    if kind == "worktree":
        git("worktree", "add", "-q", str(tmp_path / "tree"), cwd=top)
        top = tmp_path / "tree"
    (top / "new").write_text("new\n")
    git("add", "new", cwd=top)

    told = run_in_hook(top, "pre-commit", *args, folder=folder).json

    other = [str(tmp_path / "other"), ["a", "only-other"]]
    assert [str(top), IN_HOOK, False, ["a"], other] == told


def test_pre_commit_sees_only_the_files_that_are_being_committed(top: Path) -> None:
    (top / "a").write_text("changed\n")
    (top / "new").write_text("new\n")
    git("add", "new", cwd=top)

    told = run_in_hook(top, "pre-commit", "commit", "-m2", "a").json

    assert ["a"] == told[1]


def test_what_pre_commit_adds_is_committed(top: Path) -> None:
    (top / "new").write_text("new\n")
    git("add", "new", cwd=top)

    run_in_hook(top, "pre-commit", "commit", "-m2", add=True)

    assert ["a", "made-by-hook", "new"] == git("ls-tree", "--name-only", "HEAD", cwd=top).lines


@pytest.mark.parametrize("folder", ["", "sub"])
@pytest.mark.parametrize("kind", ["main", "worktree"])
def test_post_checkout_and_pre_push_work(top: Path, tmp_path: Path, kind: str, folder: str) -> None:
    git("init", "-q", "--bare", str(tmp_path / "bare.git"))
    if kind == "worktree":
        git("worktree", "add", "-q", str(tmp_path / "tree"), cwd=top)
        top = tmp_path / "tree"
    expected = [str(top), ["a"], False, ["a"], [str(tmp_path / "other"), ["a", "only-other"]]]

    told = run_in_hook(top, "post-checkout", "checkout", "-q", "-b", "x", folder=folder).json

    assert expected == told
    hooks = Path(opened(top).hooks_dir())
    (hooks / "post-checkout").rename(hooks / "pre-push")
    (tmp_path / "answer").unlink()
    git("push", "-q", str(tmp_path / "bare.git"), "x", cwd=top)
    assert expected == run(["cat", str(tmp_path / "answer")]).json
