"""The options of `cache verify` and `remote verify`, and the way to what they load."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError

from pannier.cli import table
from pannier.cli.context import Context, Options


def add_verify(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--repair",
        action="store_true",
        help="Bring back what is wrong or missing from wherever a good copy is left.",
    )
    parser.add_argument(
        "--sample",
        type=percent,
        metavar="<percent>",
        help="Read only so many percent of the objects, others each time.",
    )
    parser.add_argument("--json", action="store_true", help="Print JSON.")


def percent(text: str) -> float:
    """A share as typed: '5%', '0.5' or '100'."""
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = 0.0
    if not 0 < value <= 100:
        raise ArgumentTypeError(f"'{text}' is no share between 0% and 100%")
    return value


def run_in_project(ctx: Context, opts: Options, command: table.Command) -> int:
    """Runs what only this sub-command of a command without a project loads."""
    ctx.opened = table.open_project(ctx.cwd)
    ctx.ui.mask.learn(ctx.opened.settings.secret_values())
    code: int = table.load(command).run(ctx, opts)
    return code
