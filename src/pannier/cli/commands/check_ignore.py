"""dvc check-ignore."""

from __future__ import annotations

import argparse
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator

from pannier.cli.context import Context, Options
from pannier.cli.selection import root_cwd
from pannier.core.errors import PannierError
from pannier.ops.ignoring import Verdict, check_ignored


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-d",
        "--details",
        action="store_true",
        help="Show the exclude patterns along with each target path.",
    )
    parser.add_argument("-a", "--all", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "-n",
        "--non-matching",
        action="store_true",
        help="Include the target paths which don't match any pattern in the `--details` list.",
    )
    parser.add_argument(
        "--stdin",
        action="store_true",
        help="Read paths from standard input instead of providing `targets`.",
    )
    parser.add_argument("targets", nargs="*", help="File or directory paths to check")


def run(ctx: Context, opts: Options) -> int:
    _refuse(ctx, opts)
    matched = False
    targets: Iterable[str] = _typed() if opts.stdin else opts.targets
    for verdict in check_ignored(ctx.project, root_cwd(ctx), targets):
        matched = matched or _counts(verdict, opts)
        for line in _lines(verdict, opts):
            ctx.ui.write(line)
        if opts.stdin:
            ctx.ui.flush()  # somebody may type, or wait for each answer
    return 0 if matched else 1


def _refuse(ctx: Context, opts: Options) -> None:
    if not opts.targets and not opts.stdin:
        raise PannierError("`targets` or `--stdin` needed", hint="dvc check-ignore <path>...")
    if opts.targets and opts.stdin:
        raise PannierError("cannot have both `targets` and `--stdin`")
    for given, option in ((opts.non_matching, "--non-matching"), (opts.all, "--all")):
        if given and not opts.details:
            raise PannierError(f"`{option}` is only valid with `--details`")
    if ctx.ui.quiet and opts.details:
        raise PannierError("cannot use both `--details` and `--quiet`")


def _typed() -> Iterator[str]:
    """Paths from standard input, one a line; an empty line ends them."""
    for line in sys.stdin:
        path = line.rstrip("\n")
        if not path:
            return
        yield path


def _counts(verdict: Verdict, opts: Options) -> bool:
    """With details, a pattern that takes a path back is an answer too."""
    return verdict.pattern is not None and (opts.details or not verdict.is_taken_back)


def _lines(verdict: Verdict, opts: Options) -> Iterator[str]:
    if not opts.details:
        if _counts(verdict, opts):
            yield verdict.target
    elif verdict.pattern is not None:
        yield f"{verdict.pattern}\t{verdict.target}"
    elif opts.non_matching:
        yield f"::\t{verdict.target}"
