"""Values and how they differ, as tables and JSON: what `metrics` and `params` print."""

from __future__ import annotations

from collections.abc import Mapping

from pannier.cli.context import Context
from pannier.cli.render import json_line, markdown, plain_table
from pannier.core.errors import InvalidFile, PannierError
from pannier.core.plot_errors import PlotError
from pannier.core.reading_errors import PathMissing
from pannier.core.typed import Any
from pannier.core.value_diff import Change
from pannier.project.values import Difference, Reading

PRECISION = 5
_NOTHING = "-"


def tell_failed(ctx: Context, readings: Mapping[str, Reading], what: str) -> None:
    """Names the revisions of which not all could be read; with -v, why."""
    for name, reading in readings.items():
        if reading.error is not None:
            ctx.ui.warn(f"failed to load {what} in revision '{name}', {reading.error.message}")
        for value in reading.files.values():
            if isinstance(value, PannierError):
                ctx.ui.debug(f"in revision '{name}': {value.message}")
    failed = [name for name, reading in readings.items() if not reading.is_whole]
    if failed:
        ctx.ui.plain_error(
            f"DVC failed to load some metrics for following revisions: '{', '.join(failed)}'."
        )


def write_table(ctx: Context, head: list[str], rows: list[list[str]], *, md: bool) -> None:
    """A table, if it has rows; in Markdown with an empty line behind."""
    if rows:
        ctx.ui.write(markdown(head, rows) + "\n" if md else plain_table(head, rows))


def write_difference(
    ctx: Context,
    found: Difference,
    revisions: tuple[str, str],
    *,
    title: str,
    form: str,
    has_path: bool,
    precision: int | None,
    has_change: bool,
) -> None:
    """form: "json", "md" or "text". precision: digits behind the point; None as they are."""
    tell_failed(ctx, found.readings, "params" if title == "Param" else "metrics")
    changes = {ctx.shown(path): change for path, change in found.changes.items()}
    if form == "json":
        ctx.ui.write(json_line(changes))
        return
    keep = [has_path, True, True, True, has_change]
    rows = [
        [path, str(name), *_cells(change, precision)]
        for path, of_file in changes.items()
        for name, change in sorted(of_file.items(), key=lambda item: str(item[0]))
    ]
    head = ["Path", title, *revisions, "Change"]
    write_table(
        ctx,
        [cell for cell, kept in zip(head, keep, strict=True) if kept],
        [[cell for cell, kept in zip(row, keep, strict=True) if kept] for row in rows],
        md=form == "md",
    )


def _cells(change: Change, precision: int | None) -> list[str]:
    return [cell(change.get(key), precision) for key in ("old", "new", "diff")]


def cell(value: Any, precision: int | None) -> str:
    """A value as a table shows it: numbers rounded, '-' for none."""
    return _NOTHING if value is None else str(_rounded(value, precision))


def _rounded(value: Any, precision: int | None) -> Any:
    if isinstance(value, float) and precision is not None:
        return round(value, precision)
    if isinstance(value, Mapping):
        return {key: _rounded(item, precision) for key, item in value.items()}
    return value


_CORRUPT = {".json": "JSON", ".toml": "TOML", ".py": "Python"}


def as_failure(error: PannierError, path: str) -> dict[str, str]:
    """An error as DVC's JSON has it: {"type": ..., "msg": ...}."""
    if isinstance(error, InvalidFile):
        ending = path[path.rfind(".") :].lower() if "." in path else ""
        kind = _CORRUPT.get(ending, "YAML")
        said = f"unable to read: '{path}', {kind} file structure is corrupted"
        return {"type": f"{kind}FileCorruptedError", "msg": said}
    if isinstance(error, PathMissing):
        why = "No storage files available" if error.is_recorded else "No such file or directory"
        return {"type": "FileNotFoundError", "msg": f"[Errno 2] {why}: '{error.path}'"}
    name = error.name if isinstance(error, PlotError) else type(error).__name__
    return {"type": name, "msg": error.message}
