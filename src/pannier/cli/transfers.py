"""What push, fetch and pull share on the command line."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager

from pannier.cli.context import Context, Options
from pannier.cli.selection import revision_options, target_options
from pannier.core.errors import TransferFailed
from pannier.ops.sync import SyncOptions, SyncReport

_SHOWN_MAX = 20
_KINDS = {"metrics": "metric", "plots": "plot"}


def add_run_cache(parser: ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--run-cache", action="store_true", help="Also transfer what stages made earlier."
    )
    group.add_argument("--no-run-cache", action="store_true", help="The default.")


def sync_options(ctx: Context, opts: Options) -> SyncOptions:
    if opts.run_cache:
        ctx.ui.warn("--run-cache has no effect yet: this version does not run stages")
    return SyncOptions(
        targets=target_options(ctx, opts),
        revisions=revision_options(opts),
        remote=opts.remote,
        jobs=opts.jobs,
        rate=opts.limit_rate,
        max_size=getattr(opts, "max_size", None),
        kinds=tuple(_KINDS[kind] for kind in getattr(opts, "type", ())),
    )


@contextmanager
def telling_failures(ctx: Context) -> Iterator[None]:
    """Names the objects that did not travel before the error itself is told."""
    try:
        yield
    except TransferFailed as error:
        for name, reason in error.failures[:_SHOWN_MAX]:
            ctx.ui.warn(f"{name}: {reason}")
        if len(error.failures) > _SHOWN_MAX:
            ctx.ui.warn(f"... and {len(error.failures) - _SHOWN_MAX} more")
        raise


def tell_missing(ctx: Context, report: SyncReport) -> None:
    if not report.missing:
        return
    lines = [
        f"md5: {name}" + (f" ({path})" if path else "")
        for _, name, path in sorted(report.missing)[:_SHOWN_MAX]
    ]
    if len(report.missing) > _SHOWN_MAX:
        lines.append(f"... and {len(report.missing) - _SHOWN_MAX} more")
    ctx.ui.warn(
        "Some of the cache files do not exist neither locally nor on remote. "
        "Missing cache files:\n" + "\n".join(lines)
    )
