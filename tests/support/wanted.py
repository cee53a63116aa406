"""The wanted differences from real DVC, as docs/compat.md lists them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tests.support.programs import REPOSITORY

COLUMNS = ("id", "command", "DVC 3.67.1", "Pannier", "why")


@dataclass(frozen=True, slots=True)
class Difference:
    """One row: what real DVC does, what we do instead, and why."""

    id: str
    command: str
    theirs: str
    ours: str
    why: str


@cache
def wanted_differences() -> dict[str, Difference]:
    """The rows of every table in docs/compat.md whose head is `| id | command | ... |`."""
    rows: dict[str, Difference] = {}
    inside = False
    page = REPOSITORY / "docs" / "compat.md"
    for line in page.read_text().splitlines() if page.exists() else []:
        if not line.startswith("|"):
            inside = False
            continue
        cells = tuple(cell.strip() for cell in line.replace("\\|", "\0").strip("|").split("|"))
        if cells == COLUMNS:
            inside = True
        elif inside and not set(cells[0]) <= set("-: "):
            assert len(cells) == len(COLUMNS), f"docs/compat.md: not {len(COLUMNS)} cells: {line}"
            row = Difference(cells[0].strip("`"), *(c.replace("\0", "|") for c in cells[1:]))
            assert row.id not in rows, f"docs/compat.md: '{row.id}' is there twice"
            rows[row.id] = row
    return rows


def is_wanted(id_: str) -> bool:
    """Tells whether docs/compat.md lists the difference; a test may then allow for it."""
    return id_ in wanted_differences()
