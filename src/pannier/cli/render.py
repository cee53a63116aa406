"""Values to text: what several commands print in the same form."""

from __future__ import annotations

from collections.abc import Iterable


def json_line(value: object) -> str:
    """JSON as DVC prints it: one line, Python's separators, ASCII."""
    import json

    return json.dumps(value)


def tabbed(cells: Iterable[str]) -> str:
    """Cells in columns eight wide, as a terminal shows tabs."""
    return "\t".join(cells).expandtabs()


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table as GitHub shows it, its columns as wide as DVC's: two more than the head's words."""
    widths = [
        max(wide(title) + 2, *(wide(row[at]) for row in rows), 0) for at, title in enumerate(head)
    ]
    lines = [
        "| " + " | ".join(_padded(cell, n) for cell, n in zip(row, widths, strict=True)) + " |"
        for row in (head, *rows)
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def wide(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - wide(cell))


def short_size(size_bytes: int) -> str:
    """A size in three digits, as DVC shows it: 1023, 4.00k, 10.0k, 100k, 0.98M."""
    if size_bytes < 1024:
        return str(size_bytes)
    value = float(size_bytes)
    for unit in ("", "k", "M", "G", "T", "P", "E", "Z"):
        if value < 999.5:
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{digits}f}{unit}"
        value /= 1024
    return f"{value:3.1f}Y"
