"""What commands that move objects share: options, and what is said of how it went."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pannier.cli.amounts import add_rate
from pannier.cli.context import Context, Options
from pannier.cli.selection import (
    add_expansion,
    add_remote,
    add_revisions,
    revision_options,
    target_options,
)
from pannier.cli.table import FETCH_IMPORTS, RUN_RECORDS, VERSIONS, load
from pannier.core.errors import TransferFailed
from pannier.core.typed import Any
from pannier.ops.sync import SyncOptions, SyncReport, fetch

_SHOWN_MAX = 20
_KINDS = {"metrics": "metric", "plots": "plot"}


def add_transfer(parser: ArgumentParser) -> None:
    """What `push`, `fetch` and `pull` take alike, but for their targets."""
    add_remote(parser)
    add_revisions(parser)
    add_expansion(parser)
    _add_run_cache(parser)
    add_rate(parser)


def _add_run_cache(parser: ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--run-cache", action="store_true", help="Also transfer what stages made earlier."
    )
    group.add_argument("--no-run-cache", action="store_true", help="The default.")


def sync_options(ctx: Context, opts: Options) -> SyncOptions:
    return SyncOptions(
        targets=target_options(ctx, opts),
        revisions=revision_options(opts),
        remote=opts.remote,
        jobs=opts.jobs,
        rate=opts.limit_rate,
        max_size=getattr(opts, "max_size", None),
        kinds=tuple(_KINDS[kind] for kind in getattr(opts, "type", ())),
    )


def fetched(ctx: Context, opts: Options, *, place: bool) -> tuple[SyncReport, Any]:
    """Brings objects of remotes, versions, run records, and imports from their sources: (what came
    from remotes, what came from sources, None where none was asked).

    place: files that become no objects are put into the workspace.
    """
    with telling_failures(ctx):
        report = fetch(ctx.project, opts.targets, sync_options(ctx, opts), ctx.ui.progress)
        if report.versioned:
            load(VERSIONS).move(ctx, opts, report, pushing=False)
        if opts.run_cache:
            load(RUN_RECORDS).bring(ctx, opts)
        sources = None
        if report.imports:
            sources = load(FETCH_IMPORTS).bring(ctx, opts, report, place=place)
    return report, sources


@contextmanager
def telling_failures(ctx: Context) -> Iterator[None]:
    """Names the objects that did not travel before the error itself is told; at the end a terminal
    has a line with what travelled, and how fast."""
    failed = 0
    try:
        yield
    except TransferFailed as error:
        failed = error.count
        tell_missing(ctx, error.missing)
        for name, reason in error.failures[:_SHOWN_MAX]:
            ctx.ui.warn(f"{name}: {reason}")
        if len(error.failures) > _SHOWN_MAX:
            ctx.ui.warn(f"... and {len(error.failures) - _SHOWN_MAX} more")
        raise
    finally:
        ctx.ui.progress.tell_moved(failed)


def tell_missing(ctx: Context, missing: Sequence[tuple[str, str, str]]) -> None:
    """missing: (algorithm, digest, path) of what is on neither side."""
    if not missing:
        return
    lines = [
        f"md5: {name}" + (f" ({path})" if path else "")
        for _, name, path in sorted(missing)[:_SHOWN_MAX]
    ]
    if len(missing) > _SHOWN_MAX:
        lines.append(f"... and {len(missing) - _SHOWN_MAX} more")
    ctx.ui.warn(
        "Some of the cache files do not exist neither locally nor on remote. "
        "Missing cache files:\n" + "\n".join(lines)
    )
