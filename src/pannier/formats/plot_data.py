"""Files that plots are drawn from, to their content: tables and whatever holds some."""

from __future__ import annotations

import posixpath

from pannier.core.errors import InvalidFile
from pannier.core.plot_errors import NotPlottable
from pannier.core.plots import is_image
from pannier.core.typed import Any
from pannier.formats.values import load_any

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_VALUES = {".json", ".yaml", ".yml", ".toml", ".py"}


def check_kind(path: str) -> None:
    """Raises NotPlottable for a file whose ending says that there is nothing to be drawn."""
    ending = posixpath.splitext(path)[1]
    if not (is_image(path) or ending in _DELIMITERS or ending in _VALUES):
        raise NotPlottable(path)


def load(data: bytes, path: str) -> Any:
    """The content of a file by its ending; of an image its bytes. The cells of a table are texts,
    its columns named in its first line. Raises NotPlottable, InvalidFile."""
    return _load(data, path, has_header=True)


def load_without_header(data: bytes, path: str) -> Any:
    """The same, the columns of a table named '0', '1', ..."""
    return _load(data, path, has_header=False)


def _load(data: bytes, path: str, *, has_header: bool) -> Any:
    if is_image(path):
        return data
    ending = posixpath.splitext(path)[1]
    if ending in _DELIMITERS:
        return _table(data, path, _DELIMITERS[ending], has_header)
    check_kind(path)
    return load_any(data, path)


def _table(data: bytes, path: str, delimiter: str, has_header: bool) -> list[dict[Any, Any]]:
    import csv  # only tables need it
    import io

    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidFile(path, "it is not UTF-8") from None
    lines = io.StringIO(text.replace("\r\n", "\n").replace("\r", "\n"))
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error as error:
        raise InvalidFile(path, f"it is no table: {error}") from None
    if not rows:
        return []
    names = rows.pop(0) if has_header else [str(at) for at in range(len(rows[0]))]
    width = len(names)
    return [
        dict(zip(names, row, strict=True)) if len(row) == width else _uneven(names, row)
        for row in rows
    ]


def _uneven(names: list[str], row: list[str]) -> dict[Any, Any]:
    """A row with other than one cell for each column, as Python's own reader of tables has it."""
    cells: dict[Any, Any] = dict(zip(names, row, strict=False))
    cells.update(dict.fromkeys(names[len(row) :]))
    if len(row) > len(names):
        cells[None] = row[len(names) :]
    return cells
