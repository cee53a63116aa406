"""Every row of docs/compat.md, held against both programs."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import project as projects
from tests.support.oracle import Oracle
from tests.support.programs import Program, git
from tests.support.project import Project, make_project
from tests.support.wanted import is_wanted

Twins = tuple[Project, Project]


@pytest.fixture
def twins(tmp_path: Path, oracle: Oracle, dvc: Program) -> Twins:
    """Two projects alike: real DVC's, ours."""
    return make_project(tmp_path / "theirs", oracle), make_project(tmp_path / "ours", dvc)


def both(twins: Twins, prepare: Callable[[Project], None]) -> None:
    for project in twins:
        prepare(project)


def objects(root: Path) -> list[Path]:
    """The objects' files in a cache or remote, without what lies beside them."""
    return [root / name for name in projects.objects(root)]


def test_adding_several_targets_is_all_or_nothing(twins: Twins) -> None:
    assert is_wanted("add-all-or-nothing")
    both(twins, lambda project: project.write("there", "1"))

    answers = [project.dvc("add", "there", "missing", check=False) for project in twins]

    assert [1, 1] == [answer.rc for answer in answers]
    assert [True, False] == [(project.root / "there.dvc").exists() for project in twins]


def test_an_empty_pointer_is_an_error(twins: Twins) -> None:
    assert is_wanted("empty-pointer")
    both(twins, lambda project: project.write("d.dvc", ""))

    theirs, ours = (project.dvc("status", check=False) for project in twins)

    assert (0, 1) == (theirs.rc, ours.rc)
    assert "'d.dvc'" in ours.stderr


def test_pushing_what_is_nowhere_fails(twins: Twins) -> None:
    assert is_wanted("push-missing")

    def prepare(project: Project) -> None:
        project.write("f", "1")
        project.dvc("add", "f")
        project.dvc("remote", "add", "-d", "store", str(project.root.parent / "store"))
        shutil.rmtree(project.root / ".dvc" / "cache")

    both(twins, prepare)

    assert [0, 1] == [project.dvc("push", check=False).rc for project in twins]


def test_a_damaged_object_is_not_handed_out(twins: Twins) -> None:
    assert is_wanted("damaged-object")

    def prepare(project: Project) -> None:
        project.write("f", "good")
        project.dvc("add", "f")
        (found,) = objects(project.root / ".dvc" / "cache")
        found.chmod(0o644)
        found.write_text("evil")
        found.chmod(0o444)
        (project.root / "f").unlink()

    both(twins, prepare)
    theirs, ours = (project.dvc("checkout", check=False) for project in twins)

    assert (0, 255) == (theirs.rc, ours.rc)
    assert (twins[0].root / "f").read_text() == "evil"
    assert not (twins[1].root / "f").exists()
    assert len(list((twins[1].root / ".dvc/cache/files/md5/quarantine").iterdir())) == 1


def test_the_last_copy_of_data_stays(twins: Twins) -> None:
    assert is_wanted("last-copy")

    def prepare(project: Project) -> None:
        project.git("checkout", "-q", "-b", "with-data")
        project.write("d/a", "only copy")
        project.dvc("add", "d")
        project.commit_all()
        shutil.rmtree(project.root / ".dvc" / "cache")
        project.git("checkout", "-q", "-")

    both(twins, prepare)
    for project in twins:
        project.dvc("checkout", check=False)

    assert [False, True] == [(project.root / "d/a").exists() for project in twins]


def test_the_mode_of_a_file_stays(twins: Twins) -> None:
    assert is_wanted("file-mode")

    def prepare(project: Project) -> None:
        project.write("f", "1")
        os.chmod(project.root / "f", 0o600)
        project.dvc("add", "f")

    both(twins, prepare)
    modes = [stat.S_IMODE((project.root / "f").stat().st_mode) for project in twins]

    assert [0o644, 0o600] == modes


def test_the_remote_is_looked_at_before_data_counts_as_pushed(twins: Twins) -> None:
    assert is_wanted("remote-looked-at")

    def prepare(project: Project) -> None:
        store = project.root.parent / f"store-{project.root.name}"
        project.write("d/a", "1")
        project.write("d/b", "2")
        project.dvc("add", "d")
        project.dvc("remote", "add", "-d", "store", str(store))
        project.dvc("push")
        for found in objects(store):
            if found.suffix != ".dir":
                found.unlink()

    both(twins, prepare)
    theirs, ours = (project.dvc("push") for project in twins)

    assert ["Everything is up to date."] == theirs.lines
    assert ["2 files pushed"] == ours.lines


def test_an_incomplete_checkout_takes_nothing_away(twins: Twins) -> None:
    assert is_wanted("failed-checkout")

    def prepare(project: Project) -> None:
        project.write("d/a", "content")
        project.dvc("add", "d")
        os.rename(project.root / "d/a", project.root / "d/b")
        for found in objects(project.root / ".dvc" / "cache"):
            if found.suffix != ".dir":
                found.unlink()
        assert project.dvc("checkout", "-f", check=False).rc == 255

    both(twins, prepare)

    assert [False, True] == [(project.root / "d/b").exists() for project in twins]


def use_and_give_up(project: Project) -> None:
    """A directory in use, and an object that nothing refers to any more."""
    for number in range(3):
        project.write(f"d/{number}", f"file {number}")
    project.write("old", "given up")
    project.dvc("add", "-q", "d", "old")
    (project.root / "old.dvc").unlink()
    project.commit_all()


def stored(project: Project) -> set[str]:
    root = project.cache / "files/md5"
    return {path.parent.name + path.name for path in root.glob("[0-9a-f][0-9a-f]/*")}


def test_gc_removes_nothing_when_a_list_of_files_is_missing(twins: Twins) -> None:
    assert is_wanted("gc-doubt")
    both(twins, use_and_give_up)
    for project in twins:
        next((project.cache / "files/md5").glob("??/*.dir")).unlink()
        shutil.rmtree(project.root / "d")

    theirs, ours = (project.dvc("gc", "-w", "-f", check=False) for project in twins)

    assert (0, 255) == (theirs.rc, ours.rc), str(ours)
    assert 0 == len(stored(twins[0]))
    assert 4 == len(stored(twins[1]))


def test_gc_of_a_history_that_was_not_fetched_removes_nothing(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    assert is_wanted("gc-shallow")
    answers = []
    for name, program in (("theirs", oracle), ("ours", dvc)):
        whole = make_project(tmp_path / name / "whole", program)
        for text in ("one", "two"):
            whole.write("f", text)
            whole.dvc("add", "-q", "f")
            whole.commit_all(text)
        clone = tmp_path / name / "clone"
        git("clone", "-q", "--depth", "1", f"file://{whole.root}", str(clone), cwd=tmp_path)
        shutil.copytree(whole.cache, clone / ".dvc/cache")
        done = [program("gc", option, "-f", cwd=clone) for option in ("-A", "-w")]
        answers.append((done[0].rc, "git fetch --unshallow" in done[0].stderr, done[1].rc))

    assert [(0, False, 0), (255, True, 0)] == answers


def test_gc_can_be_taken_back(twins: Twins) -> None:
    assert is_wanted("gc-trash")
    both(twins, use_and_give_up)
    before = stored(twins[1])

    for project in twins:
        project.dvc("gc", "-w", "-f")
    removed = [len(before - stored(project)) for project in twins]
    back = twins[1].dvc("gc", "--undo")

    assert [1, 1] == removed
    assert before == stored(twins[1])
    assert "Brought back 1 object." in back.stdout


def test_gc_keeps_what_is_young_in_a_common_cache(twins: Twins) -> None:
    assert is_wanted("gc-young")
    for project in twins:
        project.dvc("cache", "dir", "../" + project.root.name + "-cache")
    both(twins, use_and_give_up)

    for project in twins:
        project.dvc("gc", "-w", "-f")

    left = [objects(project.root.with_name(project.root.name + "-cache")) for project in twins]
    names = [[path for path in some if len(path.name) in (30, 34)] for some in left]
    assert [4, 5] == [len(some) for some in names]


def test_gc_does_not_skip_the_workspace(twins: Twins) -> None:
    assert is_wanted("gc-skip-workspace")
    both(twins, use_and_give_up)
    both(twins, lambda project: project.write("d.dvc", "outs: ["))

    answers = [project.dvc("gc", "-w", "-f", "--skip-failed", check=False) for project in twins]

    assert [0, 255] == [answer.rc for answer in answers]
    assert [0, 5] == [len(stored(project)) for project in twins]


def test_gc_leaves_other_peoples_files_in_the_cache(twins: Twins) -> None:
    assert is_wanted("gc-own-names")
    both(twins, use_and_give_up)
    for project in twins:
        (project.cache / "files/md5/ab").mkdir(exist_ok=True)
        (project.cache / "files/md5/ab/notes.txt").write_text("mine")

    for project in twins:
        project.dvc("gc", "-w", "-f")

    left = [(project.cache / "files/md5/ab/notes.txt").exists() for project in twins]
    assert [False, True] == left
