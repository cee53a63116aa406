"""dvc cache verify: the half of cache that needs a project and reads all of it."""

from __future__ import annotations

from pannier.cli.context import Context, Options
from pannier.cli.verifying import options_of, tell
from pannier.ops.verify import verify_cache


def run(ctx: Context, opts: Options) -> int:
    report = verify_cache(ctx.project, options_of(opts), ctx.ui.progress)
    return tell(ctx, opts, report, "cache", f"{ctx.program} fetch")
