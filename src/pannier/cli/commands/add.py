"""dvc add."""

from __future__ import annotations

import glob
import os
from argparse import ArgumentParser

from pannier.cli.amounts import positive
from pannier.cli.context import Context, Options
from pannier.cli.selection import root_cwd, shown_paths
from pannier.cli.table import ADD_ELSEWHERE, load
from pannier.core.errors import PannierError
from pannier.ops.add import AddOptions, add


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("targets", nargs="+", help="Files or directories to track.")
    parser.add_argument(
        "--no-commit",
        action="store_true",
        help="Write the .dvc file, do not store the data in the cache.",
    )
    parser.add_argument(
        "--glob", action="store_true", help="Targets are shell patterns, expanded by the command."
    )
    parser.add_argument(
        "-o", "--out", metavar="<path>", help="Copy the target to this path and track it there."
    )
    parser.add_argument(
        "--to-remote",
        action="store_true",
        help="Send the data straight to the remote; nothing stays in workspace or cache.",
    )
    parser.add_argument("-r", "--remote", metavar="<name>", help="Remote for --to-remote.")
    parser.add_argument(
        "--remote-jobs", type=positive, metavar="<number>", help="Uploads at once for --to-remote."
    )
    parser.add_argument("-f", "--force", action="store_true", help="Overwrite what is at --out.")
    parser.add_argument(
        "--no-relink", action="store_true", help="Do not replace the target by a link."
    )


def run(ctx: Context, opts: Options) -> int:
    targets = _expanded(opts.targets) if opts.glob else opts.targets
    _check(opts, targets)
    options = AddOptions(cwd=root_cwd(ctx), save=not opts.no_commit, relink=not opts.no_relink)
    if opts.to_remote:
        report = load(ADD_ELSEWHERE).send(ctx, opts, targets[0])
    else:
        if opts.out:
            targets = [load(ADD_ELSEWHERE).bring(ctx, opts, targets[0])]
        report = add(ctx.project, targets, options, ctx.ui.progress)
        if opts.out:
            load(ADD_ELSEWHERE).done(ctx)
    if not report.staged and ctx.project.git is not None:
        ctx.ui.track_hint(shown_paths(ctx, report.to_commit))
    return 0


def _check(opts: Options, targets: list[str]) -> None:
    if opts.remote and not opts.to_remote:
        raise PannierError("--remote can't be used without --to-remote")
    if opts.remote_jobs and not opts.to_remote:
        raise PannierError("--remote-jobs can't be used without --to-remote")
    if opts.out and len(targets) > 1:
        raise PannierError("multiple targets can't be used with --out")
    if opts.to_remote and len(targets) > 1:
        raise PannierError("multiple targets can't be used with --to-remote")
    if opts.to_remote and opts.no_commit:
        raise PannierError("--no-commit can't be used with --to-remote")


def _expanded(patterns: list[str]) -> list[str]:
    found: list[str] = []
    for pattern in patterns:
        matches = sorted(
            path
            for path in glob.glob(pattern, recursive=True)
            if not path.endswith(".dvc") and os.path.basename(path) != ".gitignore"
        )
        if not matches:
            raise PannierError(f"Glob {pattern} has no matches.")
        found += matches
    return list(dict.fromkeys(found))
