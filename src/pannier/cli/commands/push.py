"""dvc push."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.changes import counted
from pannier.cli.context import Context, Options
from pannier.cli.selection import add_expansion, add_remote, add_revisions, add_targets
from pannier.cli.transfers import add_run_cache, sync_options, tell_missing, telling_failures
from pannier.ops.sync import push


def add_arguments(parser: ArgumentParser) -> None:
    add_remote(parser)
    add_revisions(parser)
    add_expansion(parser)
    add_run_cache(parser)
    parser.add_argument("--glob", action="store_true", help="Targets are shell patterns.")
    add_targets(parser, what="the upload")


def run(ctx: Context, opts: Options) -> int:
    with telling_failures(ctx):
        report = push(ctx.project, opts.targets, sync_options(ctx, opts), ctx.ui.progress)
    tell_missing(ctx, report)
    if report.transferred:
        ctx.ui.write(f"{counted(report.transferred)} pushed")
    elif not report.missing:
        ctx.ui.write("Everything is up to date.")
    return 1 if report.missing else 0
