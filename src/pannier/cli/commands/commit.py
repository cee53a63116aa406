"""dvc commit."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.context import Context, Options
from pannier.cli.selection import add_expansion, add_targets, target_options
from pannier.ops.commit import CommitOptions, commit


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="Do not ask.")
    add_expansion(parser)
    parser.add_argument(
        "--no-relink", action="store_true", help="Leave the workspace's files as they are."
    )
    add_targets(parser, what="the commit")


def run(ctx: Context, opts: Options) -> int:
    options = CommitOptions(
        targets=target_options(ctx, opts), force=opts.force, relink=not opts.no_relink
    )
    commit(ctx.project, opts.targets, options, ctx.confirm, ctx.ui.progress)
    return 0
