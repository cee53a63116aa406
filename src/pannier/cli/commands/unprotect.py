"""dvc unprotect."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.context import Context, Options
from pannier.cli.selection import root_cwd
from pannier.ops.unprotect import UnprotectOptions, unprotect


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("targets", nargs="+", help="Data files/directories to unprotect.")


def run(ctx: Context, opts: Options) -> int:
    unprotect(ctx.project, opts.targets, UnprotectOptions(root_cwd(ctx)), ctx.ui.progress)
    return 0
