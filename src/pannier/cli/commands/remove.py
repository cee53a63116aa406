"""dvc remove."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.context import Context, Options
from pannier.cli.selection import root_cwd
from pannier.ops.remove import RemoveOptions, remove


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--outs", action="store_true", help="Remove outputs as well.")
    parser.add_argument("targets", nargs="+", help=".dvc files or stages from dvc.yaml to remove.")


def run(ctx: Context, opts: Options) -> int:
    options = RemoveOptions(cwd=root_cwd(ctx), outs=opts.outs)
    remove(ctx.project, opts.targets, options, ctx.confirm, ctx.ui.progress)
    return 0
