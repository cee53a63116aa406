"""Index: every stage file of the workspace is read, and nothing that is data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pannier.core.errors import IgnoredOutput, InvalidFile
from pannier.project.index import ancestors, ignore_rules, load_index, parse_stage_file
from pannier.project.project import Project
from tests.support.opened import open_new, write_files

HEX = "b026324c6904b2a9cb4b88d6d61c81d1"


def pointer(path: str, name: str = HEX) -> str:
    return f"outs:\n- md5: {name}\n  size: 2\n  hash: md5\n  path: {path}\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return open_new(tmp_path / "p")


def found(project: Project, below: str = "") -> list[str]:
    return [stage.address for stage in load_index(project, below).stages]


def test_pointers_and_pipelines_are_found_at_every_depth(project: Project) -> None:
    write_files(
        Path(project.root),
        {
            "a.dvc": pointer("a"),
            "sub/deep/b.dvc": pointer("b"),
            "sub/dvc.yaml": "stages:\n  train:\n    cmd: x\n    outs: [m]\n",
            "notes.txt": "no stage",
            "x.dvc.bak": "no stage",
        },
    )

    assert ["a.dvc", "sub/dvc.yaml:train", "sub/deep/b.dvc"] == found(project)
    assert ["sub/dvc.yaml:train", "sub/deep/b.dvc"] == found(project, "sub")


def test_what_a_stage_file_declares_is_seen_from_the_root(project: Project) -> None:
    write_files(Path(project.root), {"sub/b.dvc": pointer("deeper/b")})

    (ref,) = load_index(project).outs()
    assert ("sub/deeper/b", True) == (ref.path, ref.tracked)


def test_data_is_not_searched(project: Project) -> None:
    write_files(
        Path(project.root),
        {
            "data.dvc": pointer("data", HEX + ".dir"),
            "data/inner.dvc": "this is data, no pointer: [",
        },
    )

    assert ["data.dvc"] == found(project)


@pytest.mark.parametrize("where", [".git", ".hg", ".dvc/tmp", "ignored"])
def test_some_folders_are_not_searched(project: Project, where: str) -> None:
    write_files(
        Path(project.root), {f"{where}/x.dvc": pointer("x"), ".dvcignore": "ignored\n*.skip.dvc\n"}
    )
    write_files(Path(project.root), {"y.skip.dvc": "nonsense: ["})

    assert [] == found(project)


def test_a_project_within_the_project_is_its_own(project: Project) -> None:
    write_files(Path(project.root), {"other/.dvc/config": "", "other/x.dvc": pointer("x")})

    assert [] == found(project)


def test_a_link_to_a_folder_is_not_followed(project: Project, tmp_path: Path) -> None:
    write_files(tmp_path / "outside", {"x.dvc": pointer("x")})
    os.symlink(tmp_path / "outside", f"{project.root}/link")

    assert [] == found(project)


@pytest.mark.parametrize("text", ["", "outs:", "outs:\n- md5: 3", "[", "\0", "outs: []\nx: y"])
def test_a_cut_or_broken_pointer_is_an_error_and_never_nothing(project: Project, text: str) -> None:
    write_files(Path(project.root), {"a.dvc": text})

    with pytest.raises(InvalidFile, match=r"a\.dvc"):
        load_index(project)


@pytest.mark.parametrize("name", ["a.dvc", "dvc.yaml", "dvc.lock"])
@pytest.mark.parametrize("kind", ["a link to nothing", "a pipe"])
def test_what_cannot_say_what_it_tracks_is_an_error_and_never_nothing(
    project: Project, kind: str, name: str
) -> None:
    write_files(Path(project.root), {"s/dvc.yaml": "stages: {}\n"})
    path = f"{project.root}/s/{name}"
    if name == "dvc.yaml":
        os.unlink(path)
    os.mkfifo(path) if kind == "a pipe" else os.symlink("../elsewhere", path)

    with pytest.raises(InvalidFile, match=name):
        load_index(project)


def test_a_folder_with_the_name_of_a_pointer_is_a_folder(project: Project) -> None:
    write_files(Path(project.root), {"s.dvc/a.dvc": pointer("x"), "dvc.lock/b.dvc": pointer("y")})
    os.symlink("s.dvc", f"{project.root}/linked.dvc")

    assert ["dvc.lock/b.dvc", "s.dvc/a.dvc"] == sorted(found(project))


def test_what_is_not_there_has_no_stages(project: Project) -> None:
    assert [] == parse_stage_file(project, lambda path: None, "x.dvc")


def test_the_lock_file_fills_in_what_the_pipeline_leaves_open(project: Project) -> None:
    write_files(
        Path(project.root),
        {
            "dvc.yaml": "stages:\n  train:\n    cmd: x\n    outs: [m]\n",
            "dvc.lock": "schema: '2.0'\nstages:\n  train:\n    cmd: x\n    outs:\n"
            f"    - path: m\n      hash: md5\n      md5: {HEX}\n      size: 2\n",
        },
    )

    (ref,) = load_index(project).outs()
    assert ref.out.digest is not None
    assert HEX == ref.out.digest.hex
    assert "x" == ref.stage.cmd_locked


def test_the_output_that_covers_a_path_is_found(project: Project) -> None:
    write_files(Path(project.root), {"data.dvc": pointer("data"), "data2.dvc": pointer("data2")})
    index = load_index(project)

    covering = [index.out_covering(path) for path in ("data", "data/x/y", "data2", "dat", "other")]
    assert ["data", "data", "data2", None, None] == [ref.path if ref else None for ref in covering]


def test_ignore_rules_come_from_every_folder_on_the_way(project: Project) -> None:
    write_files(Path(project.root), {".dvcignore": "*.a\n", "s/.dvcignore": "*.b\n"})

    inside, outside = ignore_rules(project, "s"), ignore_rules(project, "")
    assert (True, True) == (inside.matches("s/x.a", False), inside.matches("s/x.b", False))
    assert (True, False) == (outside.matches("s/x.a", False), outside.matches("s/x.b", False))


def test_ancestors_lead_from_the_root_down() -> None:
    assert ["", "a", "a/b"] == list(ancestors("a/b"))
    assert [""] == list(ancestors(""))


@pytest.mark.parametrize(
    ("patterns", "out", "there"),
    [
        ("d", "d", "d/x"),
        ("d/", "d", "d/x"),
        ("d/", "d", None),
        ("d", "d/e", "d/e/x"),
        ("*.t", "f.t", "f.t"),
    ],
)
def test_an_output_that_is_ignored_is_refused(
    project: Project, patterns: str, out: str, there: str | None
) -> None:
    """The folder's list would be empty, and that would be recorded."""
    files = {
        "a/.dvcignore": patterns,
        "dvc.yaml": f"stages:\n  s:\n    cmd: x\n    outs: [a/{out}]\n",
    }
    write_files(Path(project.root), files | ({f"a/{there}": "data"} if there else {}))

    with pytest.raises(IgnoredOutput, match=rf"/a/{out}' is ignored by a/.dvcignore:1:"):
        load_index(project)


@pytest.mark.parametrize("patterns", ["", "/d/*", "d/x", "e", "d\n!d", "/a/d", "f/"])
def test_an_output_that_is_not_ignored_as_a_whole_is_none_of_that(
    project: Project, patterns: str
) -> None:
    outs = "stages:\n  s:\n    cmd: x\n    outs: [a/d, a/f]\n"
    write_files(
        Path(project.root),
        {"a/.dvcignore": patterns, "dvc.yaml": outs, "a/d/x": "data", "a/f": "data"},
    )

    assert ["s"] == found(project)
