"""`data status` and `diff` beside real DVC: what each option and each kind of project means."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support.asked import Asked
from tests.support.oracle import Oracle
from tests.support.programs import Program, git
from tests.support.project import Project, make_project, objects
from tests.support.wanted import is_wanted

ALL = ("data", "status", "--json", "--granular", "--unchanged")
PIPELINE = """\
stages:
  t:
    cmd: mkdir -p od; cp in o; cp in od/x; cp in m.json; cp in ps
    deps: [in]
    outs: [o, od, {ps: {persist: true}}]
    metrics: [{m.json: {cache: false}}]
"""


@pytest.fixture
def asked(tmp_path: Path, oracle: Oracle, dvc: Program) -> Asked:
    return Asked(make_project(tmp_path / "project", dvc), oracle, tmp_path / "sites")


@pytest.fixture
def two(asked: Asked) -> Asked:
    """Two commits of a folder, two files and a file in a folder; then changes."""
    project = asked.project
    for path in ("d/a", "d/s/b", "d/s/c", "f", "w/y"):
        project.write(path, path)
    project.dvc("add", "d", "f", "w/y")
    project.commit_all()
    git("tag", "-a", "-m", "x", "v1", cwd=project.root)
    project.write("new", "new")
    rewrite(project, "d/s/b", "changed")
    project.dvc("add", "d", "new")
    project.commit_all()
    rewrite(project, "d/s/c", "changed since")
    os.unlink(project.root / "w/y")
    project.write("loose", "loose")
    return asked


def rewrite(project: Project, path: str, data: str) -> None:
    (project.root / path).unlink()
    project.write(path, data)


def lose(project: Project, suffix: str) -> None:
    for name in objects(project.cache):
        if name.endswith(suffix):
            (project.cache / name).unlink()


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--granular",),
        ("--unchanged", "--untracked-files"),
        ("--untracked-files", "all", "--json"),
        ("--json", "d"),
        ("--granular", "--json", "--unchanged", "d/s", "f"),
        ("d/s",),
        ("--untracked-files", "no", "loose"),
        ("-q",),
        ("--json", "-r", "nope"),
        ("--json", "--not-in-remote", "-r", "nope"),
        ("--untracked-files", "x"),
        ("--not-in-remote", "--granular"),
    ],
    ids=" ".join,
)
def test_data_status_answers_as_dvc(two: Asked, args: tuple[str, ...]) -> None:
    two.same("data", "status", *args)


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--md", "--show-hash"),
        ("--md",),
        ("v1", "--json"),
        ("v1", "HEAD", "--show-hash"),
        ("HEAD", "v1", "--json", "--show-hash"),
        ("HEAD^", "workspace", "--json"),
        ("HEAD", "main"),
        ("HEAD", "main", "--md"),
        ("v1", "--targets", "d/s"),
        ("v1", "HEAD", "--json", "--targets", "d.dvc", "new"),
        ("HEAD", "v1", "--targets", "new"),
        ("--json", "--md"),
        ("nope",),
        ("HEAD", "nope"),
        ("workspace",),
        ("-q",),
        ("a", "b", "c"),
    ],
    ids=" ".join,
)
def test_diff_answers_as_dvc(two: Asked, args: tuple[str, ...]) -> None:
    two.same("diff", *args)


def test_untracked_files_are_seen_from_where_the_command_is_given(two: Asked) -> None:
    two.project.write("w/deep/odd \nname", "1")

    two.same("data", "status", "--untracked-files", "--json", cwd="w")


def test_an_empty_repository_and_one_without_git_are_told_as_dvc_tells_them(
    asked: Asked, tmp_path: Path, oracle: Oracle
) -> None:
    empty = asked.project
    shutil.rmtree(empty.root / ".git")
    git("init", "-q", cwd=empty.root)
    asked.same("data", "status")
    empty.write("d/a", "1")
    empty.dvc("add", "d")
    for args in (ALL, ("data", "status", "--untracked-files"), ("diff", "--json"), ("diff", "x")):
        asked.same(*args)
    plain = tmp_path / "plain"
    plain.mkdir()
    empty.program("init", "--no-scm", "-q", cwd=plain, check=True)
    project = Project(plain, empty.program)
    project.write("d/a", "1")
    project.dvc("add", "d")
    rewrite(project, "d/a", "2")
    without = Asked(project, oracle, tmp_path / "more-sites")

    for args in (ALL, ("data", "status", "--untracked-files"), ("diff",)):
        without.same(*args)


def test_outputs_of_pipelines_are_told_as_dvc_tells_them(asked: Asked, oracle: Oracle) -> None:
    project = asked.project
    project.write("in", "1")
    project.write("dvc.yaml", PIPELINE)
    asked.same(*ALL)
    oracle("repro", cwd=project.root, check=True)
    asked.same(*ALL)
    project.commit_all()
    project.write("in", "2")
    oracle("repro", cwd=project.root, check=True)
    shutil.rmtree(project.root / "od")
    for args in (ALL, ("diff", "--json"), ("diff", "--targets", "t"), ("data", "status")):
        asked.same(*args)
    project.commit_all()
    shutil.rmtree(project.cache)

    for args in (ALL, ("diff", "--json"), ("diff", "HEAD~1", "HEAD", "--json", "--show-hash")):
        asked.same(*args)


@pytest.fixture
def importing(asked: Asked, tmp_path: Path, dvc: Program, oracle: Oracle) -> Asked:
    source = make_project(tmp_path / "source", dvc)
    source.write("dd/a", "1")
    source.write("ff", "2")
    source.dvc("add", "dd", "ff")
    source.commit_all()
    (tmp_path / "url").write_text("3")
    for words in (("import", str(source.root), "dd"), ("import", str(source.root), "ff")):
        oracle(*words, cwd=asked.project.root, check=True)
    oracle("import-url", "../url", cwd=asked.project.root, check=True)
    return asked


def test_imports_are_told_as_dvc_tells_them(importing: Asked) -> None:
    project = importing.project
    importing.same(*ALL)
    project.commit_all()
    rewrite(project, "dd/a", "x")
    os.unlink(project.root / "ff")
    project.dvc("remote", "add", "-d", "store", "../remote")

    for args in ((*ALL, "--not-in-remote"), ("diff", "--json", "--show-hash")):
        importing.same(*args)


def test_what_the_remote_lacks_is_told_as_dvc_tells_it(asked: Asked) -> None:
    project = asked.project
    for path in ("d/a", "d/s/b", "f", "g", "h"):
        project.write(path, path)
    project.dvc("add", "d", "f", "g", "h")
    project.dvc("remote", "add", "-d", "store", "../remote")
    project.dvc("remote", "add", "other", "../other")
    for name, line in (("g", "push: false"), ("h", "remote: other")):
        text = (project.root / f"{name}.dvc").read_text()
        project.write(f"{name}.dvc", f"{text}  {line}\n")
    project.commit_all()
    project.dvc("push", "f")
    rewrite(project, "d/a", "changed")
    ask = ("data", "status", "--not-in-remote")

    for args in ((), ("--granular", "--json"), ("--json", "-r", "other"), ("--json", "d/s")):
        asked.same(*ask, *args)
    project.dvc("push")
    asked.same(*ask, "--granular", "--json")
    shutil.rmtree(project.cache)
    asked.same(*ask, "--json")


def test_projects_of_older_dvc_are_told_as_dvc_tells_them(asked: Asked) -> None:
    project = asked.project
    project.write("f", "1\r\n")
    project.write("d/x", "1\r\n")
    project.dvc("add", "f", "d")
    for name in ("f.dvc", "d.dvc"):
        text = (project.root / name).read_text()
        project.write(name, text.replace("  hash: md5\n", ""))
    project.commit_all()

    asked.same("data", "status", "--json", "--unchanged")
    asked.same("diff", "--json", "--show-hash")


def test_rules_of_dvcignore_and_links_are_told_as_dvc_tells_them(asked: Asked) -> None:
    project = asked.project
    project.write("d/a", "1")
    project.write("d/b.tmp", "2")
    project.dvc("add", "d")
    project.commit_all()
    project.write(".dvcignore", "*.tmp\n")
    asked.same(*ALL)
    shutil.rmtree(project.root / "d")
    os.symlink("nowhere", project.root / "d")

    asked.same(*ALL)


@pytest.mark.parametrize("text", ["a: [\n", "foo: 1\n"])
def test_a_broken_pointer_ends_both_with_the_exit_code_of_dvc(asked: Asked, text: str) -> None:
    asked.project.write("x.dvc", text)

    assert 255 == asked.same("data", "status", "--json").rc
    assert 1 == asked.same("diff").rc


def test_a_project_in_a_folder_of_its_repository_is_told_as_dvc_tells_it(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    top = tmp_path / "top"
    (top / "in").mkdir(parents=True)
    git("init", "-q", cwd=top)
    dvc("init", "-q", "--subdir", cwd=top / "in", check=True)
    project = Project(top / "in", dvc)
    project.write("d/a", "1")
    project.dvc("add", "d")
    project.commit_all()
    rewrite(project, "d/a", "2")
    project.write("loose", "1")
    (top / "outside").write_text("1")
    asked = Asked(project, oracle, tmp_path / "sites")

    for args in ((*ALL, "--untracked-files"), ("data", "status"), ("diff", "--json")):
        asked.same(*args)


# -- wanted differences --------------------------------------------------------------------------


def answers(asked: Asked, *args: str, cwd: str = "") -> tuple[object, object]:
    theirs, ours = asked.both(*args, cwd=cwd)
    return json.loads(theirs.stdout), json.loads(ours.stdout)


def test_lists_are_sorted(two: Asked) -> None:
    assert is_wanted("data-status-lists")

    _, ours = two.both("data", "status", "--json", "--granular", "--unchanged")

    assert ours.json["unchanged"] == sorted(ours.json["unchanged"]) == ["d/a", "d/s/b", "f", "new"]


def test_a_lost_list_is_not_looked_for_at_the_remote(two: Asked) -> None:
    assert is_wanted("data-status-offline")
    two.project.dvc("remote", "add", "-d", "store", "../remote")
    two.project.dvc("push")
    lose(two.project, ".dir")

    theirs, ours = two.both("data", "status", "--json", "--granular")

    assert ["d/", "d/s/c"] == sorted(theirs.json["uncommitted"]["modified"])
    assert ["d/"] == ours.json["uncommitted"]["modified"]
    assert ["d/a", "d/s/", "d/s/b", "d/s/c"] == ours.json["uncommitted"]["unknown"]


def test_an_earlier_answer_does_not_stand_for_a_lost_list(
    two: Asked, oracle: Oracle, tmp_path: Path
) -> None:
    assert is_wanted("data-status-forgets")
    question = ("data", "status", "--json", "--granular")
    kept = {"DVC_SITE_CACHE_DIR": str(tmp_path / "kept")}
    oracle(*question, cwd=two.project.root, env=kept)
    two.project.dvc(*question)
    lose(two.project, ".dir")

    theirs = oracle(*question, cwd=two.project.root, env=kept).json
    ours = two.project.dvc(*question).json

    assert "unknown" not in theirs["uncommitted"]
    assert "unknown" in ours["uncommitted"]


def test_the_files_of_an_import_whose_list_is_lost_are_not_called_added(importing: Asked) -> None:
    assert is_wanted("data-status-import")
    importing.project.commit_all()
    shutil.rmtree(importing.project.cache)
    rewrite(importing.project, "dd/a", "x")

    theirs, ours = importing.both("data", "status", "--json", "--granular")

    assert ["dd/a"] == theirs.json["uncommitted"]["added"]
    assert ["dd/a"] == ours.json["uncommitted"]["unknown"]


def test_pointers_and_paths_from_here_are_targets(two: Asked) -> None:
    assert is_wanted("data-status-targets")
    expected = {"uncommitted": {"modified": ["d/s/c"]}}

    by_pointer = answers(two, "data", "status", "--json", "d.dvc")
    from_here = answers(two, "data", "status", "--json", "--granular", "s", cwd="d")
    from_root = answers(two, "data", "status", "--json", "--granular", "d/s", cwd="d")

    assert ({}, {"uncommitted": {"modified": ["d/"]}}) == by_pointer
    assert ({}, expected) == from_here
    assert (expected, expected) == from_root


def test_an_unknown_target_of_data_status_is_warned_of(two: Asked) -> None:
    assert is_wanted("data-status-unknown-target")

    theirs, ours = two.both("data", "status", "--json", "nope")

    assert (theirs.rc, theirs.stdout) == (ours.rc, ours.stdout) == (0, "{}\n")
    assert "" == theirs.stderr
    assert "WARNING: 'nope' is not tracked by DVC\n" == ours.stderr


def test_the_remote_is_asked_each_time(two: Asked) -> None:
    assert is_wanted("data-status-refresh")
    two.project.dvc("remote", "add", "-d", "store", "../remote")
    two.project.dvc("push")

    theirs, ours = answers(
        two, "data", "status", "--json", "--not-in-remote", "--no-remote-refresh", "f"
    )

    assert {"not_in_remote": ["f"]} == theirs
    assert {} == ours


def test_targets_of_diff_name_data_however_they_are_spelled(two: Asked) -> None:
    assert is_wanted("diff-targets")
    root = two.project.root

    overlapping = answers(two, "diff", "--json", "--targets", "d/s/c", "d/s")
    absolute = answers(two, "diff", "--json", "--targets", str(root / "d/s/c"))
    above, ours_above = two.both("diff", "--json", "--targets", "w")

    assert 2 == len(overlapping[0]["modified"])  # type: ignore[index]
    assert [{"path": "d/s/c"}] == absolute[0]["added"]  # type: ignore[index]
    for found in (overlapping[1], absolute[1]):
        assert [{"path": "d/s/c"}] == found["modified"]  # type: ignore[index]
    assert 255 == above.rc
    assert [{"path": "w/y"}] == ours_above.json["deleted"]


def test_an_unknown_target_of_diff_is_an_error_with_words(two: Asked) -> None:
    assert is_wanted("diff-unknown-target")

    theirs, ours = two.both("diff", "--targets", "nope")

    assert 255 == theirs.rc
    assert 1 == ours.rc
    assert "'nope' does not exist, and is tracked in neither of the two revisions" in ours.stderr


def test_the_way_from_the_workspace_is_the_way_back(two: Asked) -> None:
    assert is_wanted("diff-from-workspace")

    theirs, ours = two.both("diff", "workspace", "HEAD", "--json")

    assert {} == theirs.json
    assert [{"path": "w/y"}] == ours.json["added"]
    assert [{"path": "d/"}, {"path": "d/s/c"}] == ours.json["modified"]


@pytest.mark.parametrize("option", ["--md", "--json"])
def test_data_without_a_hash_can_be_shown(asked: Asked, option: str) -> None:
    assert is_wanted("diff-no-hash")
    asked.project.write("g.dvc", "outs:\n- path: g\n")
    asked.project.commit_all()
    asked.project.write("g", "1")
    if option == "--json":
        asked.same("diff", "--json", "--show-hash")
        return

    theirs, ours = asked.both("diff", "--md", "--show-hash")

    assert 255 == theirs.rc
    assert "| modified | -..c4ca4238 | g      |" in ours.lines
