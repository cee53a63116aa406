"""plots show and plots diff with --format png or svg: pictures that hold what the data says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.servers.canned import Answer, CannedServer
from tests.support.programs import git, run
from tests.support.project import Project
from tests.support.svg import marks_of, pixels_of, texts_of

TABLE = "epoch,loss,acc\n0,0.9,0.1\n1,0.5,0.4\n2,0.4,0.8\n"
PIPELINE = """\
plots:
- log.csv: {x: epoch, y: loss, template: scatter}
- both:
    x: epoch
    y: {log.csv: [loss, acc]}
    template: simple
    title: Loss and more
- ../odd::é/name: {x: epoch, y: {log.csv: acc}}
- pictures
"""


@pytest.fixture
def plotted(project: Project) -> Project:
    project.write("dvc.yaml", PIPELINE)
    project.write("log.csv", TABLE)
    project.write("pictures/1.png", b"\x89PNG of ours")
    project.commit_all("first")
    return project


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_each_chart_becomes_a_picture_and_pictures_stay_as_they_are(plotted: Project) -> None:
    said = plotted.dvc("plots", "show", "--format", "svg").stdout

    names = [".._odd__é_name.svg", "both.svg", "log.csv.svg", "workspace_pictures_1.png"]
    names[0] = "_" + names[0][1:]
    assert sorted(f"dvc_plots/{name}" for name in names) == sorted(said.splitlines())
    assert sorted(names) == files_of(plotted.root / "dvc_plots")
    assert b"\x89PNG of ours" == (plotted.root / "dvc_plots" / names[3]).read_bytes()
    scatter = marks_of((plotted.root / "dvc_plots/log.csv.svg").read_bytes())
    lines = (plotted.root / "dvc_plots/both.svg").read_bytes()
    assert [("0", "0.9"), ("1", "0.5"), ("2", "0.4")] == [
        (mark.says["epoch"], mark.says["loss"]) for mark in scatter
    ]
    assert [3, 3] == [len(mark.places) for mark in marks_of(lines)]
    assert {"Loss and more", "loss", "acc"} <= set(texts_of(lines))


def test_a_picture_is_another_one_when_the_data_is(plotted: Project) -> None:
    first = plotted.dvc("plots", "show", "both", "--format", "png", "-o", "../one").stdout
    plotted.dvc("plots", "show", "both", "--format", "png", "-o", "../again")
    plotted.write("log.csv", TABLE + "3,0.3,0.9\n")
    plotted.dvc("plots", "show", "both", "--format", "png", "-o", "../other")

    outside = plotted.root.parent
    assert "../one/both.png\n" == first
    found = [(outside / name / "both.png").read_bytes() for name in ("one", "again", "other")]
    assert found[0] == found[1] != found[2]


def test_a_png_shows_every_revision_in_its_colour(plotted: Project) -> None:
    plotted.write("log.csv", TABLE.replace("0.5", "0.6"))

    plotted.dvc("plots", "diff", "HEAD", "--targets", "both", "--format", "png", "-o", "out")

    width, height, colours = pixels_of((plotted.root / "out/both.png").read_bytes())
    assert width > height > 600
    assert {bytes.fromhex(colour) for colour in ("945dd6ff", "13adc7ff")} <= colours


def test_what_is_no_number_is_a_gap(plotted: Project) -> None:
    plotted.write("nan.json", '[{"a": 1, "b": 2}, {"a": 2, "b": NaN}, {"a": 3, "b": 1}]')

    plotted.dvc("plots", "show", "nan.json", "-x", "a", "-t", "scatter", "--format", "svg")

    marks = marks_of((plotted.root / "dvc_plots/nan.json.svg").read_bytes())
    assert ["1", "3"] == [mark.says["a"] for mark in marks]


@pytest.mark.parametrize(
    "more", ["--json", "--open", "--show-vega both", "--html-template page.html"]
)
def test_what_is_about_a_page_has_no_meaning_for_pictures(plotted: Project, more: str) -> None:
    done = plotted.dvc("plots", "show", *more.split(), "--format", "png", check=False)

    assert (1, "") == (done.rc, done.stdout)
    assert f"'--format png' and '{more.split()[0]}' are mutually exclusive." in done.stderr
    assert not (plotted.root / "dvc_plots").exists()


def test_without_the_library_one_sentence_says_what_to_install(
    plotted: Project, tmp_path: Path
) -> None:
    (tmp_path / "vl_convert.py").write_text("raise ImportError")

    done = run(
        [sys.executable, "-m", "pannier", "plots", "show", "--format", "png"],
        cwd=plotted.root,
        env={"PYTHONPATH": f"{tmp_path}:{':'.join(sys.path)}"},
    )

    assert (1, "") == (done.rc, done.stdout)
    assert (
        "ERROR: to draw plots as pictures, vl-convert is needed, which is not installed\n"
        "Hint: pip install 'pannier[plots]'\n" == done.stderr
    )
    assert not (plotted.root / "dvc_plots").exists()


DATA = {"data": {"values": "<DVC_METRIC_DATA>"}}
PLACES = {"x": {"field": "epoch"}, "y": {"field": "acc"}}
TEMPLATES = {
    "rows": {"data": {"url": "{url}/rows.csv"}, "layer": [{**DATA, "mark": "point"}]},
    "more rows": {
        **DATA,
        "transform": [
            {"lookup": "epoch", "from": {"data": {"url": "{url}"}, "key": "a", "fields": ["b"]}}
        ],
        "mark": "point",
        "encoding": PLACES,
    },
    "a file": {"data": {"url": "file:///etc/passwd"}, "layer": [{**DATA, "mark": "point"}]},
    "a picture": {
        **DATA,
        "mark": {"type": "image", "url": "{url}/one.png", "width": 9, "height": 9},
        "encoding": PLACES,
    },
    "a colour": {**DATA, "mark": {"type": "point", "fill": "url({url})"}, "encoding": PLACES},
}


@pytest.mark.parametrize("form", ["png", "svg"])
@pytest.mark.parametrize("what", TEMPLATES)
def test_a_project_cannot_make_a_picture_load_something(
    plotted: Project, what: str, form: str
) -> None:
    """Neither when it is drawn nor when somebody looks at it (D6)."""
    server = CannedServer(lambda _: Answer())
    try:
        text = json.dumps(TEMPLATES[what]).replace("{url}", server.endpoint)
        plotted.write(".dvc/plots/own.json", text)

        done = plotted.dvc(*("plots", "show", "both", "-t", "own", "--format", form), check=False)
    finally:
        server.close()

    assert [] == server.requests
    assert (1, "") == (done.rc, done.stdout)
    assert "'both' would load '" in done.stderr
    assert "drawn from the data of its plot only\nHint: " in done.stderr
    assert not (plotted.root / "dvc_plots").exists()


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ({**DATA, "encoding": {}}, "Invalid specification"),
        (
            {
                **DATA,
                "transform": [{"impute": "v[0]", "key": "acc", "groupby": ["x[0]"], "value": 0}],
                "mark": "point",
                "encoding": PLACES,
            },
            "nothing of its template can be seen",
        ),
    ],
)
def test_a_template_that_vega_cannot_draw_is_told(
    plotted: Project, template: object, why: str
) -> None:
    plotted.write(".dvc/plots/own.json", json.dumps(template))

    done = plotted.dvc("plots", "show", "both", "-t", "own", "--format", "svg", check=False)

    assert (1, "") == (done.rc, done.stdout)
    assert f"ERROR: 'both' cannot be drawn: {why}" in done.stderr
    assert "" == git("status", "--porcelain", "dvc_plots", cwd=plotted.root).stdout


@pytest.mark.parametrize("form", ["png", "svg"])
@pytest.mark.parametrize("odd", ["\x01", "\ufffe", "\uffff", "\ud800"], ids=ascii)
def test_a_character_that_no_picture_can_hold_is_drawn_as_a_replacement(
    plotted: Project, odd: str, form: str
) -> None:
    """In a cell, the name of a column, a title and a label; what draws would end the process."""
    rows = [{"epoch": f"a{odd}b", f"ac{odd}c": 1}, {"epoch": "c", f"ac{odd}c": 2}]
    plot = {"x": {"log.json": f"ac{odd}c"}, "y": {"log.json": "epoch"}, "title": f"t{odd}t"}
    plot |= {"template": "bar_horizontal", "y_label": f"y{odd}"}
    plotted.write("log.json", json.dumps({"rows": rows}))
    plotted.write("dvc.yaml", json.dumps({"plots": [{"both": plot}]}))

    done = plotted.dvc("plots", "show", "both", "--format", form, check=False)

    assert (0, f"dvc_plots/both.{form}\n") == (done.rc, done.stdout), done.stderr
    picture = (plotted.root / f"dvc_plots/both.{form}").read_bytes()
    if form == "svg":
        assert {"a\ufffdb", "t\ufffdt", "y\ufffd", "ac\ufffdc"} <= set(texts_of(picture))


def test_a_text_that_nobody_would_read_to_its_end_is_cut(plotted: Project) -> None:
    title = "t" * 5000
    plotted.write("dvc.yaml", PIPELINE.replace("Loss and more", title))

    plotted.dvc("plots", "show", "both", "--format", "svg")

    texts = texts_of((plotted.root / "dvc_plots/both.svg").read_bytes())
    assert 1001 >= max(map(len, texts))


def test_what_is_no_use_in_parts_is_not_cut(plotted: Project) -> None:
    table = "epoch,acc\n" + "".join(f"{number},{number}\n" for number in range(400))
    longer = {"calculate": "datum.acc" + " + 0" * 400, "as": "acc"}
    template = {"data": {"values": table, "format": {"type": "csv"}}, "transform": [longer]}
    both = {"layer": [{**template, "mark": "point"}, {**DATA, "mark": "point"}], "encoding": PLACES}
    plotted.write(".dvc/plots/own.json", json.dumps(both))

    plotted.dvc("plots", "show", "both", "-t", "own", "--format", "svg")

    assert 400 + 2 * 3 == len(marks_of((plotted.root / "dvc_plots/both.svg").read_bytes()))


@pytest.mark.parametrize("form", ["png", "svg"])
@pytest.mark.parametrize(
    "escape", ["\\u0000", "\\u0001", "\\ufffe", "\\uffff", "\\ud800", "]]>", "&#0;"]
)
def test_what_an_expression_makes_that_no_picture_can_hold_is_told_in_one_sentence(
    plotted: Project, escape: str, form: str
) -> None:
    """Nobody knows its text before it is drawn, and what draws ends its whole process over it."""
    label = {"axis": {"labelExpr": f"'a{escape}b' + datum.label"}}
    template = {**DATA, "mark": "point", "encoding": PLACES | {"y": {**PLACES["y"], **label}}}
    plotted.write(".dvc/plots/own.json", json.dumps(template))

    done = plotted.dvc("plots", "show", "both", "-t", "own", "--format", form, check=False)

    drawn = (0, f"dvc_plots/both.{form}\n", "")
    refused = (
        "ERROR: 'both' cannot be drawn: its template makes something that vl-convert gives up on\n"
        "Hint: let a browser draw it: --format html\n"
    )
    expected = (1, "", refused) if escape.startswith("\\u") else drawn
    assert expected == (done.rc, done.stdout, done.stderr)
