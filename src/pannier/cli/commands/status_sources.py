"""The part of dvc status, repro and commit that asks the sources of imports and brings them."""

from __future__ import annotations

from pannier.cli.context import Context
from pannier.cli.selection import root_cwd
from pannier.cli.transfers import telling_failures
from pannier.core.stage import Stage
from pannier.ops.checkout import CheckoutOptions, checkout
from pannier.ops.fetch_imports import fetch_imports
from pannier.ops.sync import SyncOptions, fetch
from pannier.ops.update import UpdateOptions, update
from pannier.ops.updates import Updates
from pannier.project.imported import is_repo_import, shown_source
from pannier.project.targets import TargetOptions
from pannier.project.tracking import shown


def updates(ctx: Context) -> Updates:
    return Updates(ctx.project, root_cwd(ctx), ctx.ui.progress)


def bring(ctx: Context, stage: Stage) -> None:
    """Brings an import: of a project what is recorded, of a URL what is there now.

    Files that are only here are asked about, as with update and checkout.
    """
    project, progress = ctx.project, ctx.ui.progress
    if is_repo_import(stage):
        path = shown(stage.path_of(stage.outs[0]), root_cwd(ctx))
        ctx.ui.write(f"Importing '{shown_source(stage.deps[0])}' -> '{path}'")
        fetched = fetch(project, [stage.address], SyncOptions(), progress)
        fetch_imports(project, fetched.imports, root_cwd(ctx), None, progress, place=False)
    else:
        with telling_failures(ctx):
            cwd = root_cwd(ctx)
            options = UpdateOptions(TargetOptions(cwd=cwd))
            update(project, [stage.address_from(cwd)], options, ctx.confirm, progress)
    checkout(project, [stage.address], CheckoutOptions(), ctx.confirm, progress)
