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
