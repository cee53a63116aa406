"""Values to text: what several commands print in the same form."""

from __future__ import annotations

import json
from collections.abc import Iterable


def json_line(value: object) -> str:
    """JSON as DVC prints it: one line, Python's separators, ASCII."""
    return json.dumps(value)


def tabbed(cells: Iterable[str]) -> str:
    """Cells in columns eight wide, as a terminal shows tabs."""
    return "\t".join(cells).expandtabs()


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
