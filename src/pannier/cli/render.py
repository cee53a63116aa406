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
    """A table as GitHub shows it, its columns as wide as DVC's."""
    widths, lines = _laid_out(head, rows)
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    shown = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([shown[0], rule, *shown[1:]])


def plain_table(head: list[str], rows: list[list[str]]) -> str:
    """A table without lines, its columns two apart."""
    return "\n".join("  ".join(line).rstrip() for line in _laid_out(head, rows)[1])


def _laid_out(head: list[str], rows: list[list[str]]) -> tuple[list[int], list[list[str]]]:
    """(width of each column, the lines' cells filled up to it): two more than the head's words at
    least. A cell of several lines makes as many."""
    cells = [[[title] for title in head], *([c.strip().split("\n") for c in row] for row in rows)]
    widths = [
        max(wide(title) + 2, *(wide(line) for row in cells[1:] for line in row[at]), 0)
        for at, title in enumerate(head)
    ]
    lines = [
        [
            _padded(cell[at] if at < len(cell) else "", width)
            for cell, width in zip(row, widths, strict=True)
        ]
        for row in cells
        for at in range(max(map(len, row), default=0))
    ]
    return widths, lines


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
