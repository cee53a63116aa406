"""dvc pull: fetch, then checkout."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.changes import changed_lines, counted, joined, totals
from pannier.cli.context import Context, Options
from pannier.cli.selection import add_targets, target_options
from pannier.cli.transfers import add_transfer, fetched, tell_missing
from pannier.core.path import relative
from pannier.ops.checkout import CheckoutOptions, checkout, raise_if_failed


def add_arguments(parser: ArgumentParser) -> None:
    add_transfer(parser)
    parser.add_argument("--glob", action="store_true", help="Targets are shell patterns.")
    parser.add_argument(
        "-f", "--force", action="store_true", help="Overwrite unsaved changes without asking."
    )
    parser.add_argument(
        "--allow-missing", action="store_true", help="Data that the remote lacks is no error."
    )
    add_targets(parser, what="the download")


def run(ctx: Context, opts: Options) -> int:
    came, sources = fetched(ctx, opts, place=True)
    if not opts.allow_missing:
        tell_missing(ctx, came.missing)
    options = CheckoutOptions(
        targets=target_options(ctx, opts), force=opts.force, allow_missing=opts.allow_missing
    )
    report = checkout(ctx.project, opts.targets, options, ctx.confirm, ctx.ui.progress)
    for path, count in sources.placed if sources is not None else ():
        report.added.append(relative(path, options.targets.cwd))
        report.files_added += count
    report.added.sort()
    for line in changed_lines(report):
        ctx.ui.write(line)
    parts = [f"{counted(came.transferred)} fetched"] if came.transferred else []
    parts += totals(report)
    raise_if_failed(report, options, fetched=True)
    if sources is not None and sources.failed and not opts.allow_missing:
        raise sources.failed[0][1]
    ctx.ui.write(joined(parts) or "Everything is up to date.")
    return 0
