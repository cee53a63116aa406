"""dvc import."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.context import Context, Options
from pannier.cli.foreign import add_config, add_jobs, add_revision, source_options
from pannier.cli.selection import root_cwd, shown_paths
from pannier.cli.transfers import telling_failures
from pannier.core.errors import PannierError
from pannier.core.source_errors import PathMissing
from pannier.formats.config_secrets import holds_secret
from pannier.ops.importing import ImportOptions, ImportReport
from pannier.ops.imports import import_data


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("url", help="Location of DVC or Git repository to download from")
    parser.add_argument("path", help="Path to a file or directory within the repository")
    parser.add_argument(
        "-o",
        "--out",
        nargs="?",
        metavar="<path>",
        help="Destination path to download files to",
    )
    parser.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="Override destination file or folder if exists.",
    )
    add_revision(parser)
    add_extent(parser)
    add_jobs(parser)
    add_config(parser)


def add_extent(parser: ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--no-exec",
        action="store_true",
        help="Only create .dvc file without actually importing target data.",
    )
    group.add_argument(
        "--no-download",
        action="store_true",
        help="Create .dvc file including target data hash value(s) but do not actually download"
        " the file(s).",
    )


def import_options(ctx: Context, opts: Options) -> ImportOptions:
    return ImportOptions(
        cwd=root_cwd(ctx),
        out=opts.out,
        force=opts.force,
        run=not opts.no_exec,
        download=not opts.no_download,
        jobs=opts.jobs,
    )


def tell(ctx: Context, report: ImportReport, url: str = "") -> None:
    if ctx.project.git is not None and holds_secret(url):
        ctx.ui.warn(
            f"'{report.pointer}' holds the secret in its URL, and what is committed to Git can be"
            " read by others"
        )
        ctx.ui.hint(
            "keep it in your own settings: a helper of Git's for repositories, else a remote, and"
            " import from 'remote://<name>/...'"
        )
    if not report.staged and ctx.project.git is not None:
        ctx.ui.track_hint(shown_paths(ctx, report.to_commit))


def run(ctx: Context, opts: Options) -> int:
    options = import_options(ctx, opts)
    given = source_options(opts)
    try:
        with telling_failures(ctx):
            report = import_data(ctx.project, opts.url, opts.path, given, options, ctx.ui.progress)
    except PannierError as error:
        words = f"failed to import '{opts.path}' from '{opts.url}'. - "
        ctx.ui.error(words + error.message, error.hint)
        return 255 if isinstance(error, PathMissing) else 1
    tell(ctx, report, opts.url)
    return 0
