"""dvc fetch."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.amounts import add_rate, positive
from pannier.cli.changes import counted
from pannier.cli.context import Context, Options
from pannier.cli.selection import add_expansion, add_remote, add_revisions, add_targets
from pannier.cli.table import FETCH_IMPORTS, load
from pannier.cli.transfers import add_run_cache, sync_options, tell_missing, telling_failures
from pannier.ops.sync import fetch


def add_arguments(parser: ArgumentParser) -> None:
    add_remote(parser)
    add_revisions(parser)
    add_expansion(parser)
    add_run_cache(parser)
    add_rate(parser)
    parser.add_argument(
        "--max-size", type=positive, metavar="<bytes>", help="Only outputs smaller than this."
    )
    parser.add_argument(
        "--type",
        action="append",
        choices=("metrics", "plots"),
        default=[],
        help="Only metrics or plots; repeatable.",
    )
    add_targets(parser, what="the download")


def run(ctx: Context, opts: Options) -> int:
    with telling_failures(ctx):
        report = fetch(ctx.project, opts.targets, sync_options(ctx, opts), ctx.ui.progress)
        failed = []
        if report.imports:
            failed = load(FETCH_IMPORTS).bring(ctx, opts, report, place=False).failed
    tell_missing(ctx, report)
    if report.transferred:
        ctx.ui.write(f"{counted(report.transferred)} fetched")
    elif not report.missing and not failed:
        ctx.ui.write("Everything is up to date.")
    return 1 if report.missing or failed else 0
