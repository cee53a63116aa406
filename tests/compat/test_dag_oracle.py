"""dag says what real DVC says: Graphviz and Mermaid byte for byte, a picture by its boxes."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.oracle import Oracle
from tests.support.programs import Program
from tests.support.project import Project, make_project
from tests.support.wanted import is_wanted

PIPELINE = """\
stages:
  prep:
    cmd: x
    deps: [raw]
    params: [{p.yaml: null}]
    outs: [a, "b:c", d/one, x, d/two]
  train:
    cmd: x
    matrix: {m: [x, y]}
    deps: [a, "b:c"]
    outs: ["m-${item.m}"]
  ev:
    cmd: x
    deps: [m-x, m-y, a, d, s3://bucket/key]
    metrics: [{m.json: {cache: false}}]
  writes-params:
    cmd: y
    outs: [p.yaml]
  lone:
    cmd: y
"""
INNER = """\
stages:
  one:
    cmd: x
    deps: [../m.json]
    outs: [o]
  two:
    foreach: [1, 2]
    do:
      cmd: x
      deps: [o]
      outs: ["o${item}"]
"""
LINES: tuple[tuple[str, str], ...] = (
    ("", "--dot"),
    ("", "--mermaid"),
    ("", "--dot --outs"),
    ("", "--mermaid --collapse-foreach-matrix"),
    ("", "--dot --collapse-foreach-matrix ev"),
    ("", "--outs --collapse-foreach-matrix"),
    ("", "nope"),
    ("sub", "--mermaid --full one"),
)


def pipelines(root: Path, program: Program | Oracle) -> Project:
    project = make_project(root, program)
    project.write("dvc.yaml", PIPELINE)
    project.write("sub/dvc.yaml", INNER)
    project.write("raw.dvc", "outs:\n- path: raw\n")
    return project


def boxes(picture: str) -> list[str]:
    return sorted(name.strip() for name in re.findall(r"\| (\S+) \|", picture))


def test_the_graph_is_that_of_dvc(tmp_path: Path, oracle: Oracle, dvc: Program) -> None:
    project = pipelines(tmp_path / "p", dvc)
    for cwd, line in LINES:
        theirs = oracle("dag", *line.split(), cwd=project.root / cwd)
        ours = dvc("dag", *line.split(), cwd=project.root / cwd)

        assert (ours.rc, ours.stdout, ours.stderr) == (theirs.rc, theirs.stdout, theirs.stderr), (
            line
        )
    assert is_wanted("dag-picture")
    theirs = oracle("dag", "train", cwd=project.root)
    assert boxes(project.dvc("dag", "train").stdout) == boxes(theirs.stdout)


def test_a_project_without_stages_has_an_empty_graph(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    project = make_project(tmp_path / "p", dvc)
    for option in ("--dot", "--md", "--outs"):
        theirs = oracle("dag", option, cwd=project.root)
        assert theirs.stdout == project.dvc("dag", option).stdout


def test_what_no_graph_may_hold_is_refused_in_the_same_words(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    project = make_project(tmp_path / "p", dvc)
    for option, stages in (
        ("--dot", "a: {cmd: x, deps: [b], outs: [a]}, b: {cmd: x, deps: [a], outs: [b]}"),
        ("--outs", "a: {cmd: x, deps: [d/x], outs: [d]}"),
        ("--dot", "a: {cmd: x, outs: [d]}, b: {cmd: x, outs: [d/e]}"),
        ("--outs", "a: {cmd: x, outs: [d]}, b: {cmd: x, outs: [d]}"),
    ):
        project.write("dvc.yaml", f"stages: {{{stages}}}\n")
        theirs = oracle("dag", option, cwd=project.root)
        ours = project.dvc("dag", option, check=False)

        assert 255 == theirs.rc == ours.rc
        # DVC names the stages of a cycle, and of a path that two make, in any order.
        said, told = (re.findall(r"[^\s,.]+", text) for text in (ours.stderr, theirs.stderr))
        assert sorted(said[: len(told)]) == sorted(told)


def test_the_outputs_of_a_target_that_is_an_output_are_shown(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    """DVC takes the letters of its name for names of outputs; without outputs, it shows all."""
    assert is_wanted("dag-outs-target")
    project = pipelines(tmp_path / "p", dvc)

    theirs = oracle("dag", "--outs", "--mermaid", "m-x", cwd=project.root)
    ours = project.dvc("dag", "--outs", "--mermaid", "m-x")

    assert theirs.rc == 255
    assert "flowchart TD\n" == project.dvc("dag", "--outs", "--mermaid", "lone").stdout
    assert [line for line in ours.lines if "[" in line] == [
        '\tnode1["a"]',
        '\tnode2["b:c"]',
        '\tnode3["m-x"]',
        '\tnode4["p.yaml"]',
        '\tnode5["raw"]',
    ]
