"""dvc update."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.context import Context, Options
from pannier.cli.foreign import add_jobs
from pannier.cli.selection import target_options
from pannier.cli.transfers import telling_failures
from pannier.core.errors import PannierError
from pannier.ops.update import UpdateOptions, update


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("targets", nargs="+", help=".dvc files to update.")
    parser.add_argument(
        "--rev", nargs="?", metavar="<commit>", help="Git revision (e.g. SHA, branch, tag)"
    )
    parser.add_argument(
        "-R",
        "--recursive",
        action="store_true",
        help="Update all stages in the specified directory.",
    )
    parser.add_argument(
        "--no-download",
        action="store_true",
        help="Update .dvc file git revision/hash value(s) but do not download the file(s).",
    )
    parser.add_argument(
        "--to-remote", action="store_true", help="Update data directly on the remote"
    )
    parser.add_argument(
        "-r", "--remote", metavar="<name>", help="Remote storage to perform updates to"
    )
    add_jobs(parser)


def run(ctx: Context, opts: Options) -> int:
    if opts.to_remote and opts.no_download:
        raise PannierError("--to-remote can't be used with --no-download")
    if opts.remote and not opts.to_remote:
        raise PannierError("--remote can't be used without --to-remote")
    options = UpdateOptions(
        targets=target_options(ctx, opts),
        rev=opts.rev,
        download=not opts.no_download,
        to_remote=opts.to_remote,
        remote=opts.remote,
        jobs=opts.jobs,
    )
    with telling_failures(ctx):
        update(ctx.project, opts.targets, options, ctx.confirm, ctx.ui.progress)
    return 0
