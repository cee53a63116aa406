"""Odd pipelines and targets beside real DVC: colons without names, no commands, no parameters."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.oracle import Oracle
from tests.support.programs import Completed, Program
from tests.support.project import Project, make_project
from tests.support.wanted import is_wanted

PIPELINE = """\
stages:
  nothing:
    cmd: []
  empty:
    cmd: []
    deps: [in]
    outs: [out]
  blank:
    cmd: ''
    outs: [out2]
  folder:
    cmd: echo folder
    params: [{dir: [zz]}]
  missing:
    cmd: echo missing
    params: [{gone.yaml: [zz]}]
  lacking:
    cmd: echo lacking
    params: [{has.yaml: [zz]}]
"""
INNER = "stages:\n  inner:\n    cmd: echo inner\n    params: [{gone.toml: }]\n"

Pair = tuple[Completed, Completed]
Both = Callable[..., Pair]


@pytest.fixture
def edges(tmp_path: Path, dvc: Program) -> Project:
    project = make_project(tmp_path / "p", dvc)
    files = {"dvc.yaml": PIPELINE, "sub/dvc.yaml": INNER, "has.yaml": "a: 1\n"}
    files |= {"dir/x": "", "in": "in", "out": "mine", "out2": "mine"}
    for path, text in files.items():
        project.write(path, text)
    return project


@pytest.fixture
def both(edges: Project, oracle: Oracle) -> Both:
    """Runs a line of both programs, each in a project of its own."""
    theirs = edges.root.with_name("theirs")
    shutil.copytree(edges.root, theirs, symlinks=True)
    return lambda *line: (oracle(*line, cwd=theirs), edges.dvc(*line, check=False))


@pytest.mark.parametrize("target", ["dvc.yaml:", "sub/dvc.yaml:"])
def test_a_colon_without_a_name_names_no_stage(both: Both, edges: Project, target: str) -> None:
    """`dvc remove dvc.yaml:` would else remove all stages."""
    before = [(edges.root / name).read_bytes() for name in ("dvc.yaml", "sub/dvc.yaml")]
    for command in (
        ("repro",), ("remove",), ("freeze",), ("unfreeze",), ("dag",), ("commit", "-f"), ("status",)
    ):  # fmt: skip
        theirs, ours = both(*command, target)

        assert (theirs.rc, theirs.stdout) == (ours.rc, ours.stdout), f"{theirs}\n{ours}"
        assert theirs.stderr.split("\n")[0] == ours.stderr.split("\n")[0], command
    assert before == [(edges.root / name).read_bytes() for name in ("dvc.yaml", "sub/dvc.yaml")]


def test_a_command_of_nothing_is_none_and_nothing_is_touched(both: Both, edges: Project) -> None:
    """DVC takes such a stage for an import: it copies a dependency over the output, then fails."""
    assert is_wanted("empty-command")
    for stage in ("empty", "blank"):
        theirs, ours = both("repro", stage)
        dry = edges.dvc("repro", "--dry", stage, check=False)

        assert (255, 255, 255) == (theirs.rc, ours.rc, dry.rc)
        assert f"ERROR: failed to reproduce '{stage}': its 'cmd' is empty\n" == ours.stderr
        assert dry.stderr == ours.stderr
    for name in ("out", "out2"):
        assert "mine" == (edges.root / name).read_text()
    for line in (("repro", "nothing"), ("status", "nothing")):
        theirs, ours = both(*line)
        assert (theirs.rc, theirs.stdout) == (ours.rc, ours.stdout), f"{theirs}\n{ours}"
    assert not (edges.root / "dvc.lock").exists()


def test_parameters_that_cannot_be_had_are_told_as_by_dvc(both: Both, edges: Project) -> None:
    for stage in ("folder", "missing", "lacking", "sub/dvc.yaml:inner"):
        for command in (("repro",), ("commit", "-f"), ("status",)):
            theirs, ours = both(*command, stage)

            assert (theirs.rc, theirs.stdout) == (ours.rc, ours.stdout), f"{theirs}\n{ours}"
            assert theirs.stderr.split("\n")[0] == ours.stderr.split("\n")[0], command


def test_a_parameter_file_that_is_gone_is_missing_data_when_that_is_allowed(
    both: Both, edges: Project
) -> None:
    for root in (edges.root, edges.root.with_name("theirs")):
        (root / "gone.yaml").write_text("zz: 1\n")
    both("repro", "missing")
    for root in (edges.root, edges.root.with_name("theirs")):
        (root / "gone.yaml").unlink()

    theirs, ours = both("repro", "--allow-missing", "missing")
    plain = edges.dvc("repro", "missing", check=False)

    assert (theirs.rc, theirs.stdout) == (ours.rc, ours.stdout), f"{theirs}\n{ours}"
    assert "Stage 'missing' didn't change, skipping" in ours.stdout
    assert 255 == plain.rc
