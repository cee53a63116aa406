"""dvc remote sync: the half of remote that moves objects between two of them."""

from __future__ import annotations

from pannier.cli.changes import counted
from pannier.cli.context import Context, Options
from pannier.cli.transfers import telling_failures
from pannier.core.errors import TransferFailed
from pannier.ops.remote_sync import RemoteSyncOptions, sync_remotes


def run(ctx: Context, opts: Options) -> int:
    options = RemoteSyncOptions(opts.jobs, opts.limit_rate)
    try:
        with telling_failures(ctx):
            report = sync_remotes(ctx.project, opts.source, opts.target, options, ctx.ui.progress)
    except TransferFailed as error:
        ctx.ui.error(error.message, error.hint)
        return 1
    if report.copied:
        ctx.ui.write(f"{counted(report.copied)} copied from '{opts.source}' to '{opts.target}'")
    else:
        ctx.ui.write("Everything is up to date.")
    return 0
