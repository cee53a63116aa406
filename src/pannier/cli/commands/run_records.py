"""The part of push, fetch, pull and repro that moves the run cache."""

from __future__ import annotations

from pannier.cli.context import Context, Options
from pannier.ops.run_records import fetch_records, push_records
from pannier.ops.sync import SyncReport


def send(ctx: Context, opts: Options, report: SyncReport, remote: str | None) -> None:
    report.transferred += push_records(ctx.project, remote, opts.jobs, ctx.ui.progress)


def bring(ctx: Context, opts: Options) -> None:
    """Records that came are not counted, as with DVC."""
    fetch_records(ctx.project, opts.remote, opts.jobs, ctx.ui.progress)
