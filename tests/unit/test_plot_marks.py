"""What the templates draw: each mark of a picture against the data that it stands for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest

from pannier.core.plots import Figure, Row, Shot, figures
from pannier.formats.plot_filling import fill
from pannier.formats.plot_templates import TEMPLATES, Spec
from pannier.project.chart_images import SVG, Drawer
from tests.support.svg import Mark, marks_of, texts_of

REVISIONS = ("main", "workspace")
COLOURS = {"main": "#945dd6", "workspace": "#13adc7"}
FILES = ("a.csv", "b.csv")
NAMES = [("x", "y"), ("at.x", "of[0]")]
"""Columns; those with dots and brackets are ones that Vega would look into."""


@pytest.fixture(scope="module")
def drawer() -> Iterator[Drawer]:
    with Drawer() as found:
        yield found


def curve(revision: str, file: str) -> list[tuple[int, float]]:
    """Twelve points, no two lines alike; 9 comes before 10 as a number only."""
    step = REVISIONS.index(revision) + 3 * FILES.index(file)
    return [(n, (n - 4.0) ** 2 + step * n) for n in range(12)]


def figure_of(
    template: str, names: tuple[str, str], rows: Callable[[str, str], list[Row]], files: Any
) -> Figure:
    x, y = names
    columns = {file: y for file in files} if len(files) > 1 else y
    plot = {"x": x, "y": columns, "template": template, "title": "The title"}
    name = "plot" if len(files) > 1 else files[0]
    shots = {
        revision: Shot({"dvc.yaml": {name: plot}}, lambda file, at=revision: rows(at, file))
        for revision in REVISIONS
    }
    (figure,) = figures(shots)
    assert figure.failed == []
    return figure


def lines_spec(template: str, names: tuple[str, str], files: Any, as_text: bool) -> Spec:
    write = str if as_text else float

    def rows(revision: str, file: str) -> list[Row]:
        found = curve(revision, file)
        return [{names[0]: write(a), names[1]: write(b)} for a, b in found[6:] + found[:6]]

    return fill(TEMPLATES[template](), figure_of(template, names, rows, files))


def drawn(drawer: Drawer, spec: Spec) -> list[Mark]:
    svg = drawer.draw("plot", spec, SVG)
    assert "The title" in texts_of(svg)
    assert set(REVISIONS) <= set(texts_of(svg))
    return marks_of(svg)


def assert_proportional(pairs: Iterable[tuple[float, float]], *, rising: bool) -> None:
    """Positions are on one straight scale of the values, in pixels as exact as they are written."""
    found = sorted(pairs)
    (low, start), (high, end) = found[0], found[-1]
    scale = (end - start) / (high - low)
    assert rising == (scale > 0)
    for value, position in found:
        assert abs(position - start - scale * (value - low)) < 0.01, (value, position)


def assert_at(marks: Sequence[tuple[tuple[float, float], tuple[float, float]]]) -> None:
    """(value, place) of points: x goes to the right, y upwards."""
    assert_proportional([(value[0], place[0]) for value, place in marks], rising=True)
    assert_proportional([(value[1], place[1]) for value, place in marks], rising=False)


def by_line(marks: Iterable[Mark], files: Sequence[str]) -> dict[tuple[str, str], list[Mark]]:
    found: dict[tuple[str, str], list[Mark]] = {}
    for mark in marks:
        key = (mark.says["rev"], mark.says.get("filename", files[0]))
        assert mark.colour == COLOURS[key[0]]
        found.setdefault(key, []).append(mark)
    assert set(found) == {(revision, file) for revision in REVISIONS for file in files}
    return found


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("files", [FILES[:1], FILES])
@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize("template", ["simple", "linear", "smooth"])
def test_a_line_goes_through_the_points_of_its_revision_and_file(
    drawer: Drawer, template: str, names: tuple[str, str], files: Sequence[str], as_text: bool
) -> None:
    marks = drawn(drawer, lines_spec(template, names, files, as_text))

    lines = by_line([mark for mark in marks if mark.kind == "line"], files)
    points = []
    for key, of_line in lines.items():
        assert len(of_line) == (1 if template == "simple" else 2)  # measured, and smoothed by 0.1%
        for line in of_line:
            points += list(zip(curve(*key), line.places, strict=True))
    ends = [mark for mark in marks if mark.kind == "symbol"]
    if template != "simple":
        points += [(curve(*key)[-1], end.places[0]) for key, (end,) in by_line(ends, files).items()]
    assert_at(points)
    dashes = {(mark.says.get("filename"), mark.dashes) for mark in marks if mark.kind == "line"}
    assert len(files) == len(dashes) == len({dash for _, dash in dashes})


@pytest.mark.parametrize("names", NAMES)
def test_the_slider_smooths_lines_and_leaves_the_measured_ones(
    drawer: Drawer, names: tuple[str, str]
) -> None:
    spec = lines_spec("linear", names, FILES[:1], True)
    rough = drawn(drawer, spec)
    spec["params"][0]["value"] = 0.9
    smooth = drawn(drawer, spec)

    found = [
        [mark.places for mark in marks if mark.layer == layer]
        for layer in ("layer_0_layer_0_marks", "layer_1_marks")
        for marks in (rough, smooth)
    ]
    assert found[0] == found[2] == found[3] != found[1]
    assert [len(line) for line in found[1]] == [12, 12]


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("files", [FILES[:1], FILES])
def test_a_scatter_has_one_symbol_for_each_row(
    drawer: Drawer, names: tuple[str, str], files: Sequence[str]
) -> None:
    marks = drawn(drawer, lines_spec("scatter", names, files, True))

    assert {"symbol"} == {mark.kind for mark in marks}
    points = []
    for key, symbols in by_line(marks, files).items():
        values = {float(symbol.says[names[0]]): symbol.places[0] for symbol in symbols}
        assert len(symbols) == len(values) == 12
        points += [((a, b), values[a]) for a, b in curve(*key)]
    assert_at(points)
    assert len(files) == len({mark.shape for mark in marks})


@pytest.mark.parametrize("names", NAMES)
def test_jitter_moves_symbols_within_the_field_of_their_names(
    drawer: Drawer, names: tuple[str, str]
) -> None:
    across, down = "pqr", "uv"
    rows = [{names[0]: across[n % 3], names[1]: down[n % 2]} for n in range(60)]
    spec = fill(
        TEMPLATES["scatter_jitter"](),
        figure_of("scatter_jitter", names, lambda *_: rows, FILES[:1]),
    )

    marks = drawn(drawer, spec)

    assert {rev: 60 for rev in REVISIONS} == Counter(mark.says["rev"] for mark in marks)
    fields: dict[tuple[int, int], set[tuple[float, float]]] = {}
    for mark in marks:
        x, y = mark.places[0]
        field = (across.index(mark.says[names[0]]), down.index(mark.says[names[1]]))
        assert field == (x * 3 // 300, y * 2 // 300)
        fields.setdefault(field, set()).add((x, y))
    assert 6 == len(fields)
    assert all(20 == len(places) for places in fields.values()), "no two lie upon each other"


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("files", [FILES[:1], FILES])
@pytest.mark.parametrize("template", ["bar_horizontal", "bar_horizontal_sorted"])
def test_a_bar_is_as_long_as_its_value(
    drawer: Drawer, template: str, names: tuple[str, str], files: Sequence[str]
) -> None:
    lengths = {"b": 9, "a": 10, "d": 110, "c": 70}

    def rows(revision: str, file: str) -> list[Row]:
        more = REVISIONS.index(revision) + 2 * FILES.index(file)
        return [{names[0]: str(size + more), names[1]: name} for name, size in lengths.items()]

    marks = drawn(drawer, fill(TEMPLATES[template](), figure_of(template, names, rows, files)))

    assert [mark.kind for mark in marks] == ["rect"] * (4 * 2 * len(files))
    assert {0.0} == {mark.places[0][0] for mark in marks}
    assert_proportional(
        [(0, 0), *((float(mark.says[names[0]]), mark.size[0]) for mark in marks)], rising=True
    )
    for chart, file in zip(sorted({mark.chart for mark in marks}), files, strict=True):
        inside = sorted(
            (mark for mark in marks if mark.chart == chart), key=lambda mark: mark.places[0][1]
        )
        expected = "dcab" if template.endswith("sorted") else "abcd"
        assert [(name, rev) for name in expected for rev in REVISIONS] == [
            (mark.says[names[1]], mark.says["rev"]) for mark in inside
        ]
        assert [COLOURS[rev] for rev in REVISIONS] * 4 == [mark.colour for mark in inside]
        assert {(str(row[names[0]]), row[names[1]]) for row in rows("main", file)} == {
            (mark.says[names[0]], mark.says[names[1]])
            for mark in inside
            if mark.says["rev"] == "main"
        }


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize(
    ("files", "lacking"), [(FILES[:1], None), (FILES, None), (FILES, ("main", "b.csv"))]
)
@pytest.mark.parametrize("template", ["confusion", "confusion_normalized"])
def test_a_confusion_matrix_counts_each_pair_of_names(
    drawer: Drawer,
    template: str,
    names: tuple[str, str],
    files: Sequence[str],
    lacking: tuple[str, str] | None,
) -> None:
    """Each lies under its revision and beside its file, also where a revision lacks one."""
    counts: dict[tuple[str, str], Counter[tuple[str, str]]] = {
        ("main", "a.csv"): Counter({("cat", "cat"): 3, ("cat", "dog"): 1, ("dog", "dog"): 4}),
        ("workspace", "a.csv"): Counter({("cat", "cat"): 1, ("dog", "cat"): 2, ("dog", "dog"): 6}),
        ("main", "b.csv"): Counter({("dog", "cat"): 5, ("cat", "dog"): 2, ("dog", "dog"): 1}),
        ("workspace", "b.csv"): Counter({("cat", "cat"): 2, ("cat", "dog"): 8, ("dog", "dog"): 2}),
    }

    def rows(revision: str, file: str) -> list[Row]:
        if (revision, file) == lacking:
            return []
        return [{names[0]: a, names[1]: b} for a, b in counts[revision, file].elements()]

    marks = drawn(drawer, fill(TEMPLATES[template](), figure_of(template, names, rows, files)))

    down = sorted({mark.chart[0] for mark in marks})
    across = sorted({mark.chart[1] for mark in marks})
    charts = {
        (revision, file): (y, x)
        for file, y in zip(files, down, strict=True)
        for revision, x in zip(REVISIONS, across, strict=True)
        if (revision, file) != lacking
    }
    assert set(charts.values()) == {mark.chart for mark in marks}
    for (revision, file), chart in charts.items():
        expected = {}
        for name in ("cat", "dog"):
            for other in ("cat", "dog"):
                cells = counts[revision, file]
                whole = sum(count for (_, down), count in cells.items() if down == other)
                share = cells[name, other] / whole if template.endswith("normalized") else 0
                shown = f"{share:.2f}" if template.endswith("normalized") else cells[name, other]
                expected[name, other] = str(shown)
        inside = [mark for mark in marks if mark.chart == chart]
        texts = {place_of(mark): mark.text for mark in inside if mark.kind == "text"}
        rects = {place_of(mark): mark.colour for mark in inside if mark.kind == "rect"}
        assert expected == texts, (revision, file)
        assert len(inside) == 8
        darkest = max(rects, key=lambda cell: -lightness(rects[cell]))
        assert max(map(float, texts.values())) == float(texts[darkest])


def place_of(mark: Mark) -> tuple[str, str]:
    """The names of the column and the row in which a cell or its text lies."""
    x, y = mark.places[0]
    return ("cat", "dog")[x >= 150], ("cat", "dog")[y >= 150]


def lightness(colour: str) -> int:
    return sum(int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(","))
