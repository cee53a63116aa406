"""Targets: what a user names, as outputs and stages."""

from __future__ import annotations

from pathlib import Path

import pytest

from pannier.core.errors import BadTarget, PannierError
from pannier.project.project import Project
from pannier.project.targets import (
    ALL_TARGETS,
    TargetOptions,
    root_relative,
    select_outs,
    select_stages,
)
from tests.support.opened import open_new, write_files

HEX = "b026324c6904b2a9cb4b88d6d61c81d1"


def pointer(path: str, name: str = HEX) -> str:
    return f"outs:\n- md5: {name}\n  size: 2\n  hash: md5\n  path: {path}\n"


PIPELINE = """\
stages:
  prepare:
    cmd: p
    deps: [raw]
    outs: [clean]
  train:
    cmd: t
    deps: [clean]
    outs: [model]
  many:
    foreach: [1, 2]
    do:
      cmd: echo ${item}
      outs: ["m${item}"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = open_new(tmp_path / "p")
    write_files(
        tmp_path / "p",
        {
            "raw.dvc": pointer("raw", HEX + ".dir"),
            "sub/x.csv.dvc": pointer("x.csv"),
            "sub/y.csv.dvc": pointer("y.csv"),
            "dvc.yaml": PIPELINE,
            "sub/dvc.yaml": "stages:\n  inner:\n    cmd: i\n    outs: [i]\n",
        },
    )
    return made


def outs(project: Project, *targets: str, options: TargetOptions = ALL_TARGETS) -> list[str]:
    """Path, or path:inside, of what is selected."""
    return [
        item.ref.path + (f":{item.inside}" if item.inside else "")
        for item in select_outs(project, targets, options)
    ]


def stages(project: Project, *targets: str, options: TargetOptions = ALL_TARGETS) -> list[str]:
    return [stage.address for stage in select_stages(project, targets, options)]


EVERYTHING = {"raw", "sub/x.csv", "sub/y.csv", "clean", "model", "m1", "m2", "sub/i"}


def test_without_targets_all_is_selected(project: Project) -> None:
    assert EVERYTHING == set(outs(project))
    assert 8 == len(stages(project))


@pytest.mark.parametrize(
    ("target", "selected"),
    [
        ("raw", ["raw"]),
        ("raw/", ["raw"]),
        ("./raw", ["raw"]),
        ("raw.dvc", ["raw"]),
        ("raw/a/b", ["raw:a/b"]),
        ("sub/x.csv", ["sub/x.csv"]),
        ("sub/x.csv.dvc", ["sub/x.csv"]),
        ("train", ["model"]),
        ("model", ["model"]),
        ("dvc.yaml:train", ["model"]),
        ("dvc.yaml", ["clean", "model", "m1", "m2"]),
        ("sub/dvc.yaml:inner", ["sub/i"]),
        ("many", ["m1", "m2"]),
        ("many@2", ["m2"]),
        (":train", ["model"]),
    ],
)
def test_a_target_names_outputs_in_many_ways(
    project: Project, target: str, selected: list[str]
) -> None:
    assert selected == outs(project, target)


@pytest.mark.parametrize(
    ("target", "selected"),
    [("x.csv", ["sub/x.csv"]), ("../raw/a", ["raw:a"]), ("inner", ["sub/i"])],
)
def test_targets_start_from_the_folder_that_the_user_is_in(
    project: Project, target: str, selected: list[str]
) -> None:
    assert selected == outs(project, target, options=TargetOptions(cwd="sub"))


@pytest.mark.parametrize(
    "target", ["nothing", "nothing.dvc", "dvc.yaml:nothing", "no/dvc.yaml", "no/dvc.yaml:x", "rawx"]
)
def test_what_names_nothing_is_an_error_that_names_it(project: Project, target: str) -> None:
    with pytest.raises(BadTarget, match=r"does not exist|not found"):
        outs(project, target)
    with pytest.raises(PannierError):
        stages(project, target)


def test_an_output_that_is_named_twice_is_selected_once(project: Project) -> None:
    assert ["raw", "raw:a"] == outs(project, "raw", "raw.dvc", "raw/a", "./raw/a")
    assert ["train"] == stages(project, "train", "model", "dvc.yaml:train")


def test_what_is_upstream_comes_along_when_asked_for(project: Project) -> None:
    options = TargetOptions(with_deps=True)

    assert {"model", "clean", "raw"} == set(outs(project, "train", options=options))
    assert {"train", "prepare", "raw.dvc"} == set(stages(project, "train", options=options))


def test_a_folder_selects_all_in_it_when_asked_for(project: Project) -> None:
    found = outs(project, "sub", options=TargetOptions(recursive=True))

    assert {"sub/x.csv", "sub/y.csv", "sub/i"} == set(found)


def test_a_pattern_selects_what_it_matches(project: Project) -> None:
    options = TargetOptions(glob=True)

    assert ["sub/x.csv", "sub/y.csv"] == outs(project, "sub/*.csv.dvc", options=options)
    with pytest.raises(BadTarget, match="matches no"):
        outs(project, "*.png", options=options)


@pytest.mark.parametrize(
    ("cwd", "target", "path"),
    [("", "a", "a"), ("s", "a", "s/a"), ("s", "..", ""), ("", "../x", "../x"), ("", ".", "")],
)
def test_a_path_as_typed_is_seen_from_the_root(
    project: Project, cwd: str, target: str, path: str
) -> None:
    assert path == root_relative(project, cwd, target)
    assert "a/b" == root_relative(project, "s", f"{project.root}/a/b")
