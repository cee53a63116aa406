"""The part of dvc status that asks the sources of imports."""

from __future__ import annotations

from pannier.cli.context import Context
from pannier.cli.selection import root_cwd
from pannier.ops.status import AskSource
from pannier.ops.updates import Updates


def asker(ctx: Context) -> AskSource:
    return Updates(ctx.project, root_cwd(ctx), ctx.ui.progress).of
