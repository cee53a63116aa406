"""Tables: which files are some, and what changed in one."""

from __future__ import annotations

import posixpath

from pannier.core.record import dataclass, field

CSV, TSV, JSON_LINES, PARQUET = "csv", "tsv", "jsonl", "parquet"
KINDS = {
    ".csv": CSV,
    ".tsv": TSV,
    ".tab": TSV,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".parquet": PARQUET,
    ".pq": PARQUET,
}


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """key, old, new: column -> text, None for an empty cell; old and new hold what differs."""

    key: dict[str, str | None]
    old: dict[str, str | None]
    new: dict[str, str | None]


@dataclass(slots=True)
class TableChanges:
    """What changed in one table. Counts are exact; the rows are the first few of each kind.

    columns_changed: (name, old type, new type). rows_changed: 0 without a key, for then a changed
    row is one removed and one added. Only columns that both versions have are compared.
    """

    old_rows: int = 0
    new_rows: int = 0
    columns_added: list[Column] = field(default_factory=list)
    columns_removed: list[Column] = field(default_factory=list)
    columns_changed: list[tuple[str, str, str]] = field(default_factory=list)
    rows_added: int = 0
    rows_removed: int = 0
    rows_changed: int = 0
    added: list[dict[str, str | None]] = field(default_factory=list)
    removed: list[dict[str, str | None]] = field(default_factory=list)
    changed: list[ChangedRow] = field(default_factory=list)


def kind_of(path: str) -> str | None:
    """Which kind of table a path names by its ending; None for what is no table."""
    return KINDS.get(posixpath.splitext(path)[1].lower())
