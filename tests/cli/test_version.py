"""dvc version, dvc doctor."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.oracle import Oracle
from tests.support.programs import Program
from tests.support.project import Project


def heads(text: str) -> list[str]:
    """What a line is about: the words before its colon."""
    return [line.partition(":")[0] for line in text.splitlines() if not line.startswith("\t")]


def test_the_lines_are_those_of_dvc(project: Project, oracle: Oracle) -> None:
    project.write("f", "1")
    project.dvc("add", "f")
    project.dvc("remote", "add", "s", "s3://b")
    project.dvc("remote", "add", "l", "/x")

    theirs = oracle("version", cwd=project.root).stdout
    ours = project.dvc("version").stdout

    assert heads(theirs)[2:-1] == heads(ours)[2:]
    for head in ("Platform", "Cache types", "Cache directory", "Workspace directory", "Repo"):
        line = re.compile(rf"(?m)^{head}: .*$")
        assert line.findall(theirs) == line.findall(ours)
    assert "\nRemotes: local, s3\n" in ours
    assert "\nCaches: local\n" in ours


def test_the_first_line_names_both_programs(dvc: Program, tmp_path: Path) -> None:
    done = dvc("doctor", cwd=tmp_path)

    assert "DVC version: 3.67.1 (pannier 0.1.0)" == done.lines[0]
    assert "-" * len(done.lines[0]) == done.lines[1]
    assert re.search(r"(?m)^\ts3 \(obstore = [\d.]+, botocore = [\d.]+\),?$", done.stdout)


def test_outside_of_a_project_nothing_is_said_of_one(dvc: Program, tmp_path: Path) -> None:
    assert "Config" == heads(dvc("version", cwd=tmp_path).stdout)[-1]


def test_a_project_without_a_cache_names_no_links(project: Project) -> None:
    assert "\nCache types: <https://error.dvc.org/no-dvc-cache>\n" in project.dvc("version").stdout


@pytest.mark.parametrize(
    ("flags", "kind"), [(("--no-scm",), "dvc (no_scm)"), (("--subdir",), "dvc (subdir), git")]
)
def test_the_kind_of_project_is_told(
    project: Project, dvc: Program, flags: tuple[str, ...], kind: str
) -> None:
    inner = project.root / "inner"
    dvc("init", "-q", *flags, "inner", cwd=project.root, check=True)

    assert f"Repo: {kind}" in dvc("version", cwd=inner).lines


def test_copies_of_repositories_are_counted(project: Project, dvc: Program, tmp_path: Path) -> None:
    project.dvc("list", f"file://{project.root}")

    lines = dvc("doctor", cwd=tmp_path).lines

    found = re.match(r"Mirrors: 1 repository, ([\d,]+) bytes, in .*/pannier/sources$", lines[-1])
    assert found, lines
    assert int(found[1].replace(",", "")) > 1000
