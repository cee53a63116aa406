"""Templates and data of any text: a picture or one error, and the program goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pannier.core.plot_errors import PlotError
from pannier.project.chart_images import PNG, SVG, Drawer

TEXTS = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\x00\x01\x1b\x7f\x85\ud800\udfff\ufeff\ufffe\uffff\U0001fffe<&>\"'`\\"),
    ),
    max_size=6,
)
ESCAPES = st.sampled_from(
    [
        "\\u0000",
        "\\u0001",
        "\\x1b",
        "\\ud800",
        "\\udc00",
        "\\ufffe",
        "\\uffff",
        "\\n",
        "]]>",
        "&#1;",
    ]
)
LITERALS = st.builds(
    lambda parts: "'" + "".join(parts) + "'",
    st.lists(
        st.one_of(ESCAPES, st.sampled_from(["a", "<b>", "&amp;", "%", "url(#x)"])), max_size=4
    ),
)
EXPRESSIONS = st.one_of(
    LITERALS,
    st.builds("{} + datum.x".format, LITERALS),
    st.builds("replace(toString(datum.x), regexp('.'), {})".format, LITERALS),
    st.builds("repeat({}, 3)".format, LITERALS),
    st.sampled_from(["0/0", "1/0", "null", "undefined", "datum", "[1,{}]", "1e400", "-1e308*10"]),
)
CELLS = st.one_of(TEXTS, st.floats(), st.integers(-(2**70), 2**70), st.none(), st.booleans())
NAMES = st.one_of(st.sampled_from(["x", "y", "made"]), TEXTS)
MARKS = st.sampled_from(["point", "line", "bar", "area", "text", "rect", "tick", "arc"])


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    rows = draw(st.lists(st.fixed_dictionaries({"x": CELLS, "y": CELLS}), max_size=4))
    kinds = st.sampled_from(["nominal", "quantitative", "ordinal", "temporal"])
    channel = st.fixed_dictionaries(
        {"field": NAMES, "type": kinds},
        optional={
            "title": TEXTS,
            "axis": st.fixed_dictionaries({"labelExpr": EXPRESSIONS}),
            "scale": st.sampled_from([{"type": "log"}, {"zero": False}, {"domain": [1, 1]}]),
        },
    )
    encoding = {"x": draw(channel), "y": draw(channel)}
    if draw(st.booleans()):
        encoding["text"] = {"field": "made", "type": "nominal"}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": rows},
        "title": draw(st.one_of(TEXTS, st.builds(lambda e: {"text": {"expr": e}}, EXPRESSIONS))),
        "transform": [{"calculate": draw(EXPRESSIONS), "as": "made"}],
        "mark": {
            "type": draw(MARKS),
            "tooltip": draw(st.booleans()),
            "description": draw(TEXTS),
            "fill": draw(st.one_of(TEXTS, st.sampled_from(["red", "#zz", "rgb(1e999,0,0)"]))),
        },
        "encoding": encoding,
    }


@pytest.fixture(scope="module")
def drawer() -> Iterator[Drawer]:
    with Drawer() as found:
        yield found


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(spec=specs(), form=st.sampled_from([SVG, PNG]))
def test_any_template_and_data_end_in_a_picture_or_one_error(
    drawer: Drawer, spec: dict[str, Any], form: str
) -> None:
    drawn, said = b"", ""
    try:
        drawn = drawer.draw("plot", spec, form)
    except PlotError as error:
        said = error.message

    assert said.startswith("'plot' ") or drawn.startswith(b"<svg" if form == SVG else b"\x89PNG")
    assert "\n" not in said
