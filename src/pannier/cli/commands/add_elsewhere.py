"""The part of dvc add that brings data from elsewhere (`--out`), or sends it on (`--to-remote`)."""

from __future__ import annotations

from pannier.cli.context import Context, Options
from pannier.cli.selection import root_cwd
from pannier.cli.transfers import telling_failures
from pannier.core.path import relative
from pannier.ops.add import AddReport
from pannier.ops.bring import BringOptions, add_to_remote, bring_done, bring_in
from pannier.project.tracking import stage_in_git


def send(ctx: Context, opts: Options, target: str) -> AddReport:
    """Sends target to a remote; what was written here."""
    with telling_failures(ctx):
        pointer, changed = add_to_remote(ctx.project, target, _options(ctx, opts), ctx.ui.progress)
    to_commit = [*changed, pointer]
    return AddReport([pointer], to_commit, stage_in_git(ctx.project, to_commit))


def bring(ctx: Context, opts: Options, target: str) -> str:
    """Copies target to `--out`, or into that folder; returns the path, as typed here."""
    options = _options(ctx, opts)
    with telling_failures(ctx):
        path = bring_in(ctx.project, target, options, ctx.ui.progress)
    return relative(path, options.cwd)


def done(ctx: Context) -> None:
    """What was copied is tracked."""
    bring_done(ctx.project)


def _options(ctx: Context, opts: Options) -> BringOptions:
    return BringOptions(
        cwd=root_cwd(ctx),
        out=opts.out,
        force=opts.force,
        remote=opts.remote,
        jobs=opts.remote_jobs,
    )
