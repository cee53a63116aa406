"""check-ignore says what real DVC says, and ends with its exit codes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.oracle import Oracle
from tests.support.programs import Program, oracle_path
from tests.support.project import Project, make_project

CASES: tuple[tuple[str, list[str]], ...] = (
    ("", ["a.log"]),
    ("", ["b.txt"]),
    ("", ["a.log", "b.txt"]),
    ("", ["-d", "a.log", "./a.log", "{root}/a.log", "ig/../a.log"]),
    ("", ["-d", "-a", "a.log"]),
    ("", ["-d", "-n", "a.log", "b.txt"]),
    ("", ["-n", "b.txt"]),
    ("", ["-a", "a.log"]),
    ("", ["keep.log"]),
    ("", ["-d", "keep.log"]),
    ("", ["-d", "-a", "keep.log"]),
    ("", ["-d", "ig", "ig/", "ig/f", "ig/good"]),
    ("", ["-d", "dir/a.txt", "dir/good.txt", "dir/x.tmp", "dir/deep/a.txt", "dir/none.txt"]),
    ("", ["-d", "-n", "dir", "dir/"]),
    ("", ["-d", "../x.log"]),
    ("", ["/etc/passwd"]),
    ("", ["-d", ".git", ".git/x", ".dvc", ".dvc/config"]),
    ("", []),
    ("", ["--stdin", "a.log"]),
    ("", ["-d", "-q", "a.log"]),
    ("", ["-q", "a.log"]),
    ("", ["-q", "b.txt"]),
    ("", ["-d", "."]),
    ("", ["-d", ""]),
    ("", ["-d", "same"]),
    ("dir", ["-d", "a.txt", "../a.log", "good.txt", "./x.tmp"]),
)
TYPED = (
    (b"a.log\nb.txt\ndir/a.txt\n", ["--stdin"]),
    (b"a.log\nkeep.log\nb.txt\n", ["--stdin", "-d", "-n"]),
    (b"b.txt\n", ["--stdin"]),
    (b"b.txt\n\na.log\n", ["--stdin", "-d", "-n"]),
    (b"", ["--stdin"]),
    (b"a.log", ["--stdin"]),
    (b"a.log\r\n", ["--stdin", "-d", "-n"]),
)


@pytest.fixture
def rules(tmp_path: Path, dvc: Program) -> Project:
    project = make_project(tmp_path / "project", dvc)
    project.write(".dvcignore", "# c\n*.log\n!keep.log\n/ig/\n!ig/good\ndir/*.tmp\nsame\nsame\n")
    project.write("dir/.dvcignore", "*.txt\n!good.txt\n")
    for path in ("a.log", "b.txt", "keep.log", "dir/a.txt", "dir/good.txt", "dir/x.tmp", "ig/f"):
        project.write(path, "")
    (project.root / "dir/deep").mkdir()
    return project


@pytest.mark.parametrize(("cwd", "args"), CASES, ids=lambda value: " ".join(value) or "-")
def test_check_ignore_answers_as_dvc(
    rules: Project, oracle: Oracle, dvc: Program, cwd: str, args: list[str]
) -> None:
    shown = [arg.replace("{root}", str(rules.root)) for arg in args]
    theirs, ours = (
        program("check-ignore", *shown, cwd=rules.root / cwd) for program in (oracle, dvc)
    )

    assert (theirs.rc, theirs.stdout) == (ours.rc, ours.stdout)


def test_check_ignore_reads_paths_as_dvc(rules: Project, dvc: Program) -> None:
    for typed, args in TYPED:
        theirs, ours = (
            subprocess.run(
                [program, "check-ignore", *args], cwd=rules.root, input=typed, capture_output=True
            )
            for program in (oracle_path(), dvc.path)
        )

        assert (theirs.returncode, theirs.stdout) == (ours.returncode, ours.stdout), (typed, args)


def test_check_ignore_outside_of_a_project_is_an_error(
    oracle: Oracle, dvc: Program, tmp_path: Path
) -> None:
    assert [253, 253] == [
        program("check-ignore", "x", cwd=tmp_path).rc for program in (oracle, dvc)
    ]
