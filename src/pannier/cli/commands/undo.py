"""dvc undo."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.amounts import positive
from pannier.cli.context import Context, Options
from pannier.cli.selection import root_cwd
from pannier.ops.undo import UndoOptions, named, undo

DESCRIPTION = (
    "Put back what the last command changed: data in the workspace, .dvc files, settings.\n"
    "Undoing an undo does it again. Nothing that was edited since is overwritten."
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "number", nargs="?", type=positive, help="Entry of `dvc op log`; default is the last one."
    )
    parser.add_argument(
        "--dry", action="store_true", help="Only show what would be put back; change nothing."
    )


def run(ctx: Context, opts: Options) -> int:
    options = UndoOptions(opts.number, opts.dry, root_cwd(ctx))
    report = undo(ctx.project, options, ctx.ui.progress)
    lines = [("M", report.modified), ("A", report.added), ("D", report.deleted)]
    for letter, names in lines:
        for name in names:
            ctx.ui.write(f"{letter}\t{name}".expandtabs())
    if report.objects:
        ctx.ui.write(f"Brought back {report.objects} objects of the cache.")
    if not any(names for _, names in lines) and not report.objects:
        ctx.ui.write(f"Nothing is left to undo of {named(report.entry)}.")
    else:
        ctx.ui.write(f"{'Would undo' if opts.dry else 'Undid'} {named(report.entry)}.")
    return 0
