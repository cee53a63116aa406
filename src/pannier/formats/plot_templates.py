"""The plot templates that are built in: Vega-Lite specifications with anchors to be filled.

Names and anchors are those of DVC, whose users and tools know them; `fill` in
pannier.formats.plot_filling knows what each anchor stands for.
"""

from __future__ import annotations

from collections.abc import Callable

from pannier.core.typed import Any

Spec = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
DEFAULT = "linear"


def anchor(name: str) -> str:
    """How an anchor is written in a template."""
    return f"<DVC_METRIC_{name.upper()}>"


X, Y = anchor("x"), anchor("y")
_NUMBERS, _NAMES = "quantitative", "nominal"


def _axis(name: str, kind: str | None = None, **more: Any) -> Spec:
    """The channel of x or y: its column, what kind of values, its label."""
    typed = {} if kind is None else {"type": kind}
    return {"field": anchor(name), **typed, "title": anchor(f"{name}_label"), **more}


def _sized(**parts: Any) -> Spec:
    """A chart of the size that was asked for."""
    return {
        **_page(),
        "width": anchor("plot_width"),
        "height": anchor("plot_height"),
        **parts,
    }


def _page() -> Spec:
    return {
        "$schema": SCHEMA,
        "data": {"values": anchor("data")},
        "title": {"text": anchor("title"), "anchor": "middle"},
    }


def _channels(*names: str, **more: Any) -> Spec:
    """Channels that are filled as wholes: colour, dashes, shape, ..."""
    written = {"stroke_dash": "strokeDash"}
    return {written.get(name, name): anchor(name) for name in names} | more


_FROM_DATA = {"content": "data"}
_ZOOM = anchor("zoom_and_pan")
_NEAR_ZERO = {"zero": False}
_SMOOTHED = ("smoothed_x", "smoothed_y")


def _simple() -> Spec:
    return _sized(
        params=[_ZOOM],
        mark={"type": "line", "tooltip": _FROM_DATA},
        encoding={
            "x": _axis("x", _NUMBERS),
            "y": _axis("y", _NUMBERS, scale=_NEAR_ZERO),
            **_channels("color", "stroke_dash", "tooltip"),
        },
    )


def _linear() -> Spec:
    """Smoothed lines with a slider, the measured ones faint behind them, their ends marked."""
    x, y = _axis("x", _NUMBERS), _axis("y", _NUMBERS, scale=_NEAR_ZERO)
    by_revision = {"field": "rev", "type": _NAMES}
    hover = {"param": "hover", "empty": False}
    smoothed = {
        "transform": [
            {
                "loess": Y,
                "on": X,
                "groupby": anchor("group_by"),
                "bandwidth": {"signal": "smooth"},
                "as": list(_SMOOTHED),
            }
        ],
        # Under names of their own: Vega finds none that it made itself with a dot in them.
        "encoding": {
            "x": {**x, "field": _SMOOTHED[0]},
            "y": {**y, "field": _SMOOTHED[1]},
            "color": by_revision,
        },
        "layer": [
            {"mark": "line", "params": [_ZOOM]},
            {"mark": "point", "transform": [{"filter": hover}]},
        ],
    }
    measured = {
        "mark": {"type": "line", "opacity": 0.2},
        "encoding": {"x": x, "y": y, "color": by_revision},
    }
    ends = {
        "mark": {"type": "circle", "size": 10},
        "encoding": {
            "x": {"aggregate": "max", **x},
            "y": {"aggregate": {"argmax": X}, **y},
            "color": by_revision,
        },
    }
    ruler = {
        "transform": [
            {"calculate": anchor("pivot_field"), "as": "series"},
            {"pivot": "series", "value": Y, "op": "mean", "groupby": [X]},
        ],
        "mark": {"type": "rule", "stroke": "grey", "tooltip": _FROM_DATA},
        "encoding": {"opacity": {"condition": {**hover, "value": 0.3}, "value": 0}},
        "params": [
            {
                "name": "hover",
                "select": {
                    "type": "point",
                    "fields": [X],
                    "nearest": True,
                    "on": "pointerover",
                    "clear": "pointerout",
                },
            }
        ],
    }
    slider = {"input": "range", "min": 0.001, "max": 1, "step": 0.001}
    return _sized(
        params=[{"name": "smooth", "value": 0.001, "bind": slider}],
        encoding={"x": x, **_channels("color", "stroke_dash")},
        layer=[smoothed, measured, ends, ruler],
    )


def _confusion(value: str, share: list[Spec], dark: str, scale: Spec, shown: Spec) -> Spec:
    """A matrix of counts. value: the column that colours a cell; share: what calculates it;
    dark: says of a cell that it is dark; shown: how its text comes about."""
    counted = [
        {"aggregate": [{"op": "count", "as": "count"}], "groupby": ["rev", Y, X]},
        {"impute": "count", "key": X, "groupby": anchor("group_by_y"), "value": 0},
        {"impute": "count", "key": Y, "groupby": anchor("group_by_x"), "value": 0},
    ]
    number = {"field": value, "type": _NUMBERS}
    cells = {
        "mark": "rect",
        "width": anchor("plot_width"),
        "height": anchor("plot_height"),
        "params": [
            {
                "name": "cell",
                "select": {
                    "type": "point",
                    "encodings": ["x", "y"],
                    "on": "pointerover",
                    "clear": "pointerout",
                },
            }
        ],
        "encoding": {
            "color": {**number, "title": "", "scale": scale},
            "stroke": {"condition": {"param": "cell", "empty": False, "value": "black"}},
            "tooltip": [{"field": X, "type": _NAMES}, {"field": Y, "type": _NAMES}, number],
        },
    }
    texts = {
        "mark": "text",
        "encoding": {
            "text": shown,
            "color": {"condition": {"test": dark, "value": "white"}, "value": "black"},
        },
    }
    return {
        **_page(),
        # By name: any other order is lost where counts are made, and charts then lie anywhere.
        "facet": {"column": {"field": "rev"}, "row": anchor("row")},
        "params": [{"name": "showValues", "value": True, "bind": {"input": "checkbox"}}],
        "spec": {
            "transform": [*counted, *share],
            "encoding": {
                "x": _axis("x", _NAMES, sort="ascending"),
                "y": _axis("y", _NAMES, sort="ascending"),
            },
            "layer": [cells, texts],
        },
    }


def _counts() -> Spec:
    share: list[Spec] = [
        {
            "joinaggregate": [{"op": "max", "field": "count", "as": "most"}],
            "groupby": ["rev"],
        },
        {"calculate": "datum.count / datum.most", "as": "share"},
    ]
    shown = {"condition": {"param": "showValues", "field": "count", "type": _NUMBERS}}
    scale = {"domainMin": 0, "nice": True}
    return _confusion("count", share, "datum.share > 0.5", scale, shown)


def _shares() -> Spec:
    share: list[Spec] = [
        {
            "joinaggregate": [{"op": "sum", "field": "count", "as": "all"}],
            "groupby": ["rev", Y],
        },
        {"calculate": "datum.count / datum.all", "as": "share"},
    ]
    number = {"field": "share", "type": _NUMBERS, "format": ".2f"}
    shown = {"condition": {"param": "showValues", **number}}
    return _confusion("share", share, "datum.share > 0.5", {"domain": [0, 1]}, shown)


def _scatter() -> Spec:
    return _sized(
        params=[_ZOOM],
        mark={"type": "point", "tooltip": _FROM_DATA},
        encoding={
            "x": _axis("x", _NUMBERS),
            "y": _axis("y", _NUMBERS),
            **_channels("color", "shape", "tooltip"),
        },
    )


def _scatter_jitter() -> Spec:
    """Points of one place apart from each other, for values that are names."""
    offsets = {
        channel: {"field": column, "type": _NUMBERS}
        for channel, column in (("xOffset", "randomX"), ("yOffset", "randomY"))
    }
    return _sized(
        transform=[{"calculate": "random()", "as": column["field"]} for column in offsets.values()],
        mark={"type": "point", "tooltip": _FROM_DATA},
        encoding={
            "x": _axis("x"),
            "y": _axis("y"),
            **_channels("color", "shape", "tooltip"),
            **offsets,
        },
    )


def _bars(**order: Any) -> Spec:
    return _sized(
        params=[_ZOOM],
        mark={"type": "bar"},
        encoding={
            "x": _axis("x", _NUMBERS, scale=_NEAR_ZERO),
            "y": _axis("y", _NAMES, **order),
            "yOffset": {"field": "rev", "sort": []},
            **_channels("color", "column"),
        },
    )


def _sorted_bars() -> Spec:
    """The longest bars first; sorted by a column of ours, for Vega sorts by none with a dot."""
    total = {"joinaggregate": [{"op": "sum", "field": X, "as": "total"}], "groupby": [Y]}
    bars = _bars(sort={"field": "total", "order": "descending"})
    return {**bars, "transform": [total]}


TEMPLATES: dict[str, Callable[[], Spec]] = {
    "simple": _simple,
    "linear": _linear,
    "confusion": _counts,
    "confusion_normalized": _shares,
    "scatter": _scatter,
    "scatter_jitter": _scatter_jitter,
    "smooth": _linear,
    "bar_horizontal_sorted": _sorted_bars,
    "bar_horizontal": _bars,
}
"""In the order in which they are listed."""
