"""dvc list-url, ls-url."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from pannier.cli.colours import NameColours
from pannier.cli.commands.list import lines_of
from pannier.cli.context import Context, Options
from pannier.cli.foreign import add_fs_config, project_around
from pannier.core.errors import PannierError
from pannier.ops.listing import Listing
from pannier.ops.listing_url import UrlListOptions, list_url
from pannier.project.urls import open_url


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("url", help="See `dvc import-url -h` for full list of supported URLs.")
    parser.add_argument("-R", "--recursive", action="store_true", help="Recursively list files.")
    parser.add_argument(
        "-T", "--tree", action="store_true", help="Recurse into directories as a tree."
    )
    parser.add_argument(
        "-L", "--level", type=int, metavar="depth", help="Limit the depth of recursion."
    )
    parser.add_argument("--size", action="store_true", help="Show sizes.")
    add_fs_config(parser)


def run(ctx: Context, opts: Options) -> int:
    if opts.level is not None and opts.level < 0:
        raise PannierError("--level must be at least 0")
    ctx.opened = project_around(ctx.cwd)
    options = UrlListOptions(opts.recursive, opts.tree, opts.level)
    origin = open_url(opts.url, ctx.opened, ctx.cwd, dict(opts.fs_config or ()))
    try:
        found = list_url(origin, ctx.cwd, options, ctx.ui.progress)
    finally:
        origin.close()
    if found.rows:
        colours = NameColours() if ctx.ui.has_colours else None
        shown = Namespace(size=opts.size, show_hash=False)
        ctx.ui.write("\n".join(lines_of(Listing(found.rows, found.levels), shown, colours)))
    return 0
