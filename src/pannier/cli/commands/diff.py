"""dvc diff."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError

from pannier.cli.context import Context, Options
from pannier.cli.render import json_line, markdown
from pannier.cli.selection import root_cwd
from pannier.cli.table import TABLE_DIFF, load
from pannier.core.diff import Entry, Pair
from pannier.core.errors import PannierError
from pannier.core.typed import Any
from pannier.ops.diff import DiffOptions, DiffReport, diff
from pannier.project.sides import Range

_SHORT = 8
_STATES = ("added", "deleted", "renamed", "modified", "not in cache")
_JSON_STATES = ("added", "deleted", "modified", "renamed", "not in cache")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--targets", nargs="*", default=[], metavar="<paths>", help="Only these tracked paths."
    )
    parser.add_argument("--json", action="store_true", help="Print JSON.")
    parser.add_argument("--show-hash", action="store_true", help="Also print digests.")
    parser.add_argument("--md", action="store_true", help="Print a Markdown table.")
    parser.add_argument(
        "--hide-missing", action="store_true", help="Do not tell what the cache lacks."
    )
    parser.add_argument("--data", action="store_true", help="Compare changed tables row by row.")
    parser.add_argument(
        "--key", metavar="<columns>", help="With --data: what names a row, with commas between."
    )
    parser.add_argument(
        "--rows",
        type=_count,
        metavar="<number>",
        help="With --data: rows to show of each kind (default: 10).",
    )
    parser.add_argument("a_rev", nargs="?", default="HEAD", help="Old revision (default: HEAD).")
    parser.add_argument("b_rev", nargs="?", help="New revision (default: the workspace).")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"'{text}' is no whole number")
    return int(text)


def run(ctx: Context, opts: Options) -> int:
    if opts.data:
        # Only here is a table reader needed, and what it imports.
        opts.rows = 10 if opts.rows is None else opts.rows
        code: int = load(TABLE_DIFF).run(ctx, opts)
        return code
    if opts.key is not None or opts.rows is not None:
        raise PannierError(
            "--key and --rows are about the rows of tables", hint="add --data to compare tables"
        )
    wanted = Range(opts.a_rev, opts.b_rev, tuple(opts.targets), root_cwd(ctx))
    report = diff(ctx.project, DiffOptions(wanted, opts.hide_missing), ctx.ui.progress)
    if opts.json:
        ctx.ui.write(json_line(_as_json(report, opts.show_hash)))
    elif opts.md:
        ctx.ui.write(_as_markdown(report, opts.show_hash))
    elif report:
        ctx.ui.write(_as_text(report, opts.show_hash))
    return 0


def _by_state(report: DiffReport) -> dict[str, list[Entry] | list[Pair]]:
    changes = report.changes
    return {
        "added": changes.added,
        "deleted": changes.deleted,
        "renamed": changes.renamed,
        "modified": changes.modified,
        "not in cache": report.not_in_cache or [],
    }


# -- JSON ----


def _as_json(report: DiffReport, show_hash: bool) -> dict[str, list[dict[str, Any]]]:
    if not report:
        return {}
    states = _by_state(report)
    return {
        state: [_json_of(item, state, show_hash) for item in states[state]]
        for state in _JSON_STATES
        if state != "not in cache" or report.not_in_cache is not None
    }


def _json_of(item: Entry | Pair, state: str, show_hash: bool) -> dict[str, Any]:
    if isinstance(item, Entry):
        return {"path": item.shown, "hash": item.hex} if show_hash else {"path": item.shown}
    old, new = item
    path: Any = {"old": old.shown, "new": new.shown} if state == "renamed" else old.shown
    digest: Any = new.hex if state == "renamed" else {"old": old.hex, "new": new.hex}
    return {"path": path, "hash": digest} if show_hash else {"path": path}


# -- text and tables ----


def _path_of(item: Entry | Pair, state: str) -> str:
    if isinstance(item, Entry):
        return item.shown
    return f"{item.old.shown} -> {item.new.shown}" if state == "renamed" else item.old.shown


def _hash_of(item: Entry | Pair, state: str) -> str:
    if isinstance(item, Entry):
        return _short(item.hex)
    if state == "renamed":
        return _short(item.new.hex)
    return f"{_short(item.old.hex)}..{_short(item.new.hex)}"


def _short(hex_: str | None) -> str:
    return "-" if hex_ is None else hex_[:_SHORT]


def _as_markdown(report: DiffReport, show_hash: bool) -> str:
    head = ["Status", "Hash", "Path"] if show_hash else ["Status", "Path"]
    rows = [
        [state, _hash_of(item, state), _path_of(item, state)]
        if show_hash
        else [state, _path_of(item, state)]
        for state, items in _by_state(report).items()
        for item in items
    ]
    return markdown(head, rows) + "\n"


def _as_text(report: DiffReport, show_hash: bool) -> str:
    blocks: list[str] = []
    totals: list[str] = []
    for state, items in _by_state(report).items():
        if not items:
            continue
        lines = [
            f"    {_hash_of(item, state)}  {_path_of(item, state)}"
            if show_hash
            else f"    {_path_of(item, state)}"
            for item in items
        ]
        blocks.append("\n".join([f"{state.capitalize()}:", *lines]) + "\n")
        files = sum(not _is_dir(item) for item in items)
        if files:
            totals.append(f"{files} {state}")
    text = "\n".join(blocks)
    return f"{text}\nfiles summary: {', '.join(totals)}" if totals else text


def _is_dir(item: Entry | Pair) -> bool:
    return item.is_dir if isinstance(item, Entry) else item.old.is_dir
