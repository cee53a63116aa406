"""What plots draw: from definitions and the data of several revisions to points.

A definition names columns, the data has rows. Points are rows with `rev`, `filename` and `field`
beside their columns. Pure. Source of the rules: docs/commands.md, `plots`; DVC's names are kept,
for tools read them.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence

from pannier.core.errors import PannierError
from pannier.core.plot_errors import FieldMissing, PlotError
from pannier.core.record import dataclass, field
from pannier.core.typed import Any

STEP, REV, FILENAME, FIELD = "step", "rev", "filename", "field"
_ANY_X, _ANY_Y = "dvc_inferred_x_value", "dvc_inferred_y_value"
IMAGES = frozenset((".jpg", ".jpeg", ".gif", ".png", ".svg"))

Props = dict[str, Any]
Row = dict[str, Any]
Definitions = dict[str, dict[str, Props]]
"""File that defines them, '' for stages and targets -> id of a plot -> its properties. The id is a
path, unless `y` is a mapping of files."""


Source = Callable[[str], Any]
"""A file that plots are drawn from -> what it holds. Raises PannierError."""


@dataclass(slots=True)
class Shot:
    """The plots of one revision. read: reads a file when a plot is drawn from it. error: why there
    are no definitions."""

    definitions: Definitions
    read: Source
    error: PannierError | None = None


@dataclass(slots=True)
class Figure:
    """One plot over all revisions.

    points: rows; of images {"rev", "filename", "image": bytes}. series: (file, column) of each line
    in every revision. revisions: those with points. failed: (revision, file or None, why).
    """

    id: str
    is_image: bool
    props: Props = field(default_factory=dict)
    points: list[Row] = field(default_factory=list)
    series: list[tuple[str, str]] = field(default_factory=list)
    revisions: list[str] = field(default_factory=list)
    failed: list[tuple[str, str | None, PannierError]] = field(default_factory=list)


def is_image(path: str) -> bool:
    return posixpath.splitext(path)[1] in IMAGES


def is_path(props: Mapping[str, Any]) -> bool:
    """True when the id of a plot is a file or folder, and not only a name."""
    return not isinstance(props.get("y"), dict)


def sources_of(name: str, props: Mapping[str, Any]) -> list[str]:
    """The files that a plot is drawn from."""
    x, y = props.get("x"), props.get("y")
    files = list(y) if isinstance(y, dict) else [name]
    return list(dict.fromkeys([*files, *(list(x)[:1] if isinstance(x, dict) else [])]))


def figures(shots: Mapping[str, Shot]) -> Iterator[Figure]:
    """The plots of all revisions, in the order in which they are defined, one at a time: all of
    their points together would be many times as big as what they are drawn from.

    Of properties those of the first revision count.
    """
    groups: dict[str, list[tuple[str, str, Props]]] = {}
    for revision, shot in shots.items():
        for full, (name, props) in _named(shot.definitions).items():
            groups.setdefault(full, []).append((revision, name, props))
    for full, group in groups.items():
        yield _figure(full, group, shots)


def _named(definitions: Definitions) -> dict[str, tuple[str, Props]]:
    """Plots by name; by `file::name` where several files define one of that name."""
    owners: dict[str, list[str]] = {}
    for file, plots in definitions.items():
        for name in plots:
            owners.setdefault(name, []).append(file)
    return {
        f"{file}::{name}" if file and len(files) > 1 else name: (name, definitions[file][name])
        for name, files in owners.items()
        for file in files
    }


def _figure(
    full: str, group: Sequence[tuple[str, str, Props]], shots: Mapping[str, Shot]
) -> Figure:
    props: Props = {}
    for _, _, own in group:
        props = {**own, **props}
    name = group[0][1]
    figure = Figure(name if is_image(name) else full, is_image(name))
    for revision, _, own in group:
        found = {}
        for path in sources_of(name, own):
            try:
                data = shots[revision].read(path)
            except PannierError as error:
                figure.failed.append((revision, path, error))
                continue
            if data:
                found[path] = data
        try:
            if figure.is_image:
                points = [
                    {REV: revision, FILENAME: path, "image": data} for path, data in found.items()
                ]
                more = props
            else:
                points, more, series = _Columns(name, props, found).points(revision)
                figure.series = figure.series or series
        except PlotError as error:
            figure.failed.append((revision, None, error))
            continue
        if points:
            figure.props = figure.props or more
            figure.revisions.append(revision)
            figure.points += points
    figure.props = {"title": figure.id, **figure.props}
    return figure


class _Columns:
    """The columns that one plot draws of one revision's data.

    data: file -> its content. x, y: file and column of each series; x is empty for the number of a
    row.
    """

    def __init__(self, name: str, props: Props, data: Mapping[str, Any]) -> None:
        self.props = props
        self.rows = {path: rows_of(content) for path, content in data.items()}
        self.x_named = _with_files(props.get("x"), props.get("y"), name)
        self.y_named = _with_files(props.get("y"), None, name)
        if props.get("y") is None:
            last = _last_column(data.get(name))
            self.y_named = {name: last} if last is not None else {}
        self.x = self._checked(self.x_named)
        self.y = self._checked(self.y_named)
        if len(self.x) > 1 and len(self.x) != len(self.y):
            raise PlotError(
                "Cannot have different number of x and y data sources. Found "
                f"{len(self.x)} x and {len(self.y)} y data sources."
            )

    def points(self, revision: str) -> tuple[list[Row], Props, list[tuple[str, str]]]:
        """(points, properties with all that was left to us, series)."""
        x_columns = {column for _, column in self.x}
        y_columns = {column for _, column in self.y}
        x = _ANY_X if len(x_columns) > 1 else next(iter(x_columns), STEP)
        y = _ANY_Y if len(y_columns) > 1 else next(iter(y_columns), None)
        short = _short_names([path for path, _ in self.y])
        points: list[Row] = []
        for at, (path, column) in enumerate(self.y):
            ours = {REV: revision, FILENAME: short[path], FIELD: column}
            given = self.rows.get(path, [])
            rows = (
                [row | ours for row in given]
                if self.x
                else [{**row, STEP: number, **ours} for number, row in enumerate(given)]
            )
            if y == _ANY_Y:
                _copy(rows, rows, column, _ANY_Y)
            if self.x:
                x_path, x_column = self.x[at if len(self.x) > 1 else 0]
                others = self.rows.get(x_path, [])
                if len(others) != len(rows):
                    raise PlotError(
                        f"Cannot join '{x_column}' from '{x_path}' and '{column}' from '{path}'."
                        " They have to have same length."
                    )
                _copy(others, rows, x_column, x)
            points += rows
        labels = {
            "x_label": _label(self.props.get("x_label"), self.x_named, "x", STEP),
            "y_label": _label(self.props.get("y_label"), self.y_named, "y", None),
        }
        series = [(short[path], column) for path, column in self.y]
        return points, {**self.props, **labels, "x": x, "y": y}, series

    def _checked(self, named: Mapping[str, Any]) -> list[tuple[str, str]]:
        found = list(_series(named))
        for path, column in found:
            if path in self.rows:
                first = next(iter(self.rows[path]), {})
                if column not in first:
                    raise FieldMissing(column, first)
        return found


def rows_of(content: Any) -> list[Row]:
    """The rows of a file: a list of mappings, or those in a mapping, side by side.

    Lists whose mappings have different keys are no tables and left out. Not to be changed.
    """
    tables = []
    for table in _tables(content):
        keys = table[0].keys()
        if all(row.keys() <= keys for row in table):
            tables.append(table)
    if len(tables) == 1:
        return tables[0]
    rows: list[Row] = [{} for _ in range(max(map(len, tables), default=0))]
    for table in tables:
        for row, more in zip(rows, table, strict=False):
            row.update(more)
    return rows


def _tables(content: Any) -> Iterator[list[Row]]:
    """The lists of mappings in a value, outer ones first where they come first."""
    if isinstance(content, list):
        if content and all(isinstance(row, dict) for row in content):
            yield content
    elif isinstance(content, dict):
        for value in content.values():
            yield from _tables(value)


def _last_column(content: Any) -> str | None:
    table = next(_tables(content), None)
    return None if table is None else next(reversed(table[0]), None)


def _with_files(axis: Any, other: Any, name: str) -> dict[str, Any]:
    """{file: column or columns} of what may be a column alone: of each file of the other axis."""
    if axis is None or isinstance(axis, dict):
        return axis or {}
    if isinstance(other, dict):
        return {
            path: [axis] * len(columns) if isinstance(columns, list) else axis
            for path, columns in other.items()
        }
    return {name: axis}


def _series(named: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for path, columns in named.items():
        for column in columns if isinstance(columns, list) else [columns]:
            if isinstance(column, str):
                yield path, column


def _label(given: Any, named: Mapping[str, Any], several: str, none: str | None) -> Any:
    if given is not None:
        return given
    if not named:
        return none
    columns = {column for _, column in _series(named)}
    return next(iter(columns)) if len(columns) == 1 else several


def _short_names(paths: Sequence[str]) -> dict[str, str]:
    """Paths without the folders that all of them share; one alone stays what it is."""
    distinct = list(dict.fromkeys(paths))
    common = len(os.path.commonpath(distinct)) if len(distinct) > 1 else 0
    return {path: path[common:].strip("/\\") for path in distinct}


def _copy(source: Sequence[Row], target: Sequence[Row], column: str, name: str) -> None:
    for row, given in zip(target, source, strict=True):
        if column in given:
            row[name] = given[column]
