"""dvc import-db."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.commands.import_ import tell
from pannier.cli.context import Context, Options
from pannier.cli.selection import root_cwd
from pannier.cli.transfers import telling_failures
from pannier.formats.rows import CSV, JSON
from pannier.ops.import_db import import_db
from pannier.ops.importing import ImportOptions
from pannier.store.databases import Question


def add_arguments(parser: ArgumentParser) -> None:
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--sql", metavar="sql", help="SQL query to snapshot")
    asked.add_argument("--table", metavar="table", help="Table to snapshot")
    parser.add_argument(
        "--output-format",
        nargs="?",
        const=CSV,
        default=CSV,
        choices=(CSV, JSON),
        help="Export format",
    )
    parser.add_argument(
        "-o", "--out", nargs="?", metavar="<path>", help="Destination path to download files to"
    )
    parser.add_argument(
        "-f", "--force", action="store_true", help="Override destination file or folder if exists."
    )
    parser.add_argument(
        "--conn",
        required=True,
        metavar="conn",
        help="Database connection to use, needs to be set in config",
    )


def run(ctx: Context, opts: Options) -> int:
    options = ImportOptions(cwd=root_cwd(ctx), out=opts.out, force=opts.force)
    question = Question(opts.output_format, opts.sql, opts.table)
    with telling_failures(ctx):
        report = import_db(ctx.project, opts.conn, question, options, ctx.ui.progress)
    tell(ctx, report)
    return 0
