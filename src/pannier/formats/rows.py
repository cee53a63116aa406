"""Rows of a database as text: CSV with a line of names, or JSON, a list of maps.

What the database says is written as it is: a number with all of its digits, a date as ISO 8601 has
it, NULL as nothing (CSV) or null. Source: docs/formats.md, section 8; checked against real DVC.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from pannier.core.errors import PannierError
from pannier.core.typed import Any

CSV, JSON = "csv", "json"
Row = Sequence[Any]


def text_of(form: str, names: Sequence[str], blocks: Iterable[Sequence[Row]]) -> Iterator[bytes]:
    """A table in pieces, a block of rows each. form: CSV or JSON.

    Raises PannierError for bytes, and in JSON for two columns of one name.
    """
    return _csv(names, blocks) if form == CSV else _json(names, blocks)


def _csv(names: Sequence[str], blocks: Iterable[Sequence[Row]]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    for rows in blocks:
        writer.writerows([_cell(value, names[at]) for at, value in enumerate(row)] for row in rows)
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def _cell(value: Any, name: str) -> Any:
    if isinstance(value, dict | list):
        return json.dumps(_plain(value, name), ensure_ascii=False)
    if isinstance(value, float):
        return value if value == value else None  # what is no number is nothing, as in JSON
    if value is None or isinstance(value, str | int):
        return value
    return str(_plain(value, name))


def _json(names: Sequence[str], blocks: Iterable[Sequence[Row]]) -> Iterator[bytes]:
    if len(set(names)) != len(names):
        raise PannierError("two columns have one name", hint="name them in the query: AS ...")
    between = "["
    for rows in blocks:
        for row in rows:
            fields = {name: _plain(value, name) for name, value in zip(names, row, strict=True)}
            text = json.dumps(fields, separators=(",", ":"), allow_nan=False)
            yield (between + text.replace("/", "\\/")).encode()
            between = ","
    yield b"[]" if between == "[" else b"]"


def _plain(value: Any, name: str) -> Any:
    """A value as JSON has it. Raises PannierError for bytes."""
    if isinstance(value, bytes | bytearray | memoryview):
        raise PannierError(
            f"column '{name}' holds bytes, which no text can hold",
            hint="turn them into text in the query, as with hex(...)",
        )
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None  # JSON has no infinity
    if isinstance(value, dict):
        return {str(key): _plain(inner, name) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, name) for inner in value]
    if isinstance(value, Decimal):
        if value == value.to_integral_value():
            return int(value)
        number = float(value)
        return number if Decimal(repr(number)) == value else str(value)
    return str(value)
