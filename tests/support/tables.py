"""Small tables for tests, written by hand and by DuckDB."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

Row = Mapping[str, Any]


def write_table(path: Path, rows: Sequence[Row]) -> Path:
    """Writes rows as what the ending of path says. All rows have the columns of the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(rows[0])
    if path.suffix in (".jsonl", ".ndjson"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        scratch = path.with_suffix(".rows.jsonl")
        write_table(scratch, rows)
        with duckdb.connect() as connection:
            connection.execute(f"COPY (FROM read_json('{scratch}')) TO '{path}' (FORMAT parquet)")
        scratch.unlink()
    else:
        with open(path, "w", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerow(names)
            writer.writerows([row[name] for name in names] for row in rows)
    return path
