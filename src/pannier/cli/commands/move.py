"""dvc move."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.args import described
from pannier.cli.context import Context, Options
from pannier.cli.selection import root_cwd, shown_paths
from pannier.ops.move import MoveOptions, move

DESCRIPTION = described(
    "Rename or move a DVC controlled data file or a directory.\n"
    "It renames and modifies the corresponding .dvc file to reflect the changes.",
    "move",
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("src", help="Source path to a data file or directory.")
    parser.add_argument("dst", help="Destination path.")


def run(ctx: Context, opts: Options) -> int:
    options = MoveOptions(cwd=root_cwd(ctx))
    report = move(ctx.project, opts.src, opts.dst, options, ctx.ui.progress)
    if not report.staged and ctx.project.git is not None:
        ctx.ui.track_hint(shown_paths(ctx, report.to_commit))
    return 0
