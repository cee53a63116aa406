"""dvc checkout."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.changes import changed_lines, joined, totals
from pannier.cli.context import Context, Options
from pannier.cli.selection import add_expansion, add_targets, target_options
from pannier.ops.checkout import CheckoutOptions, checkout, raise_if_failed


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--summary", action="store_true", help="Show totals instead of a list.")
    add_expansion(parser)
    parser.add_argument(
        "-f", "--force", action="store_true", help="Overwrite unsaved changes without asking."
    )
    parser.add_argument(
        "--relink", action="store_true", help="Make links of the kind that is configured now."
    )
    parser.add_argument(
        "--allow-missing", action="store_true", help="Data that is not in the cache is no error."
    )
    add_targets(parser, what="the checkout")


def run(ctx: Context, opts: Options) -> int:
    options = CheckoutOptions(
        targets=target_options(ctx, opts),
        force=opts.force,
        relink=opts.relink,
        allow_missing=opts.allow_missing,
    )
    report = checkout(ctx.project, opts.targets, options, ctx.confirm, ctx.ui.progress)
    if opts.summary:
        ctx.ui.write(joined(totals(report)) or "No changes.")
    else:
        for line in changed_lines(report):
            ctx.ui.write(line)
    raise_if_failed(report, options)
    if opts.relink:
        ctx.ui.write("Relinked successfully")
    return 0
