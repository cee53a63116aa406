"""dvc freeze."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.context import Context, Options
from pannier.cli.selection import root_cwd
from pannier.core.path import relative
from pannier.ops.freeze import FreezeOptions, freeze


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("targets", nargs="+", help="Stages or .dvc files to freeze")


def run(ctx: Context, opts: Options) -> int:
    return set_frozen(ctx, opts, frozen=True)


def set_frozen(ctx: Context, opts: Options, *, frozen: bool) -> int:
    options = FreezeOptions(cwd=root_cwd(ctx), frozen=frozen)
    for named in freeze(ctx.project, opts.targets, options):
        if named.name:
            file = relative(named.stages[0].file, options.cwd)
            ctx.ui.write(f"Modifying stage '{named.name}' in '{file}'")
    return 0
