"""Plots: what is drawn of data, templates and their anchors, and the page."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import pannier
from pannier.core.errors import PannierError
from pannier.core.plot_errors import BadTemplate, FieldMissing, NotPlottable, PlotError
from pannier.core.plots import Figure, Shot, figures, rows_of
from pannier.formats.plot_data import load, load_without_header
from pannier.formats.plot_filling import anchors, fill, split
from pannier.formats.plot_page import chart, page, pictures
from pannier.formats.plot_templates import TEMPLATES, anchor
from tests.support.programs import REPOSITORY

VEGA = Path(pannier.__file__).with_name("vega")
ROWS = [{"e": 1, "l": 0.5}, {"e": 2, "l": 0.25}]


def shot(definitions: dict[str, Any], sources: dict[str, Any] | None = None) -> Shot:
    return Shot(definitions, (sources or {}).__getitem__)


def one(definitions: dict[str, Any], sources: dict[str, Any]) -> Figure:
    (found,) = figures({"r": shot({"dvc.yaml": definitions}, sources)})
    return found


# -- points ----


def test_without_properties_the_last_column_is_drawn_over_the_number_of_the_row() -> None:
    figure = one({"a.json": {}}, {"a.json": ROWS})

    assert figure.points == [
        {"e": 1, "l": 0.5, "step": 0, "rev": "r", "filename": "a.json", "field": "l"},
        {"e": 2, "l": 0.25, "step": 1, "rev": "r", "filename": "a.json", "field": "l"},
    ]
    assert (figure.props["x"], figure.props["y"]) == ("step", "l")
    assert (figure.props["x_label"], figure.props["y_label"]) == ("step", "l")
    assert figure.props["title"] == "a.json"


def test_columns_of_several_files_and_names_come_under_one_name() -> None:
    y = {"d/a.json": ["l", "e"], "d/b.json": "m"}
    b = [{"e": 5, "m": 7}, {"e": 6, "m": 8}]
    figure = one({"p": {"x": "e", "y": y}}, {"d/a.json": ROWS, "d/b.json": b})

    assert [row["dvc_inferred_y_value"] for row in figure.points] == [0.5, 0.25, 1, 2, 7, 8]
    assert figure.series == [("a.json", "l"), ("a.json", "e"), ("b.json", "m")]
    assert (figure.props["x"], figure.props["x_label"], figure.props["y_label"]) == ("e", "e", "y")


def test_an_axis_may_come_from_another_file_with_as_many_rows() -> None:
    axes = {"x": {"b.json": "n"}, "y": {"a.json": "l"}}
    figure = one({"p": axes}, {"a.json": ROWS, "b.json": [{"n": "u"}, {"n": "v"}]})

    assert [(row["n"], row["l"]) for row in figure.points] == [("u", 0.5), ("v", 0.25)]
    failed = one({"p": axes}, {"a.json": ROWS, "b.json": [{"n": "u"}]}).failed
    assert isinstance(failed[0][2], PlotError)
    assert "They have to have same length" in failed[0][2].message


def test_rows_are_found_within_mappings_and_joined_side_by_side() -> None:
    content = {
        "n": 1,
        "a": [{"x": 1}, {"x": 2}],
        "in": {"b": [{"y": 3}]},
        "odd": [{"y": 1}, {"z": 1}],
    }

    assert rows_of(content) == [{"x": 1, "y": 3}, {"x": 2}]
    assert rows_of([1, 2]) == rows_of("text") == rows_of({"e": []}) == []


def test_properties_of_the_first_revision_count_and_all_points_are_kept() -> None:
    shots = {
        rev: shot({"dvc.yaml": {"a.json": {"title": rev, "x": "e"}}}, {"a.json": ROWS})
        for rev in ("new", "old")
    }
    (figure,) = figures(shots)

    assert figure.props["title"] == "new"
    assert figure.revisions == ["new", "old"]
    assert [row["rev"] for row in figure.points] == ["new", "new", "old", "old"]


def test_one_id_in_two_files_is_named_with_its_file() -> None:
    names = {"dvc.yaml": {"p.json": {}}, "": {"p.json": {}}, "s/dvc.yaml": {"q.json": {}}}
    none = {"p.json": None, "q.json": None}

    assert [each.id for each in figures({"r": shot(names, none)})] == [
        "dvc.yaml::p.json",
        "p.json",
        "q.json",
    ]


def test_tables_have_texts_and_other_files_are_refused() -> None:
    assert load(b"a,b\r\n1,x y\r\n\r\n", "t.csv") == [{"a": "1", "b": "x y"}]
    uneven = [{"a": "1", "b": None}, {"a": "1", "b": "2", None: ["3"]}]
    assert load(b"a,b\n1\n1,2,3\n", "t.csv") == uneven
    assert load(b"", "t.csv") == load(b"a,b\n", "t.csv") == []
    assert load_without_header(b"1\t2\n3\t4\n", "t.tsv") == [
        {"0": "1", "1": "2"},
        {"0": "3", "1": "4"},
    ]
    assert load(b"\x89", "t.png") == b"\x89"
    with pytest.raises(NotPlottable):
        load(b"x", "t.txt")


# -- templates ----


def test_a_template_may_lack_anchors_but_not_the_one_for_data() -> None:
    figure = one({"a.json": {"x": "e"}}, {"a.json": ROWS})
    own = {"data": {"values": "<DVC_METRIC_DATA>"}, "t": "<DVC_METRIC_X> of <DVC_METRIC_TITLE>"}

    assert fill(own, figure) == {"data": {"values": figure.points}, "t": "e of a.json"}
    with pytest.raises(BadTemplate):
        fill({"mark": "point"}, figure)


def test_a_column_that_no_row_has_is_told() -> None:
    figure = one({"a.json": {}}, {"a.json": ROWS})
    figure.props["y"] = "nope"

    with pytest.raises(FieldMissing, match="nope"):
        fill(TEMPLATES["simple"](), figure)


def test_what_a_tool_fills_is_left_and_comes_beside() -> None:
    figure = one({"a.b.json": {"y": "c.d[0]"}}, {"a.b.json": [{"c.d[0]": 1}]})

    content, parts = split(TEMPLATES["simple"](), figure)

    assert anchors(content) == set(parts)
    assert content["encoding"]["y"]["field"] == r"c\.d\[0\]"
    assert content["encoding"]["strokeDash"] == {}
    assert parts["<DVC_METRIC_TITLE>"] == "a.b.json"
    assert parts["<DVC_METRIC_COLOR>"] == {
        "field": "rev",
        "scale": {"domain": ["r"], "range": ["#945dd6"]},
    }


_COMMON = "data plot_height plot_width title x x_label y y_label"
EXPECTED = {
    "simple": "color stroke_dash tooltip zoom_and_pan",
    "linear": "color group_by pivot_field stroke_dash zoom_and_pan",
    "confusion": "group_by_x group_by_y row",
    "confusion_normalized": "group_by_x group_by_y row",
    "scatter": "color shape tooltip zoom_and_pan",
    "scatter_jitter": "color shape tooltip",
    "smooth": "color group_by pivot_field stroke_dash zoom_and_pan",
    "bar_horizontal_sorted": "color column zoom_and_pan",
    "bar_horizontal": "color column zoom_and_pan",
}


def test_templates_have_the_anchors_that_tools_fill() -> None:
    """Those of DVC's, but for one more group in `confusion_normalized`."""
    found = {name: anchors(template()) for name, template in TEMPLATES.items()}

    assert found == {
        name: {anchor(each) for each in f"{_COMMON} {own}".split()}
        for name, own in EXPECTED.items()
    }


def drawn(specs: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        ["node", REPOSITORY / "tests/support/render.js", VEGA],
        input=json.dumps(specs),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# Said of charts without a window, of axes before their data is there, of names that cannot zoom.
HARMLESS = (
    "Can not resolve event source: window",
    "Infinite extent",
    "Dropping {} from",
    "Scale bindings are currently only supported for scales with",
)


def test_vega_draws_every_template_of_one_and_of_several_series() -> None:
    rows = [{"n": n, "v": n * n / 2, "k": "ab"[n % 2], "g": "uv"[n % 2]} for n in range(6)]
    specs = {}
    for name in TEMPLATES:
        axes: dict[str, Any] = {"x": "n", "y": "v"}
        if name.startswith("confusion"):
            axes = {"x": "k", "y": "g"}
        elif name.startswith("bar"):
            axes = {"x": "v", "y": "k"}
        for title, y in (("one", axes["y"]), ("two", {"a.json": axes["y"], "b.json": axes["y"]})):
            definition = {"a.json" if title == "one" else "p": {**axes, "y": y, "title": title}}
            taken = shot({"dvc.yaml": definition}, {"a.json": rows, "b.json": rows})
            (figure,) = figures({"main": taken, "workspace": taken})
            specs[f"{name} {title}"] = fill(TEMPLATES[name](), figure)

    found = drawn(specs)

    assert list(found) == list(specs)
    for name, picture in found.items():
        assert [] == [line for line in picture["said"] if not line.startswith(HARMLESS)], name
        assert picture["marks"] > 10, name
        assert name.split()[1] in picture["texts"], name
        assert {"main", "workspace"} <= set(picture["texts"]), name


# -- the page ----


def test_a_page_has_all_that_it_needs_and_no_text_ends_its_scripts() -> None:
    figure = one({"a.json": {"title": "</script><b>"}}, {"a.json": ROWS})
    picture = Figure('<i>"1.png', True, points=[{"rev": "<r>", "src": 'static/"x.png'}])
    spec = fill(TEMPLATES["simple"](), figure)

    text = page([pictures(picture), chart(1, spec)], ["var a;{plot_divs}"])

    assert text.count("</script>") == 2
    assert "<script>var a;{plot_divs}</script>" in text
    assert 'src="static/&quot;x.png"' in text
    assert "<figcaption>&lt;r&gt;" in text
    assert "src=http" not in text.replace('"', "")
    assert text.index("vegaEmbed") < text.index("<figure>")


def test_pictures_stand_by_their_numbers() -> None:
    names = ["b/x.png", "b/10.png", "b/9.png", "a/1.png"]
    found = page([pictures(Figure(name, True)) for name in names], [])

    order = sorted(names, key=found.index)
    assert order == ["a/1.png", "b/9.png", "b/10.png", "b/x.png"]


def test_a_page_of_ones_own_must_have_a_place_for_plots() -> None:
    with pytest.raises(PannierError, match=r"\{plot_divs\}"):
        page([], [], "<html>")
