"""The part of dvc fetch and pull that asks the sources of imports."""

from __future__ import annotations

from pannier.cli.context import Context, Options
from pannier.cli.selection import root_cwd
from pannier.ops.fetch_imports import SourcesReport, fetch_imports
from pannier.ops.sync import SyncReport


def bring(ctx: Context, opts: Options, fetched: SyncReport, *, place: bool) -> SourcesReport:
    """Adds what came from the sources to the report, and takes it out of what is missing."""
    report = fetch_imports(
        ctx.project, fetched.imports, root_cwd(ctx), opts.jobs, ctx.ui.progress, place=place
    )
    fetched.transferred += report.transferred
    for file, why in report.failed:
        ctx.ui.warn(f"'{file}' was not brought from its source: {why.message}")
    if report.brought:
        found = {
            item.ref.path
            for item in fetched.imports
            if item.ref.out.digest is not None and item.ref.out.digest.hex in report.brought
        }
        fetched.missing = [row for row in fetched.missing if row[2] not in found]
    return report
