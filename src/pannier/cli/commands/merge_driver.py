"""dvc git-hook merge-driver: what Git calls for files with the attribute `merge=dvc`."""

from __future__ import annotations

import os

from pannier.cli import table
from pannier.cli.context import Context, Options
from pannier.core.errors import PannierError
from pannier.ops.merge import MergeFiles, merge

CONFLICT = 1
"""Any failure: Git takes up to 128 for a conflict that the user solves, more for a crash."""


def run(ctx: Context, opts: Options) -> int:
    paths = [os.path.join(ctx.cwd, path) for path in (opts.ancestor, opts.our, opts.their)]
    try:
        ctx.opened = table.open_project(ctx.cwd)
        ctx.ui.mask.learn(ctx.opened.settings.secret_values())
        with ctx.opened.lock(ctx.wait_for_lock):
            merge(ctx.opened, MergeFiles(*paths), ctx.ui.progress)
    except PannierError as error:
        ctx.ui.error(error.message, error.hint)
        return CONFLICT
    return 0
