"""undo of the commands that edit what is tracked, as a user types them."""

from __future__ import annotations

import pytest

from tests.support.project import Entry, Project, objects, picture


def seen(project: Project) -> dict[str, Entry]:
    """Everything that a user sees in the project."""
    return picture(project.root, leave_out=(".git", ".dvc/cache", ".dvc/tmp"))


def tracked(project: Project) -> None:
    project.write("data/a", "one")
    project.write("data/sub/b", "two")
    project.write("single", "three")
    project.dvc("add", "-q", "data", "single")


CASES: dict[str, tuple[str, ...]] = {
    "move of a file": ("move", "single", "renamed"),
    "move of a folder": ("move", "data", "elsewhere"),
    "remove": ("remove", "data.dvc"),
    "remove with its data": ("remove", "--outs", "data.dvc", "single.dvc"),
    "freeze": ("freeze", "data.dvc"),
}


@pytest.mark.parametrize("case", CASES)
def test_undo_brings_back_what_an_edit_changed(project: Project, case: str) -> None:
    tracked(project)
    before = seen(project)
    project.dvc(*CASES[case])
    after = seen(project)

    project.dvc("undo")

    assert before != after
    assert before == seen(project)


@pytest.mark.parametrize("case", CASES)
def test_a_second_undo_does_the_edit_again(project: Project, case: str) -> None:
    tracked(project)
    project.dvc(*CASES[case])
    after = seen(project)
    project.dvc("undo")

    project.dvc("undo")

    assert after == seen(project)


def test_undo_brings_back_what_gc_took(project: Project) -> None:
    tracked(project)
    project.write("single", "four")
    project.dvc("add", "-q", "single")
    before = objects(project.cache)
    project.dvc("gc", "-w", "-f")
    after = objects(project.cache)

    done = project.dvc("undo")

    assert before != after
    assert before == objects(project.cache)
    assert done.stdout.startswith("Brought back 1 objects of the cache.\nUndid ")
