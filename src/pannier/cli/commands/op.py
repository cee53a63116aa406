"""dvc op: log."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser

from pannier.cli.amounts import positive
from pannier.cli.args import add_group
from pannier.cli.changes import joined
from pannier.cli.context import Context, Options
from pannier.core.typed import Any
from pannier.ops.op_log import Logged, op_log

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def add_arguments(parser: ArgumentParser) -> None:
    add = add_group(parser, "op")
    log = add("log", "Show what commands changed, the newest first.", _log, link=False)
    log.add_argument(
        "-n", "--number", type=positive, metavar="<number>", help="Show so many entries at most."
    )
    log.add_argument("--json", action="store_true", help="Show the entries as JSON.")


def run(ctx: Context, opts: Options) -> int:
    raise LookupError("every line of `op` names a sub-command with a function of its own")


def _log(ctx: Context, opts: Options) -> int:
    entries = list(op_log(ctx.project, opts.number, ctx.ui.progress))
    if opts.json:
        ctx.ui.write(json.dumps([_values(one) for one in entries]))
        return 0
    now = time.time()
    rows = [
        (str(one.entry.number), _age(now - one.entry.time_s), " ".join(one.entry.argv), _sum(one))
        for one in entries
    ]
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        ctx.ui.write("  ".join([*cells, row[3]]))
    return 0


def _values(one: Logged) -> dict[str, Any]:
    entry = one.entry
    return {
        "number": entry.number,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.time_s)),
        "command": list(entry.argv),
        "undoes": entry.undoes,
        "ended": entry.ended or "interrupted",
        "files": one.files,
        "outputs": one.outputs,
        "hooks": one.hooks,
        "kept_bytes": one.kept_bytes,
    }


def _age(seconds: float) -> str:
    """`3 hours ago`."""
    for size, unit in _UNITS:
        count = int(seconds // size)
        if count > 0:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "now"


def _sum(one: Logged) -> str:
    """`2 files and 1 output`, and what is special about the entry."""
    counts = ((len(one.files), "file"), (len(one.outputs), "output"), (len(one.hooks), "hook"))
    parts = [f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts if count]
    notes = [f"undo of {one.entry.undoes}"] if one.entry.undoes is not None else []
    if one.entry.ended != "done":
        notes.append(one.entry.ended or "interrupted")
    if one.kept_bytes:
        notes.append(f"{one.kept_bytes:,} bytes kept")
    return joined(parts) + (f" ({', '.join(notes)})" if notes else "")
