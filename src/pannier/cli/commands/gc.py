"""dvc gc."""

from __future__ import annotations

import os
from argparse import ArgumentParser

from pannier.cli.args import described
from pannier.cli.context import Context, Options
from pannier.cli.transfers import telling_failures
from pannier.core.errors import NotInProject, PannierError
from pannier.ops.gc import GcOptions, GcReport, Removed, empty_trash, gc, trash_size, undo
from pannier.project.roots import Scope

DESCRIPTION = described(
    "Removes all files in the cache or a remote which are not in\n"
    "use by the specified Git revisions (defaults to just HEAD).",
    "gc",
)
_SURE = "Are you sure you want to proceed?"


def add_arguments(parser: ArgumentParser) -> None:
    def flag(*names: str, said: str) -> None:
        parser.add_argument(*names, action="store_true", help=said)

    flag("-w", "--workspace", said="Keep data files used in the current workspace.")
    parser.add_argument(
        "--rev", metavar="<commit>", help="Keep data files used in the specified <commit>."
    )
    parser.add_argument(
        "-n",
        "--num",
        type=int,
        metavar="<num>",
        help="Keep data files used in the last `num` commits starting from each selected revision"
        " root. Can be used with `--rev` and `--all-branches`. Defaults to `1`.",
    )
    flag("-a", "--all-branches", said="Keep data files for the tips of all Git branches.")
    flag("-T", "--all-tags", said="Keep data files for all Git tags.")
    flag("-A", "--all-commits", said="Keep data files for all Git commits.")
    parser.add_argument(
        "--date",
        metavar="<yyyy-mm-dd>",
        help="Keep cached data referenced in the commits after ( inclusive ) a certain time. Date"
        " must match the extended ISO 8601 format (yyyy-mm-dd).",
    )
    flag("--all-experiments", said="Keep data files for all experiments.")
    flag("--not-in-remote", said="Keep data files that are not present in the remote.")
    flag("-c", "--cloud", said="Collect garbage in remote storage in addition to local cache.")
    parser.add_argument(
        "-r", "--remote", metavar="<name>", help="Remote storage to collect garbage in"
    )
    flag("--skip-failed", said="Skip revisions that fail when collected.")
    flag(
        "-f",
        "--force",
        said="Force garbage collection - automatically agree to all prompts.",
    )
    parser.add_argument(
        "-j", "--jobs", type=int, metavar="<number>", help="Number of jobs to run simultaneously."
    )
    parser.add_argument(
        "-p",
        "--projects",
        nargs="*",
        default=[],
        metavar="<paths>",
        help="Keep data files required by these projects in addition to the current one. Useful if"
        " you share a single cache across repos.",
    )
    flag("--dry", said="Only print what would get removed without actually removing.")
    flag("--undo", said="Bring back into the cache what the last `gc` removed from it.")
    flag("--now", said="Free the space at once: what `gc` removed cannot be brought back then.")


def run(ctx: Context, opts: Options) -> int:
    if opts.undo:
        return _undo(ctx, opts)
    if opts.now and not opts.dry and not _has_scope(opts):
        return _empty(ctx, opts)
    _check(opts)
    ctx.ui.warn(_warning(opts))
    _check_projects(opts)
    if not opts.force and not opts.dry and not ctx.ui.ask(_SURE):
        return 1
    options = GcOptions(
        scope=Scope(
            rev=opts.rev,
            num=opts.num,
            all_branches=opts.all_branches,
            all_tags=opts.all_tags,
            all_commits=opts.all_commits,
            date=opts.date,
            all_experiments=opts.all_experiments,
            skip_failed=opts.skip_failed,
        ),
        projects=tuple(opts.projects),
        not_in_remote=opts.not_in_remote,
        cloud=opts.cloud,
        remote=opts.remote,
        jobs=opts.jobs if opts.jobs and opts.jobs > 0 else None,
        dry=opts.dry,
        now=opts.now,
        wait=ctx.wait_for_lock,
    )
    with telling_failures(ctx):
        report = gc(ctx.project, options, ctx.ui.progress)
    for removed in report.removed:
        _tell(ctx, removed)
    if not opts.dry:
        _tell_trash(ctx, report, now=opts.now)
    if report.spared:
        ctx.ui.hint(
            f"{_objects(report.spared)} that nothing uses stayed, because they are younger than"
            f" {report.grace_h} hours and others work on this cache, too; see 'pannier.gc_grace'"
        )
    return 0


def _has_scope(opts: Options) -> bool:
    return bool(
        opts.workspace
        or opts.all_branches
        or opts.all_tags
        or opts.all_commits
        or opts.all_experiments
        or opts.date
        or opts.rev
    )


def _check(opts: Options) -> None:
    """DVC's rules for what goes together, in its words."""
    if opts.not_in_remote and opts.cloud:
        raise PannierError("`--not-in-remote` and `--cloud` are mutually exclusive")
    if opts.num is not None and not (opts.rev or opts.all_branches):
        raise PannierError("`--num` can only be used alongside `--rev` or `--all-branches`")
    if not _has_scope(opts):
        raise PannierError(
            "Either of `-w|--workspace`, `-a|--all-branches`, `-T|--all-tags`"
            " `--all-experiments`, `--all-commits`, `--date` or `--rev` needs to be set."
        )


def _check_projects(opts: Options) -> None:
    for path in opts.projects:
        if not os.path.isdir(path):
            error = PannierError(f"directory '{path}' does not exist")
            error.exit_code = NotInProject.exit_code
            raise error


def _warning(opts: Options) -> str:
    last = f"last {opts.num or 1} commits from " if opts.num is not None or opts.rev else ""
    kept = ["the workspace"]
    if opts.all_commits:
        kept.append("all git commits")
    else:
        if opts.all_branches and opts.all_tags and not last:
            kept.append("all git branches and tags")
        else:
            kept += [f"{last}all git branches"] if opts.all_branches else []
            kept += ["all git tags"] if opts.all_tags else []
        kept += [f"all git commits before date {opts.date}"] if opts.date else []
        kept += [f"{last}{opts.rev}"] if opts.rev else []
    kept += ["all experiments"] if opts.all_experiments else []
    text = "This will remove all cache except items used in " + " and ".join(kept)
    if opts.not_in_remote:
        text += " that are not present in the DVC remote"
    if not opts.projects:
        return text + " of the current repo."
    shown = "\n".join(f"  - {os.path.abspath(path)}" for path in opts.projects)
    return f"{text} of the current and the following repos:\n{shown}"


def _objects(count: int) -> str:
    return f"{count} object{'' if count == 1 else 's'}"


def _tell(ctx: Context, removed: Removed) -> None:
    for path in removed.paths:
        ctx.ui.write(f"Removing {path}")
    if removed.count:
        place = f"{removed.label} cache" if removed.label else "remote"
        ctx.ui.write(f"Removed {removed.count} objects from {place}.")
    elif removed.label:
        ctx.ui.write(f"No unused '{removed.label}' cache to remove.")
    else:
        ctx.ui.write("No unused cache to remove from remote.")


def _tell_trash(ctx: Context, report: GcReport, *, now: bool) -> None:
    program = ctx.program
    if report.emptied:
        ctx.ui.hint(f"{_objects(report.emptied)} left the trash for good")
    if report.trashed and not now:
        ctx.ui.hint(
            f"they lie in the trash: '{program} gc --undo' brings them back, '{program} gc --now'"
            " frees the space at once; a later gc does it by itself"
        )


def _undo(ctx: Context, opts: Options) -> int:
    if opts.cloud:
        raise PannierError(
            "`--undo` brings objects back into the cache: a remote has no trash",
            hint=f"'{ctx.program} gc --undo', then '{ctx.program} push' sends what is in use",
        )
    report = undo(ctx.project, ctx.wait_for_lock, ctx.ui.progress, dry=opts.dry)
    said = "Would bring back" if opts.dry else "Brought back"
    ctx.ui.write(f"{said} {_objects(report.restored)}.")
    if report.there:
        ctx.ui.write(f"{_objects(report.there)} had come back already.")
    return 0


def _empty(ctx: Context, opts: Options) -> int:
    count = trash_size(ctx.project)
    if count:
        ctx.ui.warn(f"This will remove {_objects(count)} in the trash for good.")
        if not opts.force and not ctx.ui.ask(_SURE):
            return 1
    count = empty_trash(ctx.project, ctx.wait_for_lock, ctx.ui.progress)
    ctx.ui.write(f"Removed {_objects(count)} from the trash." if count else "The trash is empty.")
    return 0
