"""dvc commit."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.context import Context, Options
from pannier.cli.selection import add_expansion, add_targets, root_cwd, target_options
from pannier.cli.sources import Sources
from pannier.core.path import relative
from pannier.ops.commit import CommitOptions, commit


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="Do not ask.")
    add_expansion(parser)
    parser.add_argument(
        "--no-relink", action="store_true", help="Leave the workspace's files as they are."
    )
    add_targets(parser, what="the commit")


def run(ctx: Context, opts: Options) -> int:
    options = CommitOptions(
        targets=target_options(ctx, opts),
        force=opts.force,
        relink=not opts.no_relink,
        measure_far=Sources(ctx).measure,
    )
    for path, is_new in commit(ctx.project, opts.targets, options, ctx.confirm, ctx.ui.progress):
        if path.endswith(".lock"):
            shown = relative(path, root_cwd(ctx))
            if is_new:
                ctx.ui.write(f"Generating lock file '{shown}'")
            ctx.ui.write(f"Updating lock file '{shown}'")
    return 0
