"""dvc fetch."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.amounts import positive
from pannier.cli.changes import counted
from pannier.cli.context import Context, Options
from pannier.cli.selection import add_targets
from pannier.cli.transfers import add_transfer, fetched, tell_missing


def add_arguments(parser: ArgumentParser) -> None:
    add_transfer(parser)
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
    report, sources = fetched(ctx, opts, place=False)
    failed = sources is not None and sources.failed
    tell_missing(ctx, report.missing)
    if report.transferred:
        ctx.ui.write(f"{counted(report.transferred)} fetched")
    elif not report.missing and not failed:
        ctx.ui.write("Everything is up to date.")
    return 1 if report.missing or failed else 0
