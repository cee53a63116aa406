"""dvc import-url."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.commands.import_ import add_extent, import_options, tell
from pannier.cli.context import Context, Options
from pannier.cli.foreign import add_fs_config, add_jobs
from pannier.cli.transfers import telling_failures
from pannier.core.errors import PannierError
from pannier.core.typed import Any
from pannier.ops.import_url import UrlOptions, import_url
from pannier.project.urls import version_in


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "url",
        help="Location of the data to download: a path, s3://bucket/key,"
        " remote://remote_name/path/to/file/or/dir (see `dvc remote`)",
    )
    parser.add_argument("out", nargs="?", help="Destination path to put files to.")
    parser.add_argument(
        "--to-remote", action="store_true", help="Download it directly to the remote"
    )
    parser.add_argument("-r", "--remote", metavar="<name>", help="Remote storage to download to")
    add_extent(parser)
    add_jobs(parser)
    parser.add_argument(
        "-f", "--force", action="store_true", help="Override local file or folder if exists."
    )
    parser.add_argument(
        "--version-aware",
        action="store_true",
        help="Import using cloud versioning. Implied if the specified URL contains a version ID.",
    )
    add_fs_config(parser)


def run(ctx: Context, opts: Options) -> int:
    if opts.to_remote and (opts.no_exec or opts.no_download or opts.version_aware):
        raise PannierError(
            "--no-exec/--no-download/--version-aware cannot be combined with --to-remote"
        )
    if opts.remote and not opts.to_remote:
        raise PannierError("--remote can't be used without --to-remote")
    fs_config: dict[str, Any] = dict(opts.fs_config or ())
    if opts.version_aware or version_in(opts.url)[1]:
        fs_config["version_aware"] = True
    given = UrlOptions(fs_config, opts.to_remote, opts.remote)
    with telling_failures(ctx):
        report = import_url(
            ctx.project, opts.url, given, import_options(ctx, opts), ctx.ui.progress
        )
    tell(ctx, report, opts.url)
    return 0
