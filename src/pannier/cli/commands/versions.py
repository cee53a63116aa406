"""The part of dvc push, fetch and pull for remotes with cloud versions."""

from __future__ import annotations

from pannier.cli.context import Context, Options
from pannier.ops.sync import SyncReport
from pannier.ops.versions import VersionsOptions, move_versions


def move(ctx: Context, opts: Options, report: SyncReport, *, pushing: bool) -> None:
    """Moves what `ops.sync` left, and adds it to its report."""
    options = VersionsOptions(pushing, opts.jobs, opts.limit_rate)
    moved = move_versions(ctx.project, report.versioned, options, ctx.ui.progress)
    report.transferred += moved.transferred
    report.missing += moved.missing
