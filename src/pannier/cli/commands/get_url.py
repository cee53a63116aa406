"""dvc get-url."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.context import Context, Options
from pannier.cli.foreign import add_fs_config, add_jobs, project_around
from pannier.cli.transfers import telling_failures
from pannier.core.errors import PannierError
from pannier.ops.get_url import GetUrlOptions, get_url


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("url", help="See `dvc import-url -h` for full list of supported URLs.")
    parser.add_argument("out", nargs="?", help="Destination path to put data to.")
    add_jobs(parser)
    parser.add_argument(
        "-f", "--force", action="store_true", help="Override local file or folder if exists."
    )
    add_fs_config(parser)


def run(ctx: Context, opts: Options) -> int:
    ctx.opened = project_around(ctx.cwd)
    options = GetUrlOptions(
        cwd=ctx.cwd,
        out=opts.out,
        force=opts.force,
        jobs=opts.jobs,
        fs_config=dict(opts.fs_config or ()),
    )
    try:
        with telling_failures(ctx):
            get_url(opts.url, ctx.opened, options, ctx.ui.progress)
    except PannierError as error:
        ctx.ui.error(f"failed to get '{opts.url}' - {error.message}", error.hint)
        return 1
    return 0
