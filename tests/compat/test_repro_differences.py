"""Where repro and stage add do something else than real DVC, on purpose: rows of docs/compat.md."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.pair import Pair
from tests.support.project import Project
from tests.support.wanted import is_wanted

PIPELINE = """\
stages:
  copy:
    cmd: {cmd}
    deps: [in]
    outs: [out]
"""
LIMIT_S = 120.0


@pytest.fixture
def pair(pair: Pair) -> Pair:
    """With one stage that ran."""
    for project in pair:
        project.write("in", "first\n")
        project.write("dvc.yaml", PIPELINE.format(cmd="cp in out"))
        project.dvc("repro", "-q")
    return pair


def out(project: Project) -> str | None:
    path = project.root / "out"
    return path.read_text() if path.exists() else None


def test_an_input_that_moves_under_its_command_is_recorded_as_it_was_read(pair: Pair) -> None:
    assert is_wanted("repro-moved-input")
    for project in pair:
        project.write("dvc.yaml", PIPELINE.format(cmd="cp in out; echo later > in"))

    theirs, ours = (project.dvc("repro") for project in pair)
    again = [project.dvc("repro").stdout for project in pair]

    assert "changed" not in theirs.stderr
    assert "dependency 'in' changed" in ours.stderr
    assert ["Running stage 'copy':" in said for said in again] == [False, True]
    assert [out(project) for project in pair] == ["first\n", "later\n"]


def test_a_stage_without_its_input_keeps_its_output(pair: Pair) -> None:
    assert is_wanted("repro-keeps-outs")
    for project in pair:
        (project.root / "in").unlink()

    assert [project.dvc("repro", check=False).rc for project in pair] == [255, 255]
    assert [out(project) for project in pair] == [None, "first\n"]


def test_an_edit_of_an_output_that_is_made_anew_comes_back_by_undo(pair: Pair) -> None:
    assert is_wanted("repro-unsaved-outs")
    for project in pair:
        (project.root / "out").unlink()
        project.write("out", "an edit by hand\n")
        project.write("in", "second\n")
        project.dvc("repro", "-q")

    ours = pair[1]
    assert [out(project) for project in pair] == ["second\n", "second\n"]
    ours.dvc("undo")
    assert out(ours) == "an edit by hand\n"


def test_what_is_no_data_in_the_folder_of_an_output_makes_room_and_comes_back_by_undo(
    pair: Pair,
) -> None:
    assert is_wanted("repro-beside-data")
    cmd = "mkdir folder && cp in folder/a && ls -A folder > out"
    for project in pair:
        project.write(".dvcignore", "*.tmp\n")
        project.write("dvc.yaml", PIPELINE.format(cmd=cmd).replace("[out]", "[out, folder]"))
        project.dvc("repro", "-q")
        project.write("folder/.git/HEAD", "mine\n")
        project.write("folder/x.tmp", "mine\n")
        project.write("in", "second\n")

    theirs, ours = (project.dvc("repro") for project in pair)
    lists = [sorted(path.name for path in (p.root / "folder").iterdir()) for p in pair]
    pair[1].dvc("undo")

    assert [["a"], ["a"]] == lists
    assert ["a\n", "a\n"] == [out(project) for project in pair]
    assert "no data" not in theirs.stderr
    assert "'folder' holds what is no data ('.git', 'x.tmp')" in ours.stderr
    folder = pair[1].root / "folder"
    assert ["mine\n"] * 2 == [(folder / name).read_text() for name in (".git/HEAD", "x.tmp")]
    assert "first\n" == (folder / "a").read_text()


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: (path / ".dvc").mkdir(parents=True)])
def test_whatever_is_in_the_folder_of_an_output_its_command_finds_none(
    make: Callable[[Path], None], pair: Pair
) -> None:
    for project in pair:
        cmd = "mkdir folder && cp in folder/a"
        project.write("dvc.yaml", PIPELINE.format(cmd=cmd).replace("[out]", "[folder]"))
        project.dvc("repro", "-q")
        make(project.root / "folder/odd")
        project.write("in", "second\n")

    codes = [project.dvc("repro", check=False).rc for project in pair]

    assert [0, 0] == codes
    assert [["a"], ["a"]] == [[path.name for path in (p.root / "folder").iterdir()] for p in pair]


def test_two_runs_of_one_stage_wait_for_each_other(pair: Pair, tmp_path: Path) -> None:
    assert is_wanted("repro-two")
    answers = []
    for project in pair:
        go, began = project.root / "go", project.root / "began"
        cmd = "touch began; while [ ! -e go ]; do sleep 0.05; done; cp in out"
        project.write("dvc.yaml", PIPELINE.format(cmd=cmd))
        first = subprocess.Popen([project.program.path, "repro", "-q"], cwd=project.root)
        until = time.monotonic() + LIMIT_S
        while not began.exists():
            assert time.monotonic() < until
            time.sleep(0.02)
        second = subprocess.Popen(
            [project.program.path, "repro"],
            cwd=project.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert second.stderr is not None
        told = second.stderr.readline()  # real DVC fails now, ours says that it waits
        go.touch()
        assert first.wait(LIMIT_S) == 0
        said, _ = second.communicate(timeout=LIMIT_S)
        answers.append((second.returncode, told, said))
    theirs, ours = answers

    assert theirs[0] == 255
    assert "is busy" in theirs[1]
    assert ours[0] == 0
    assert "it waits for 'copy', which process" in ours[1]
    assert ours[2] == "Stage 'copy' didn't change, skipping\nData and pipelines are up to date.\n"


def test_gitignore_gets_the_name_that_an_expression_stands_for(pair: Pair) -> None:
    assert is_wanted("stage-add-expressions")
    found = []
    for project in pair:
        project.write("params.yaml", "lr: 3\n")
        project.dvc("stage", "add", "-q", "-n", "named", "-o", "x-${lr}", "touch x-${lr}")
        found.append((project.root / ".gitignore").read_text().splitlines()[-1])

    assert found == ["/x-${lr}", "/x-3"]


def test_a_dry_run_says_only_what_is_so(pair: Pair) -> None:
    assert is_wanted("dry-cached")
    for project in pair:
        project.write("in", "second\n")

    theirs, ours = (project.dvc("repro", "--dry").stdout for project in pair)

    assert "is cached" in theirs
    assert ours == theirs.replace(
        "Stage 'copy' is cached - skipping run, checking out outputs\n", ""
    )


@pytest.mark.parametrize("options", [(), ("--force",)])
def test_what_is_there_and_nobody_recorded_stays(pair: Pair, options: tuple[str, ...]) -> None:
    assert is_wanted("checkout-unrecorded")
    for project in pair:
        project.write("dvc.yaml", PIPELINE.format(cmd="cp in out").replace("copy", "other"))
        project.write("out", "not recorded\n")

    answers = [project.dvc("checkout", *options, check=False) for project in pair]

    assert [255, 0] == [answer.rc for answer in answers]
    kept = None if options else "not recorded\n"
    assert [kept, "not recorded\n"] == [out(project) for project in pair]


def test_an_output_that_is_a_link_to_a_folder_is_refused_in_words_that_are_true(
    pair: Pair,
) -> None:
    assert is_wanted("repro-link-to-folder")
    for project in pair:
        project.write("real/z", "1")
        project.write("dvc.yaml", PIPELINE.format(cmd="ln -s real out"))

    theirs, ours = (project.dvc("repro", check=False) for project in pair)

    assert (0, 255) == (theirs.rc, ours.rc)
    assert "'out': it is a link to a folder" in ours.stderr
