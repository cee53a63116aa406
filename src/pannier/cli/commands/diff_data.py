"""dvc diff --data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from pannier.cli.context import Context, Options
from pannier.cli.render import json_line, markdown
from pannier.cli.selection import root_cwd
from pannier.core.typed import Any
from pannier.ops.table_diff import TableDiff, TableDiffOptions, TableDiffReport, table_diff
from pannier.project.sides import Range


def run(ctx: Context, opts: Options) -> int:
    wanted = Range(opts.a_rev, opts.b_rev, tuple(opts.targets), root_cwd(ctx))
    key = tuple(name for name in (opts.key or "").split(",") if name)
    report = table_diff(ctx.project, TableDiffOptions(wanted, key, opts.rows), ctx.ui.progress)
    if opts.json:
        ctx.ui.write(json_line(_as_json(report, keyed=bool(key))))
    elif opts.md:
        ctx.ui.write(_as_markdown(report, keyed=bool(key)) + "\n")
    else:
        for line in _as_text(report, keyed=bool(key)):
            ctx.ui.write(line)
    return 0


def _as_json(report: TableDiffReport, *, keyed: bool) -> dict[str, Any]:
    return {
        "tables": [_table_json(table, keyed) for table in report.tables],
        "other": report.other,
    }


def _table_json(table: TableDiff, keyed: bool) -> dict[str, Any]:
    found = table.changes
    sample: dict[str, Any] = {"added": found.added, "removed": found.removed}
    if keyed:
        sample["changed"] = [{"key": r.key, "old": r.old, "new": r.new} for r in found.changed]
    return {
        "path": table.path,
        "state": table.state,
        "rows": {
            "old": found.old_rows,
            "new": found.new_rows,
            "added": found.rows_added,
            "removed": found.rows_removed,
            "changed": found.rows_changed if keyed else None,
        },
        "columns": {
            "added": [{"name": c.name, "type": c.type} for c in found.columns_added],
            "removed": [{"name": c.name, "type": c.type} for c in found.columns_removed],
            "changed": [
                {"name": name, "old": old, "new": new} for name, old, new in found.columns_changed
            ],
        },
        "sample": sample,
    }


def _columns(table: TableDiff) -> str:
    found = table.changes
    parts = [f"+{_cell(c.name)} ({c.type})" for c in found.columns_added]
    parts += [f"-{_cell(c.name)} ({c.type})" for c in found.columns_removed]
    parts += [f"{_cell(name)} ({old} -> {new})" for name, old, new in found.columns_changed]
    return ", ".join(parts)


def _as_markdown(report: TableDiffReport, *, keyed: bool) -> str:
    head = ["File", "Status", "Rows added", "Rows removed", "Rows changed", "Columns"]
    rows = [
        [
            table.path,
            table.state,
            str(table.changes.rows_added),
            str(table.changes.rows_removed),
            str(table.changes.rows_changed) if keyed else "-",
            _columns(table),
        ]
        for table in report.tables
    ]
    return markdown(head, [[_cell(cell).replace("|", "\\|") for cell in row] for row in rows])


def _as_text(report: TableDiffReport, *, keyed: bool) -> Iterator[str]:
    for table in report.tables:
        found = table.changes
        counts = [f"{_rows(found.rows_added)} added", f"{_rows(found.rows_removed)} removed"]
        counts += [f"{_rows(found.rows_changed)} changed"] if keyed else []
        state = "" if table.state == "modified" else f" ({table.state})"
        yield f"{_cell(table.path)}{state}: {', '.join(counts)}; {found.new_rows} now"
        if columns := _columns(table):
            yield f"    columns: {columns}"
        yield from (f"    + {_row(row)}" for row in found.added)
        yield from _more(found.rows_added - len(found.added), "+")
        yield from (f"    - {_row(row)}" for row in found.removed)
        yield from _more(found.rows_removed - len(found.removed), "-")
        for changed in found.changed:
            cells = ", ".join(
                f"{_cell(name)}: {_cell(changed.old[name])} -> {_cell(changed.new[name])}"
                for name in changed.old
            )
            yield f"    ~ {_row(changed.key)}: {cells}"
        yield from _more(found.rows_changed - len(found.changed), "~")
    if report.other:
        count = f"{len(report.other)} other {'file' if len(report.other) == 1 else 'files'}"
        yield f"{count} changed, no tables; 'dvc diff' lists them"


def _more(count: int, mark: str) -> Iterator[str]:
    if count > 0:
        yield f"    {mark} ... {count} more"


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"


def _row(row: Mapping[str, str | None]) -> str:
    return ", ".join(f"{_cell(name)}={_cell(value)}" for name, value in row.items())


def _cell(value: str | None) -> str:
    """A value on one line, whatever is in it: a table is input from strangers."""
    if value is None:
        return "(nothing)"
    return value if value.isprintable() else json.dumps(value)
