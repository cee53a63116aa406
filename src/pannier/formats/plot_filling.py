"""Fills the anchors of a plot template with what a figure draws.

Source of what each anchor stands for: docs/formats.md, section 18.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, islice

from pannier.core.plot_errors import BadTemplate, FieldMissing
from pannier.core.plots import FIELD, FILENAME, REV, Figure, Row
from pannier.core.typed import Any
from pannier.formats.plot_templates import Spec, anchor

_SPLIT = {
    *("color", "shape", "stroke_dash", "tooltip", "zoom_and_pan"),
    *("data", "title", "x_label", "y_label", "plot_height", "plot_width"),
}
"""Anchors that a tool fills itself, when it asks for the parts."""
_ALWAYS = ("title", "x", "y", "x_label", "y_label", "data")
_COLOURS = ("#945dd6", "#13adc7", "#f46837", "#48bb78", "#4299e1", "#ed8936", "#f56565")
_DASHES = ([1, 0], [8, 8], [8, 4], [4, 4], [4, 2], [2, 1], [1, 1])
_SHAPES = ("circle", "square", "triangle", "diamond")
_SIZE = 300
_BETWEEN = "::"


def fill(template: Spec, figure: Figure) -> Spec:
    """The whole specification, data included. Raises BadTemplate, FieldMissing."""
    values, _ = _values(template, figure)
    if anchor("data") not in anchors(template):
        raise BadTemplate(
            f"Template '{figure.props.get('template', '')}' is not using '{anchor('data')}' anchor"
        )
    spec: Spec = _filled(template, {anchor(name): value for name, value in values.items()})
    return spec


def split(template: Spec, figure: Figure) -> tuple[Spec, dict[str, Any]]:
    """The specification without the parts that a tool fills, and these, by their anchors."""
    values, unused = _values(template, figure)
    inside = {name: v for name, v in values.items() if name not in _SPLIT or name in unused}
    used = anchors(template)
    parts = {
        anchor(name): value
        for name, value in values.items()
        if name not in inside and (name in _ALWAYS or anchor(name) in used)
    }
    return _filled(template, {anchor(name): v for name, v in inside.items()}), parts


def anchors(template: Any) -> set[str]:
    """The anchors that stand for whole values in a template."""
    if isinstance(template, str):
        return {template} if template.startswith("<DVC_METRIC_") else set()
    inner = template.values() if isinstance(template, dict) else template
    if not isinstance(template, dict | list):
        return set()
    return {each for value in inner for each in anchors(value)}


def _values(template: Spec, figure: Figure) -> tuple[dict[str, Any], set[str]]:
    """(name of each anchor -> value, those of them that this figure has no use for)."""
    props = figure.props
    x, y = props.get("x"), props.get("y")
    for column in (x, y):
        if column and not any(column in row for row in figure.points):
            raise FieldMissing(column, dict.fromkeys(c for row in figure.points[:1] for c in row))
    varied = _varied(figure.series)
    joined = _BETWEEN.join(varied)
    by = [REV, joined] if varied else [REV]
    tooltip = [REV, x, y, *([joined] if varied else [])]
    values: dict[str, Any] = {
        "color": _scale(REV, figure.revisions, _COLOURS),
        "zoom_and_pan": {"name": "grid", "select": "interval", "bind": "scales"},
        "plot_height": _SIZE,
        "plot_width": _SIZE,
        "group_by": by,
        "group_by_x": [*by, _escaped(x)],
        "group_by_y": [*by, _escaped(y)],
        "pivot_field": f" + '{_BETWEEN}' + ".join(f"datum.{key}" for key in (REV, *varied)),
        "tooltip": [{"field": _escaped(column)} for column in tooltip],
    }
    series = ("row", "column", "stroke_dash", "shape")
    if varied:
        legend = {"legend": {"symbolFillColor": "transparent", "symbolStrokeColor": "grey"}}
        domain = sorted({_series_name(one, varied) for one in figure.series})
        # Rows are those of matrices; Vega loses track of which is which if they have no order.
        values |= {"row": {"field": joined}, "column": {"field": joined, "sort": []}}
        values["stroke_dash"] = {**_scale(joined, domain, _DASHES), **legend}
        values["shape"] = {**_scale(joined, domain, _SHAPES), **legend}
    else:
        values |= {name: {} for name in series}
    has_optional = not {anchor(name) for name in values}.isdisjoint(anchors(template))
    points = _points(figure.points, varied) if has_optional else figure.points
    given = {"title": props.get("title", ""), "x_label": props.get("x_label") or x}
    given |= {"y_label": props.get("y_label") or y, "data": points}
    given |= {"x": _escaped(x), "y": _escaped(y)}
    values |= {name: value for name, value in given.items() if value is not None}
    return values, set() if varied else set(series)


def _varied(series: Sequence[tuple[str, str]]) -> list[str]:
    """By what the lines of one revision differ: file, column, both or nothing."""
    files, columns = {file for file, _ in series}, {column for _, column in series}
    return [FILENAME] * (len(files) > 1) + [FIELD] * (len(columns) > 1)


def _series_name(one: tuple[str, str], varied: Sequence[str]) -> str:
    return _BETWEEN.join(dict(zip((FILENAME, FIELD), one, strict=True))[key] for key in varied)


def _points(points: Sequence[Row], varied: Sequence[str]) -> list[Row]:
    """Points with the columns that tell their lines apart, and no others of ours."""
    found = []
    name = _BETWEEN.join(varied)
    for point in points:
        row = point.copy()
        del row[FILENAME], row[FIELD]
        if varied:
            row[name] = _BETWEEN.join([point[key] for key in varied])
        found.append(row)
    return found


def _scale(column: str, domain: Sequence[str], shades: Sequence[Any]) -> dict[str, Any]:
    shown = list(islice(cycle(shades), len(domain)))
    return {"field": column, "scale": {"domain": list(domain), "range": shown}}


def _escaped(column: Any) -> Any:
    """A column as Vega takes it for one: a dot or bracket would lead into a value."""
    if not isinstance(column, str):
        return column
    return "".join(f"\\{sign}" if sign in ".[]" else sign for sign in column)


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    if not isinstance(value, str) or "<DVC_METRIC_" not in value:
        return value
    if value in values:
        return values[value]
    for name, given in values.items():
        if isinstance(given, str):
            value = value.replace(name, given)
    return value
