"""dvc destroy."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.context import Context, Options
from pannier.core.errors import PannierError
from pannier.ops.destroy import destroy

_QUESTION = (
    "This will destroy all information about your pipelines, all data files, as well as cache in "
    ".dvc/cache.\nAre you sure you want to continue?"
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="Force destruction.")


def run(ctx: Context, opts: Options) -> int:
    if not opts.force and not ctx.ui.confirm(_QUESTION, anybody=True):
        raise PannierError(
            "cannot destroy without a confirmation from the user. Use `-f` to force."
        )
    destroy(ctx.project, ctx.ui.progress)
    return 0
