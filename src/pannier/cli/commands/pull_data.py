"""The part of dvc repro that brings missing data and the run cache from the remote."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pannier.cli.context import Context
from pannier.core.digest import Digest
from pannier.core.errors import ConfigError, PannierError, TransferFailed
from pannier.ops.checkout import CheckoutOptions, checkout
from pannier.ops.run_records import fetch_records
from pannier.ops.sync import SyncOptions, fetch
from pannier.project.carrying import Carrier


def bring_records(ctx: Context, remote: str | None) -> None:
    """Fetches the run cache, so that what was made elsewhere need not be made again."""
    try:
        fetch_records(ctx.project, remote, None, ctx.ui.progress)
    except PannierError as error:
        words = "config file error: " if isinstance(error, ConfigError) else ""
        ctx.ui.warn(f"Failed to pull run cache: {words}{error.message}")


def puller(ctx: Context) -> Callable[[list[str], str], None]:
    """Fetches the run cache now, and returns what brings outputs by their paths.

    A remote that is not there or does not answer is a warning: what is here may be enough.
    """
    project, progress = ctx.project, ctx.ui.progress
    bring_records(ctx, None)

    def bring(paths: list[str], what: str) -> None:
        ctx.ui.write(f"Pulling data for {what}")
        try:
            fetch(project, paths, SyncOptions(), progress)
            options = CheckoutOptions(allow_missing=True)
            checkout(project, paths, options, lambda _: False, progress)
        except (ConfigError, TransferFailed) as error:
            ctx.ui.warn(f"Unable to pull data: {error.message}")

    return bring


def bring_objects(ctx: Context) -> Callable[[Iterable[Digest]], None]:
    """What brings the objects that a record of the run cache names, from the default remote."""

    def bring(digests: Iterable[Digest]) -> None:
        with Carrier(ctx.project, ctx.ui.progress) as carrier:
            carrier.bring(digests)

    return bring
