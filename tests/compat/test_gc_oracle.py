"""`dvc gc` beside real DVC: for every scope the same objects survive, with the same words."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.oracle import Oracle
from tests.support.programs import Completed, Program, Runner, git
from tests.support.project import objects

DAY = "2024-03-{:02}T12:00:00 +0000"


@dataclass(frozen=True, slots=True)
class World:
    """A project with a history, in `base/repo`, its remote and another project of the cache."""

    base: Path

    @property
    def repo(self) -> Path:
        return self.base / "repo"

    def commit(self, day: int, message: str) -> str:
        stamp = DAY.format(day)
        git("add", "-A", cwd=self.repo)
        env = {"GIT_COMMITTER_DATE": stamp, "GIT_AUTHOR_DATE": stamp}
        old = {name: os.environ.get(name) for name in env}
        os.environ.update(env)
        git("commit", "-qm", message, cwd=self.repo)
        for name, value in old.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        return git("rev-parse", "HEAD", cwd=self.repo).stdout.strip()

    def version(self, oracle: Runner, day: int, text: str) -> str:
        """One commit: a file and a folder that keeps one file and changes another."""
        (self.repo / "f").write_text(f"f {text}\n")
        (self.repo / "d").mkdir(exist_ok=True)
        (self.repo / "d/same").write_text("same\n")
        (self.repo / "d/other").write_text(f"other {text}\n")
        oracle("add", "-q", "f", "d", cwd=self.repo, check=True)
        return self.commit(day, text)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory, oracle: Oracle) -> Iterator[Path]:
    """Made once: five commits, a side branch with a merge, tags, an experiment, old layout."""
    patch = pytest.MonkeyPatch()
    home = tmp_path_factory.mktemp("gc-home")
    patch.setenv("DVC_SITE_CACHE_DIR", str(home / "site"))
    (home / "gitconfig").write_text(
        "[user]\n name = A\n email = a@example.com\n[init]\n defaultBranch = main\n"
    )
    patch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
    patch.setenv("DVC_NO_ANALYTICS", "1")
    world = World(tmp_path_factory.mktemp("gc-history"))
    world.repo.mkdir()
    git("init", "-q", cwd=world.repo)
    oracle("init", "-q", cwd=world.repo, check=True)
    oracle("remote", "add", "-d", "there", "../remote", cwd=world.repo, check=True)
    world.version(oracle, 1, "one")
    git("tag", "-a", "v1", "-m", "v1", cwd=world.repo)
    world.version(oracle, 2, "two")
    git("checkout", "-qb", "side", cwd=world.repo)
    world.version(oracle, 3, "side")
    git("checkout", "-q", "main", cwd=world.repo)
    oracle("checkout", "-qf", cwd=world.repo, check=True)
    world.version(oracle, 4, "three")
    git("merge", "-q", "-s", "ours", "side", "-m", "merged", cwd=world.repo)
    world.version(oracle, 6, "four")
    _experiment(world, oracle)
    _old_layout(world, oracle)
    world.commit(8, "old layout")
    oracle("push", "-q", cwd=world.repo, check=True)
    (world.repo / "f").write_text("only in the workspace\n")
    oracle("add", "-q", "f", cwd=world.repo, check=True)
    _garbage(world.repo / ".dvc/cache", 2)
    _garbage(world.base / "remote", 3)
    _other_project(world, oracle)
    yield world.base
    patch.undo()


def _experiment(world: World, oracle: Runner) -> None:
    """A commit that only an experiment's ref names, where DVC keeps such refs."""
    baseline = git("rev-parse", "HEAD", cwd=world.repo).stdout.strip()
    tip = world.version(oracle, 7, "experiment")
    ref = f"refs/exps/{baseline[:2]}/{baseline[2:]}/odd-name"
    git("update-ref", ref, tip, cwd=world.repo)
    git("reset", "-q", "--hard", baseline, cwd=world.repo)
    oracle("checkout", "-qf", cwd=world.repo, check=True)


def _old_layout(world: World, oracle: Runner) -> None:
    """A pointer of DVC 2 and its object, and an object of that layout that nothing names."""
    name = "5d41402abc4b2a76b9719d911017c592"
    for folder in (world.repo / ".dvc/cache", world.base / "remote"):
        for hex_, data in ((name, "hello"), ("0" * 32, "unused")):
            (folder / hex_[:2]).mkdir(parents=True, exist_ok=True)
            (folder / hex_[:2] / hex_[2:]).write_text(data)
    (world.repo / "old.dvc").write_text(f"outs:\n- md5: {name}\n  size: 5\n  path: old\n")
    (world.repo / ".gitignore").open("a").write("/old\n")


def _garbage(store: Path, count: int) -> None:
    for number in range(count):
        folder = store / f"files/md5/a{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ("b" * 30)).write_text("garbage")


def _other_project(world: World, oracle: Runner) -> None:
    """A second project that shares the cache, uses an old version of the file, and one more."""
    other = world.base / "other"
    other.mkdir()
    git("init", "-q", cwd=other)
    oracle("init", "-q", cwd=other, check=True)
    oracle("cache", "dir", "../repo/.dvc/cache", cwd=other, check=True)
    (other / "mine").write_text("f one\n")
    (other / "own").write_text("only the other project has this\n")
    oracle("add", "-q", "mine", "own", cwd=other, check=True)
    git("add", "-A", cwd=other)
    git("commit", "-qm", "other", cwd=other)


SCOPES = [
    "-w",
    "-aT",
    "-A",
    "-a -n 2",
    "--rev HEAD -n 2",
    "--rev side -n 2",
    "--rev HEAD -n -1",
    "--rev v1 -a -n 2",
    "--date 2024-03-04",
    "-a --all-experiments",
    "-w --not-in-remote",
    "-A --not-in-remote -r there",
    "-A -c",
    "-T -c -r there -j 2",
    "-w -p ../other",
]
MORE_SCOPES = [
    "-a",
    "-T",
    "-wA",
    "-a -n 3 -T",
    "--rev HEAD",
    "--rev v1",
    "--rev main~1 -n 2",
    "--rev HEAD -n 0",
    "--date 2024-03-05 -T",
    "--date 2030-01-01",
    "-A --date 2024-03-04",
    "--all-experiments",
    "-w -c",
    "-a -p ../other",
]

REFUSED = [
    "",
    "-n 2",
    "-w -n 2",
    "--not-in-remote",
    "-w -c --not-in-remote",
    "-w -c -r nowhere",
    "-w --not-in-remote -r nowhere",
    "--rev nowhere",
    "-w -p ../nowhere",
    "-w nonsense",
    "-j x -w",
]


def _run(program: Runner, world: Path, options: str, *more: str) -> Completed:
    done = program("gc", *options.split(), *more, cwd=world / "repo")
    return Completed(
        done.command,
        done.rc,
        done.stdout.replace(str(world), "{base}"),
        done.stderr.replace(str(world), "{base}"),
    )


def _survivors(world: Path) -> dict[str, bytes]:
    return {
        f"{place}: {path}": data
        for place in ("repo/.dvc/cache", "remote")
        for path, data in objects(world / place).items()
    }


@pytest.fixture
def twins(history: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two copies of the history: for real DVC, and for ours without its grace for young objects."""
    pair = tmp_path / "theirs", tmp_path / "ours"
    for copy in pair:
        shutil.copytree(history, copy, symlinks=True)
    (pair[1] / "repo/.dvc/pannier.toml").write_text("gc_grace = 0\n")
    return pair


@pytest.mark.parametrize(
    "scope", [*SCOPES, *(pytest.param(scope, marks=pytest.mark.long) for scope in MORE_SCOPES)]
)
def test_the_same_objects_survive(
    scope: str, twins: tuple[Path, Path], oracle: Oracle, dvc: Program
) -> None:
    theirs, ours = twins

    done = [_run(*pair, scope, "-f") for pair in ((oracle, theirs), (dvc, ours))]

    assert _survivors(theirs) == _survivors(ours)
    assert 0 == done[0].rc == done[1].rc, f"{done[0]}\n{done[1]}"
    assert done[0].lines == done[1].lines
    assert _warning(done[0]) == _warning(done[1])


@pytest.mark.parametrize("scope", ["-w -c", "-a -p ../other", "-w --not-in-remote"])
def test_a_dry_run_names_the_same_objects_and_removes_none(
    scope: str, twins: tuple[Path, Path], oracle: Oracle, dvc: Program
) -> None:
    theirs, ours = twins
    before = _survivors(ours)

    listed = [_run(*pair, scope, "--dry") for pair in ((oracle, theirs), (dvc, ours))]

    assert sorted(listed[0].lines) == sorted(listed[1].lines)
    assert before == _survivors(ours)


def _warning(done: Completed) -> list[str]:
    """The warning, with the projects that it names."""
    lines = done.stderr.splitlines()
    return [line for line in lines if line.startswith(("WARNING: This will", "  - "))]


@pytest.mark.parametrize("options", REFUSED)
def test_what_is_refused_is_refused_alike(
    options: str, twins: tuple[Path, Path], oracle: Oracle, dvc: Program
) -> None:
    theirs, ours = twins
    before = _survivors(ours)

    left, right = _run(oracle, theirs, options, "-f"), _run(dvc, ours, options, "-f")

    assert left.rc == right.rc != 0, f"{left}\n{right}"
    assert _warning(left) == _warning(right)
    assert _error(left) == _error(right)
    assert before == _survivors(ours)


def _error(done: Completed) -> str:
    return next(line for line in done.stderr.splitlines() if line.startswith("ERROR: "))


@pytest.mark.parametrize("answer", ["y\n", "Yes\n", "n\n", "", "maybe\ny\n", "maybe\n"])
def test_the_question_is_asked_and_heard_alike(
    answer: str, twins: tuple[Path, Path], dvc: Program
) -> None:
    theirs, ours = twins
    real = Program(os.environ["PANNIER_ORACLE_DVC"], "dvc")

    left, right = (
        program("gc", "-w", cwd=world / "repo", stdin=answer)
        for program, world in ((real, theirs), (dvc, ours))
    )

    assert (left.rc, left.stdout) == (right.rc, right.stdout)
    assert _survivors(theirs) == _survivors(ours)


def test_a_revision_that_cannot_be_read_stops_it_unless_it_shall_be_skipped(
    twins: tuple[Path, Path], oracle: Oracle, dvc: Program
) -> None:
    for world in twins:
        repo = world / "repo"
        (repo / "bad.dvc").write_text("outs: [\n")
        git("add", "-A", cwd=repo)
        git("commit", "-qm", "bad", cwd=repo)
        git("rm", "-q", "bad.dvc", cwd=repo)
        git("commit", "-qm", "good again", cwd=repo)
    theirs, ours = twins
    before = _survivors(ours)

    left, right = _run(oracle, theirs, "-A -f"), _run(dvc, ours, "-A -f")

    assert 255 == left.rc == right.rc
    assert before == _survivors(ours)

    left, right = (_run(p, w, "-A -f --skip-failed") for p, w in ((oracle, theirs), (dvc, ours)))

    assert 0 == left.rc == right.rc, str(right)
    assert _survivors(theirs) == _survivors(ours)
    said = [[s for s in d.stderr.splitlines() if "Failed to collect" in s] for d in (left, right)]
    assert [line.partition("'")[0] for line in said[0]] == [
        line.partition("'")[0] for line in said[1]
    ]


def test_real_dvc_passes_over_the_trash_and_the_lock(
    twins: tuple[Path, Path], oracle: Oracle, dvc: Program
) -> None:
    _, ours = twins
    _run(dvc, ours, "-w -f")
    kept = sorted((ours / "repo/.dvc/cache/files/md5/trash").rglob("*"))

    answers = [
        oracle(*words, cwd=ours / "repo")
        for words in (["status"], ["status", "-c"], ["gc", "-w", "-f"], ["push"], ["checkout"])
    ]

    assert [0] * 5 == [answer.rc for answer in answers], "\n".join(map(str, answers))
    assert "No unused 'repo' cache to remove.\nNo unused 'legacy' cache to remove.\n" == (
        answers[2].stdout
    )
    assert kept
    assert kept == sorted((ours / "repo/.dvc/cache/files/md5/trash").rglob("*"))
    assert 0 == dvc("gc", "--undo", cwd=ours / "repo").rc
