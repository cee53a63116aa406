"""dvc remote verify: the half of remote that needs a project and a transport."""

from __future__ import annotations

from pannier.cli.context import Context, Options
from pannier.cli.verifying import options_of, tell
from pannier.ops.verify import verify_remote


def run(ctx: Context, opts: Options) -> int:
    options = options_of(opts)
    report = verify_remote(ctx.project, options, ctx.ui.progress)
    name = ctx.project.settings.remote(options.remote).name
    return tell(ctx, opts, report, f"remote '{name}'", f"{ctx.program} push -r {name}")
