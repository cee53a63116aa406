"""dvc status --cloud: the half of status that needs a remote."""

from __future__ import annotations

from pannier.cli.context import Context, Options
from pannier.cli.render import json_line
from pannier.cli.selection import revision_options, target_options
from pannier.ops.sync import SyncOptions, cloud_status


def run(ctx: Context, opts: Options) -> int:
    options = SyncOptions(
        targets=target_options(ctx, opts),
        revisions=revision_options(opts),
        remote=opts.remote,
        jobs=opts.jobs,
    )
    report = cloud_status(ctx.project, opts.targets, options, ctx.ui.progress)
    if opts.json:
        ctx.ui.write(json_line(report.changes))
    elif report.changes:
        for path, state in sorted(report.changes.items()):
            ctx.ui.write(f"\t{state + ':':<20}{path}")
    else:
        ctx.ui.write(f"Cache and remote '{report.remote}' are in sync.")
    return 1 if ctx.ui.quiet and report.changes else 0
