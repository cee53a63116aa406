"""plots show, plots diff and plots modify beside real DVC: the JSON that tools read, and the file.

What templates hold is ours; their anchors, and all else, is DVC's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from pannier.project.chart_images import SVG, Drawer
from tests.support.drawn import drawn_project
from tests.support.oracle import Oracle
from tests.support.programs import Completed, Program
from tests.support.project import make_project
from tests.support.svg import marks_of
from tests.support.wanted import is_wanted

LINES: tuple[tuple[str, str], ...] = (
    ("", "plots diff v1 v2 workspace -o .dvc/tmp/plots --split --json"),
    ("", "plots diff v1 -o .dvc/tmp/plots --json"),
    ("", "plots show other loss.csv --json -x acc -y loss --title T --split"),
    ("", "plots diff --json --split --targets both scatter pictures"),
    ("sub", "plots diff v1 v2 --json --split --targets a.csv both"),
    ("", "plots diff nope --json"),
)


def said(done: Completed) -> Any:
    """What a program said, with templates as the anchors that are left in them."""
    if not done.stdout:
        return done.stderr
    found = json.loads(done.stdout)
    # A table without names in its first line: DVC takes the columns of one with tabs for one.
    assert is_wanted("plots-tsv-no-header")
    found["data"].pop("bare.tsv", None)
    assert is_wanted("plots-templates")
    for entry in (entry for entries in found["data"].values() for entry in entries):
        if entry["type"] == "vega":
            text = json.dumps(entry["content"])
            entry["content"] = sorted({part.split(">")[0] for part in text.split("<DVC_")[1:]})
    return found


def taken_pictures(root: Path) -> dict[Path, bytes]:
    """The pictures that were written, by path; they are removed."""
    paths = [path for path in root.rglob("*_*.*g") if path.suffix in (".png", ".svg")]
    found = {path: path.read_bytes() for path in paths}
    for path in found:
        path.unlink()
    return found


def test_tools_read_the_same(tmp_path: Path, oracle: Oracle, dvc: Program) -> None:
    project = drawn_project(tmp_path / "p", dvc)
    for cwd, line in LINES:
        theirs = oracle(*line.split(), cwd=project.root / cwd)
        expected = taken_pictures(project.root)
        ours = dvc(*line.split(), cwd=project.root / cwd)

        assert (ours.rc, said(ours)) == (theirs.rc, said(theirs)), line
        assert expected == taken_pictures(project.root), line


def test_a_page_and_a_specification_are_made_as_by_dvc(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    project = drawn_project(tmp_path / "p", dvc)
    (project.root / "page.html").write_text("<i>{scripts}{plot_divs}</i>")
    for line in (
        "plots diff v1 v2 -o deep/er --html-template page.html",
        "plots show --show-vega",
        "plots show custom --show-vega",
        "plots templates",
        "plots templates nope",
    ):
        theirs = oracle(*line.split(), cwd=project.root)
        names = {path.name for path in (project.root / "deep").rglob("*")}
        if "html" in line:
            assert 'src="http' in (project.root / "deep/er/index.html").read_text()
        ours = project.dvc(*line.split(), check=False)

        assert (ours.rc, ours.stdout) == (theirs.rc, theirs.stdout), line
        assert names == {path.name for path in (project.root / "deep").rglob("*")}
    page = (project.root / "deep/er/index.html").read_text()
    assert page.startswith("<i><script>")
    assert is_wanted("plots-offline")
    assert 'src="http' not in page
    assert 'src="static/v1_pictures_1.png"' in page


def test_a_template_that_is_not_there_is_told_and_nothing_is_written(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    assert is_wanted("plots-template-missing")
    project = drawn_project(tmp_path / "p", dvc)
    line = ("plots", "show", "loss.csv", "-t", "nope")

    theirs, ours = oracle(*line, cwd=project.root), project.dvc(*line, check=False)

    assert (theirs.rc, ours.rc) == (255, 1)
    assert "Template 'nope' not found." in ours.stderr
    assert not (project.root / "dvc_plots").exists()


MODIFIED = """\
# a comment
stages:
  train:
    cmd: x
    outs:
    - model
    - z.csv:
        cache: false
        desc: kept
    metrics:
    - m.json
    plots:
    - b.csv
    - loss.csv:
        cache: false
        x: epoch
        title: T
  group:
    matrix: {m: [1]}
    cmd: x
    plots: ['g${item.m}.csv']
"""


def test_a_plot_is_modified_as_by_dvc(tmp_path: Path, oracle: Oracle, dvc: Program) -> None:
    """We leave the order of plots to the author; DVC sorts them."""
    project = make_project(tmp_path / "p", dvc)
    for line in (
        "loss.csv -y acc --x-label X:y",
        "loss.csv --unset title x -x b",
        "b.csv -t scatter --no-header",
        "z.csv -y b",
        "loss.csv --unset nope",
        "g1.csv -x a",
    ):
        project.write("dvc.yaml", MODIFIED)
        theirs = oracle("plots", "modify", *line.split(), cwd=project.root)
        expected = yaml.safe_load((project.root / "dvc.yaml").read_text())
        project.write("dvc.yaml", MODIFIED)
        ours = project.dvc("plots", "modify", *line.split(), check=False)
        text = (project.root / "dvc.yaml").read_text()
        found = yaml.safe_load(text)

        for each in (found, expected):
            each["stages"]["train"]["plots"].sort(key=str)
        assert (ours.rc, ours.stdout, found) == (theirs.rc, theirs.stdout, expected), line
        assert ours.stderr.split("\nHint")[0].strip() == theirs.stderr.strip(), line
        assert text.startswith("# a comment\n")
        if ours.rc == 0:
            project.dvc("undo", "-q")
            assert MODIFIED == (project.root / "dvc.yaml").read_text()


DRAWN_WRONG = """\
plots:
- dots.csv: {x: a.b, y: "c[0]", template: scatter}
- matrices:
    x: actual
    y: {a.csv: predicted, b.csv: predicted}
    template: confusion
"""


def test_what_dvc_draws_wrong_is_drawn_right(tmp_path: Path, oracle: Oracle, dvc: Program) -> None:
    """Both programs' specifications, drawn by the same library."""
    assert is_wanted("plots-dots")
    assert is_wanted("plots-matrices")
    project = make_project(tmp_path / "p", dvc)
    project.write("dvc.yaml", DRAWN_WRONG)
    project.write("dots.csv", "a.b,c[0]\n1,2\n2,3\n")
    counts = {("HEAD", "a"): 1, ("workspace", "a"): 2, ("HEAD", "b"): 3, ("workspace", "b"): 4}
    for revision in ("HEAD", "workspace"):
        for file in "ab":
            rows = f"{revision},{file}\n" * counts[revision, file]
            project.write(f"{file}.csv", f"actual,predicted\n{rows}")
        if revision == "HEAD":
            project.commit_all("first")

    line = ("plots", "diff", "HEAD", "--json")
    theirs, ours = oracle(*line, cwd=project.root).json, project.dvc(*line).json

    def drawn_of(name: str, found: Any) -> bytes:
        with Drawer() as drawer:
            return drawer.draw("drawn", found["data"][name][0]["content"], SVG)

    def points(found: Any) -> int:
        return len(marks_of(drawn_of("dots.csv", found)))

    def matrices(found: Any) -> list[tuple[str, str]]:
        marks = sorted(marks_of(drawn_of("matrices", found)), key=lambda mark: mark.chart)
        return [
            (mark.says["actual"], mark.says["predicted"])
            for mark in marks
            if mark.kind == "text" and "0" not in mark.says.values()
        ]

    assert (0, 4) == (points(theirs), points(ours))
    assert [("HEAD", "a"), ("workspace", "a"), ("HEAD", "b"), ("workspace", "b")] == matrices(ours)
    assert [("workspace", "a"), ("workspace", "b"), ("HEAD", "a"), ("HEAD", "b")] == matrices(
        theirs
    )
    assert is_wanted("plots-format")
    assert 254 == oracle("plots", "show", "--format", "svg", cwd=project.root).rc
    assert 2 == len(project.dvc("plots", "show", "--format", "svg").lines)
