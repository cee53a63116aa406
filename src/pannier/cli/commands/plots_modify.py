"""dvc plots modify."""

from __future__ import annotations

from pannier.cli.context import Context, Options
from pannier.cli.selection import root_cwd
from pannier.core.path import relative
from pannier.ops.plots_modify import ModifyOptions, modify


def run(ctx: Context, opts: Options) -> int:
    unset = None if opts.unset is None else tuple(opts.unset)
    options = ModifyOptions(opts.props, unset, root_cwd(ctx))
    with ctx.project.lock(ctx.wait_for_lock):
        stage = modify(ctx.project, opts.target, options)
    ctx.ui.write(f"Modifying stage '{stage.name}' in '{relative(stage.file, options.cwd)}'")
    return 0
