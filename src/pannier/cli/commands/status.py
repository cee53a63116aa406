"""dvc status."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.context import Context, Options
from pannier.cli.render import json_line
from pannier.cli.selection import (
    add_expansion,
    add_remote,
    add_revisions,
    add_targets,
    target_options,
)
from pannier.cli.sources import Sources
from pannier.cli.table import CLOUD_STATUS, load
from pannier.core.errors import PannierError
from pannier.core.typed import Any
from pannier.ops.status import StatusOptions, status

_NO_STAGES = (
    "There are no data or pipelines tracked in this project yet.\n"
    "See <https://dvc.org/doc/start> to get started!"
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-c", "--cloud", action="store_true", help="Compare the cache with the remote."
    )
    add_remote(parser)
    add_revisions(parser)
    add_expansion(parser)
    parser.add_argument("--json", action="store_true", help="Print JSON.")
    parser.add_argument(
        "--no-updates", action="store_true", help="Do not contact the sources of imports."
    )
    add_targets(parser, what="the status")


def run(ctx: Context, opts: Options) -> int:
    if opts.cloud or opts.remote:
        # Only here is a transport needed, and what it imports.
        code: int = load(CLOUD_STATUS).run(ctx, opts)
        return code
    _refuse_cloud_options(opts)
    ask = None if opts.no_updates else Sources(ctx).ask
    options = StatusOptions(targets=target_options(ctx, opts), ask_source=ask)
    report = status(ctx.project, opts.targets, options, ctx.ui.progress)
    if opts.json:
        ctx.ui.write(json_line(report.changes))
    elif report.changes:
        _write_tree(ctx, report.changes, 0)
    elif not report.stages:
        ctx.ui.write(_NO_STAGES)
    else:
        ctx.ui.write("Data and pipelines are up to date.")
    return 1 if ctx.ui.quiet and report.changes else 0


def _refuse_cloud_options(opts: Options) -> None:
    given = [
        option
        for option, value in (
            ("--all-branches", opts.all_branches),
            ("--all-tags", opts.all_tags),
            ("--all-commits", opts.all_commits),
            ("--jobs", opts.jobs),
        )
        if value
    ]
    if given:
        raise PannierError(
            "The following options are meaningless for local status: " + ", ".join(given)
        )


def _write_tree(ctx: Context, value: Any, depth: int) -> None:
    """The tree of changes as text: one tab a level, states padded to 20 columns."""
    tabs = "\t" * depth
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str):
                ctx.ui.write(f"{tabs}{inner + ':':<20}{key}")
            else:
                ctx.ui.write(f"{tabs}{key}:")
                _write_tree(ctx, inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _write_tree(ctx, inner, depth)
    else:
        ctx.ui.write(f"{tabs}{value}")
