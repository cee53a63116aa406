"""dvc completion."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.complete import SHELLS, script, tree_of_commands
from pannier.cli.context import Context, Options

DESCRIPTION = (
    "Prints out shell tab completion scripts.\nDocumentation: <https://man.dvc.org/completion>"
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-s",
        "--shell",
        choices=SHELLS,
        default="bash",
        help="Shell syntax for completions.",
    )


def run(ctx: Context, opts: Options) -> int:
    ctx.ui.write(script(opts.shell, tree_of_commands(ctx.program)), end="")
    return 0
