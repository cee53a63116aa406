"""dvc get."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.context import Context, Options
from pannier.cli.foreign import add_config, add_jobs, add_revision, source_options
from pannier.cli.transfers import telling_failures
from pannier.core.errors import PannierError, SourceError
from pannier.core.source_errors import PathMissing
from pannier.ops.get import GetOptions, get, storage_url


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("url", help="Location of DVC or Git repository to download from")
    parser.add_argument("path", help="Path to a file or directory within the repository")
    add_revision(parser)
    add_destination(parser, "files")
    add_jobs(parser)
    parser.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="Override local file or folder if exists.",
    )
    add_config(parser)


def add_destination(parser: ArgumentParser, what: str) -> None:
    parser.add_argument(
        "-o",
        "--out",
        nargs="?",
        metavar="<path>",
        help=f"Destination path to download {what} to",
    )
    parser.add_argument(
        "--show-url",
        action="store_true",
        help="Print the storage location (URL) the target data would be downloaded from, and exit.",
    )


def run(ctx: Context, opts: Options) -> int:
    options = GetOptions(
        cwd=ctx.cwd,
        source=source_options(opts),
        out=opts.out,
        force=opts.force,
        jobs=opts.jobs,
    )
    if opts.show_url:
        ctx.ui.write(storage_url(opts.url, opts.path, options, ctx.ui.progress))
        return 0
    try:
        with telling_failures(ctx):
            get(opts.url, opts.path, options, ctx.ui.progress)
    except PannierError as error:
        origin = "" if isinstance(error, SourceError) else f" from '{opts.url}'"
        ctx.ui.error(f"failed to get '{opts.path}'{origin} - {error.message}", error.hint)
        return 255 if isinstance(error, PathMissing) else 1
    return 0
