"""dvc push."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.changes import counted
from pannier.cli.context import Context, Options
from pannier.cli.selection import add_targets
from pannier.cli.table import RUN_RECORDS, VERSIONS, load
from pannier.cli.transfers import add_transfer, sync_options, tell_missing, telling_failures
from pannier.core.errors import NoRemote, PannierError
from pannier.core.record import replace
from pannier.ops.sync import SyncOptions, push


def add_arguments(parser: ArgumentParser) -> None:
    add_transfer(parser)
    parser.add_argument(
        "--all-remotes", action="store_true", help="To every remote, one after the other."
    )
    parser.add_argument("--glob", action="store_true", help="Targets are shell patterns.")
    add_targets(parser, what="the upload")


def run(ctx: Context, opts: Options) -> int:
    if opts.all_remotes:
        return _to_all(ctx, opts)
    return _push(ctx, opts, sync_options(ctx, opts))


def _push(ctx: Context, opts: Options, options: SyncOptions, where: str = "") -> int:
    with telling_failures(ctx):
        report = push(ctx.project, opts.targets, options, ctx.ui.progress)
        if report.versioned:
            load(VERSIONS).move(ctx, opts, report, pushing=True)
        if opts.run_cache:
            load(RUN_RECORDS).send(ctx, opts, report, options.remote)
    tell_missing(ctx, report.missing)
    if report.transferred:
        ctx.ui.write(f"{counted(report.transferred)} pushed{where}")
    elif not report.missing:
        ctx.ui.write(f"Everything is up to date{where}.")
    return 1 if report.missing else 0


def _to_all(ctx: Context, opts: Options) -> int:
    """A remote that fails does not keep the others from their copy."""
    names = ctx.project.settings.remote_names()
    if opts.remote is not None:
        raise PannierError(
            "--all-remotes and --remote contradict each other", hint=f"{ctx.program} push"
        )
    if not names:
        raise NoRemote(ctx.project.root)
    code = 0
    options = replace(sync_options(ctx, opts), for_it_alone=True)
    for name in names:
        try:
            code = max(code, _push(ctx, opts, replace(options, remote=name), f" to '{name}'"))
        except PannierError as error:
            ctx.ui.error(f"remote '{name}': {error.message}", error.hint)
            code = 1
    return code
