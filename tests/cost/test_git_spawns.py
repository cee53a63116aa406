"""How many processes each question to Git costs (a process: 1.5 to 3 ms), and how many objects.

Counted by git itself: GIT_TRACE2_EVENT notes every git that starts, also those that git starts.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pannier.core.events import Silent
from pannier.git.filters import is_dirty
from pannier.git.mirror import Mirror
from pannier.git.repo import GitRepo
from pannier.ops.metrics import MetricsOptions, diff, show
from pannier.ops.plots import plots_at
from pannier.project.plots import PlotTargets
from pannier.project.project import open_project
from pannier.project.revisions import RevisionTree, TreeMemo, select
from pannier.project.targets import RevisionOptions
from tests.support.programs import git

Started = Callable[..., int]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    path = tmp_path / "repo"
    path.mkdir()
    git("init", "-q", cwd=path)
    for folder in range(10):
        for file in range(5):
            (path / f"d{folder}" / "in").mkdir(parents=True, exist_ok=True)
            (path / f"d{folder}" / "in" / f"{file}.dvc").write_text(f"{folder} {file}")
    (path / ".dvc").mkdir()
    (path / ".dvc" / "config").touch()
    git("add", "-A", cwd=path)
    git("commit", "-qm", "1", cwd=path)
    git("tag", "-a", "-m", "x", "t", cwd=path)
    return path


@pytest.fixture
def started(tmp_path: Path, top: Path, monkeypatch: pytest.MonkeyPatch) -> Started:
    """Tells how many gits were started since."""
    log = tmp_path / "trace"
    log.touch()
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(log))

    def count(depth: int | None = None) -> int:
        """depth 0: only those that git did not start itself."""
        starts = [line for line in log.read_text().splitlines() if '"event":"start"' in line]
        if depth is None:
            return len(starts)
        return len([line for line in starts if json.loads(line)["sid"].count("/") == depth])

    return count


def opened(path: Path) -> GitRepo:
    found = GitRepo.find(str(path))
    assert found is not None
    return found


def test_the_count_counts(top: Path, started: Started) -> None:
    git("status", cwd=top)
    git("branch", cwd=top)

    assert 2 == started()


@pytest.mark.parametrize("kind", ["main", "worktree", "submodule", "packed", "sparse", "hook"])
def test_finding_a_repository_and_its_head_starts_no_git(
    top: Path, tmp_path: Path, started: Started, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = top
    if kind == "worktree":
        place = tmp_path / "tree"
        git("worktree", "add", "-q", str(place), cwd=top)
    elif kind == "submodule":
        git("clone", "-q", str(top), str(tmp_path / "other"))
        git("submodule", "--quiet", "add", str(tmp_path / "other"), "sub", cwd=top)
        place = top / "sub"
    elif kind == "packed":
        git("pack-refs", "--all", cwd=top)
    elif kind == "sparse":
        git("sparse-checkout", "set", "d1", cwd=top)
    elif kind == "hook":
        monkeypatch.chdir(top)
        monkeypatch.setenv("GIT_DIR", ".git")
        monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    before = started()

    repo = opened(place)
    known = (repo.head(), repo.resolve("HEAD"), repo.is_shallow(), repo.info_exclude_path())

    assert before == started()
    assert known[0] == known[1] is not None


QUESTIONS: dict[str, tuple[int, Callable[[GitRepo], object]]] = {
    "resolve": (1, lambda repo: repo.resolve("t")),
    "branches": (1, GitRepo.branches),
    "tags": (1, GitRepo.tags),
    "all_commits": (1, GitRepo.all_commits),
    "tracked": (1, lambda repo: repo.tracked([f"x{n}" for n in range(1000)])),
    "tracked, nothing asked": (0, lambda repo: repo.tracked([])),
    "check_ignore": (1, lambda repo: repo.check_ignore([f"x{n}" for n in range(1000)])),
    "check_ignore, nothing asked": (0, lambda repo: repo.check_ignore([])),
    "add": (1, lambda repo: repo.add([f"d{n}" for n in range(10)])),
    "add, nothing asked": (0, lambda repo: repo.add([])),
    "untracked": (1, lambda repo: repo.untracked("")),
    "is_dirty": (1, is_dirty),
    "config_get": (1, lambda repo: repo.config_get("user.name")),
    "config_set": (1, lambda repo: repo.config_set("x.y", "z")),
    "hooks_dir": (1, GitRepo.hooks_dir),
    "select -a -T": (2, lambda repo: select(repo, all_branches=True, all_tags=True)),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_starts_as_many_gits_as_it_must(top: Path, started: Started, name: str) -> None:
    expected, ask = QUESTIONS[name]
    repo = opened(top)

    ask(repo)

    assert expected == started()


def test_all_reading_of_objects_is_one_git(top: Path, started: Started) -> None:
    repo = opened(top)
    for _ in range(3):
        listed = repo.ls_tree("HEAD")
        list(repo.read_blobs([oid for _, _, oid in listed]))
        repo.read_files("HEAD", [path for path, _, _ in listed])
        tree = RevisionTree(repo, repo.resolve("HEAD"))
        tree.read_many(tree.stage_files())
    repo.close()

    assert 1 == started()


SPY = """\
#!{python}
import subprocess, sys
git = subprocess.Popen([{git!r}, *sys.argv[1:]], stdin=subprocess.PIPE)
with open({asked!r}, "ab", buffering=0) as asked:
    for line in sys.stdin.buffer:
        asked.write(line)
        git.stdin.write(line)
        git.stdin.flush()
git.stdin.close()
sys.exit(git.wait())
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that git is told on its standard input; where `git` is called from now on."""
    path, wrapper = tmp_path / "asked", tmp_path / "bin" / "git"
    path.touch()
    wrapper.parent.mkdir()
    wrapper.write_text(SPY.format(python=sys.executable, git=shutil.which("git"), asked=str(path)))
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}")
    return path


def test_over_many_revisions_only_what_changed_is_read(top: Path, asked: Path) -> None:
    """A commit costs its root, the two changed folders and the changed file."""
    for number in range(20):
        (top / f"d{number % 10}" / "in" / "0.dvc").write_text(f"new {number}")
        git("commit", "-qam", "x", cwd=top)
    repo = opened(top)
    memo = TreeMemo()
    for sha in repo.all_commits():
        tree = RevisionTree(repo, sha, "", memo)
        paths = tree.stage_files()
        assert 50 == len(tree.read_many(paths))
    repo.close()

    first = 1 + 20 + 50  # the root, 20 folders (not `.dvc`), 50 files
    assert first + 20 * 4 == asked.read_text().count("contents ")


def test_a_look_elsewhere_costs_three_gits_and_all_files_come_at_once(
    top: Path, started: Started, tmp_path: Path
) -> None:
    """One for the address, one for the fetch, one for HEAD."""
    git("config", "uploadpack.allowFilter", "true", cwd=top)
    mirror = Mirror(f"file://{top}", str(tmp_path / "mirror"))
    mirror.update(None, Silent())
    before = _ours(started)

    sha = mirror.update(None, Silent())
    assert 3 == _ours(started) - before
    blobs = [oid for _, _, oid in mirror.open().ls_tree(sha)]
    before = _ours(started)
    mirror.bring_blobs(sha, blobs, Silent())
    assert 2 == _ours(started) - before
    before = _ours(started)
    assert len(blobs) == len(list(mirror.open().read_blobs(blobs)))
    assert sha == mirror.update(sha, Silent())
    assert 2 == _ours(started) - before


def _ours(started: Callable[..., int]) -> int:
    """Only those that we start: git starts others for itself."""
    return started(depth=0)


def test_metrics_and_plots_of_many_commits_are_read_by_one_git(
    top: Path, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GIT_TRACE2_EVENT")
    (top / "dvc.yaml").write_text("metrics: [m.json]\nplots: [p.csv]\n")
    for number in range(20):
        (top / "m.json").write_text(f'{{"a": {number}}}')
        (top / "p.csv").write_text(f"x\n{number}\n")
        git("add", "-A", cwd=top)
        git("commit", "-qm", str(number), cwd=top)
        git("tag", f"n{number}", cwd=top)
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(top.parent / "trace"))
    project = open_project(str(top))

    every = MetricsOptions(revisions=RevisionOptions(all_commits=True))
    readings = show(project, every, Silent())
    assert len(readings) == 22  # the workspace, and a commit from before
    assert started() == 3  # the commits, their objects, the branch

    assert diff(project, ["n3", "n9"], MetricsOptions(), Silent()).changes
    with plots_at(project, [f"n{n}" for n in range(20)], PlotTargets(), Silent()) as report:
        (figure,) = report.figures
    assert len(figure.points) == 20
    assert started() == 3


def test_many_commits_are_asked_for_at_once_and_the_files_of_each(top: Path, asked: Path) -> None:
    names = [f"m{number}.json" for number in range(30)]
    (top / "dvc.yaml").write_text(json.dumps({"metrics": names}))
    for number in range(10):
        for name in names:
            (top / name).write_text(f'{{"a": "{number} {name}"}}')
        git("add", "-A", cwd=top)
        git("commit", "-qm", str(number), cwd=top)
    asked.write_text("")

    every = MetricsOptions(revisions=RevisionOptions(all_commits=True))
    readings = show(open_project(str(top)), every, Silent())

    assert 300 == sum(len(reading.files) for reading in readings.values())
    # The roots; folders below the first one, its files, the pipeline; the metrics of each commit.
    assert asked.read_text().count("flush\n") <= 10 + 8
