"""The part of dvc stage add that runs the stage at once."""

from __future__ import annotations

from pannier.cli.context import Context
from pannier.cli.running import Teller
from pannier.cli.selection import root_cwd
from pannier.cli.sources import Sources
from pannier.core.errors import PannierError
from pannier.ops.repro import ReproOptions, repro
from pannier.run.coordinator import StageFailed
from pannier.run.work import RunOptions


def run_stage(ctx: Context, name: str) -> list[str]:
    """Runs one stage, whatever is recorded; returns the files that changed."""
    cwd = root_cwd(ctx)
    options = ReproOptions(
        cwd=cwd, single=True, run=RunOptions(force=True, cwd=cwd, measure_far=Sources(ctx).measure)
    )
    teller = Teller(ctx, explain=False, together=False)
    wait = ctx.wait_for_lock
    try:
        return repro(
            ctx.project,
            [name],
            options,
            lambda always: ctx.project.lock(wait or always),
            teller,
            ctx.ui.progress,
        ).changed
    except StageFailed as error:
        raise PannierError(error.reason, hint=error.hint) from None
