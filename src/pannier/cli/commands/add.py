"""dvc add."""

from __future__ import annotations

import glob
import os
from argparse import ArgumentParser

from pannier.cli.amounts import positive
from pannier.cli.context import Context, Options
from pannier.cli.selection import root_cwd, shown_paths
from pannier.core.errors import PannierError
from pannier.ops.add import AddOptions, AddReport, add
from pannier.ops.bring import BringOptions, add_to_remote, bring_in
from pannier.ops.tracking import stage_in_git
from pannier.project.project import Project


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
    bring = BringOptions(
        cwd=options.cwd,
        out=opts.out,
        force=opts.force,
        remote=opts.remote,
        jobs=opts.remote_jobs,
    )
    if opts.to_remote:
        pointer, changed = add_to_remote(ctx.project, targets[0], bring, ctx.ui.progress)
        report = recorded(ctx.project, pointer, changed)
    else:
        if opts.out:
            bring_in(ctx.project, targets[0], bring, ctx.ui.progress)
            targets = [opts.out]
        report = add(ctx.project, targets, options, ctx.ui.progress)
    if not report.staged and ctx.project.git is not None:
        ctx.ui.track_hint(shown_paths(ctx, report.to_commit))
    return 0


def recorded(project: Project, pointer: str, changed: list[str]) -> AddReport:
    to_commit = [*changed, pointer]
    return AddReport([pointer], to_commit, stage_in_git(project, to_commit))


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
