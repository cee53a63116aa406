"""dvc unfreeze."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.commands.freeze import set_frozen
from pannier.cli.context import Context, Options


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("targets", nargs="+", help="Stages or .dvc files to unfreeze")


def run(ctx: Context, opts: Options) -> int:
    return set_frozen(ctx, opts, frozen=False)
