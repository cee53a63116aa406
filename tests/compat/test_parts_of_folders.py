"""`add` of a part of a tracked folder that is not checked out, beside real DVC."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.oracle import Oracle
from tests.support.programs import Program
from tests.support.project import Project, make_project
from tests.support.project import objects as stored

CHANGES: dict[str, dict[str, str]] = {
    "new file": {"data/new": "new\n"},
    "new file in a folder": {"data/sub/deep/new": "new\n"},
    "other content": {"data/1": "longer\n"},
    "the same content": {"data/1": "1\n"},
    "a file where a folder was": {"data/sub": "a file now\n"},
    "two files": {"data/1": "longer\n", "data/new": "new\n"},
}


def objects(project: Project) -> dict[str, bytes]:
    """By the name in full, without what lies beside them."""
    return {"".join(Path(at).parts[-2:]): data for at, data in stored(project.cache).items()}


@pytest.fixture(params=["cache", "remote"])
def twins(
    request: pytest.FixtureRequest, tmp_path: Path, oracle: Oracle, dvc: Program
) -> tuple[Project, Project]:
    """Two projects with a tracked folder whose files are nowhere here; its list is where it says"""
    made = []
    for name, program in (("theirs", oracle), ("ours", dvc)):
        project = make_project(tmp_path / name, program)
        for path, text in {"1": "1\n", "2": "22\n", "sub/s": "s\n"}.items():
            project.write(f"data/{path}", text)
        project.dvc("add", "-q", "data")
        project.dvc("remote", "add", "-q", "-d", "store", str(tmp_path / f"{name}-remote"))
        project.dvc("push", "-q")
        shutil.rmtree(project.root / "data")
        for path in project.cache.rglob("*"):
            if path.is_file() and not (request.param == "cache" and path.suffix == ".dir"):
                path.unlink()
        made.append(project)
    return made[0], made[1]


@pytest.mark.parametrize("change", CHANGES)
def test_a_part_is_recorded_as_dvc_records_it_and_nothing_else_is_brought(
    twins: tuple[Project, Project], change: str
) -> None:
    files = CHANGES[change]
    for project in twins:
        for path, text in files.items():
            project.write(path, text)

    answers = [project.dvc("add", *files, check=False) for project in twins]

    theirs, ours = twins
    assert [0, 0] == [answer.rc for answer in answers]
    assert answers[0].stdout == answers[1].stdout
    assert (theirs.root / "data.dvc").read_text() == (ours.root / "data.dvc").read_text()
    assert {*files} == {
        str(path.relative_to(ours.root)) for path in ours.root.glob("data/**/*") if path.is_file()
    }
    recorded = (ours.root / "data.dvc").read_text().split("md5: ")[1].split("\n")[0]
    mine, others = objects(ours), objects(theirs)
    assert others[recorded] == mine[recorded]
    # DVC also stores lists of changes half made, which nothing refers to.
    assert set() == mine.keys() - others.keys()


@pytest.mark.parametrize("save", [[], ["--no-commit"]])
def test_when_the_list_is_nowhere_nothing_is_changed(
    twins: tuple[Project, Project], save: list[str], tmp_path: Path
) -> None:
    for project in twins:
        project.write("data/new", "new\n")
        shutil.rmtree(project.cache, ignore_errors=True)
        shutil.rmtree(tmp_path / f"{project.root.name}-remote")
    before = (twins[1].root / "data.dvc").read_text()

    answers = [project.dvc("add", *save, "data/new", check=False) for project in twins]

    assert [1, 1] == [answer.rc for answer in answers]
    assert "neither in the cache nor on remote 'store'" in answers[1].stderr
    assert before == (twins[1].root / "data.dvc").read_text()
    assert {} == objects(twins[1])


GONE = {
    "a file": ["data/1"],
    "a folder": ["data/sub"],
    "all of them": ["data/1", "data/2", "data/sub/s"],
    "a file that was never there": ["data/nothing"],
    "a file, and a new one": ["data/1", "data/new"],
    "the folder itself": ["data/1"],
}


@pytest.mark.parametrize("twins", ["cache"], indirect=True)
@pytest.mark.parametrize("case", GONE)
def test_what_vanished_from_a_tracked_folder_is_recorded_as_dvc_records_it(
    twins: tuple[Project, Project], case: str
) -> None:
    targets = GONE[case]
    for project in twins if case != "the folder itself" else ():
        for path, text in {"1": "1\n", "2": "22\n", "sub/s": "s\n"}.items():
            if not any(f"data/{path}".startswith(target) for target in targets):
                project.write(f"data/{path}", text)
        (project.root / "data/sub").mkdir(exist_ok=True, parents=True)
        if "data/new" in targets:
            project.write("data/new", "new\n")
        if case == "a folder":
            (project.root / "data/sub").rmdir()
    before = (twins[1].root / "data.dvc").read_text()

    theirs, ours = (project.dvc("add", *targets, check=False) for project in twins)

    assert theirs.rc == ours.rc, f"{theirs}\n{ours}"
    assert theirs.stdout == ours.stdout
    pointers = [(project.root / "data.dvc").read_text() for project in twins]
    assert pointers[0] == pointers[1]
    assert (ours.rc != 0) == (pointers[1] == before)
