"""dvc data: status."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable

from pannier.cli.args import add_group, described
from pannier.cli.context import Context, Options
from pannier.cli.render import json_line
from pannier.cli.selection import root_cwd
from pannier.core.diff import Changes, Entry, Pair
from pannier.ops.data_status import DataStatus, DataStatusOptions, data_status

DESCRIPTION = described("Commands related to data management.", "data/status")
_SUMMARY = "Show changes between the last git commit, the dvcfiles and the workspace."
_HEADINGS = {
    "not_in_cache": ("Not in cache", 'use "dvc fetch <file>..." to download files'),
    "not_in_remote": ("Not in remote", 'use "dvc push <file>..." to upload files'),
    "committed": (
        "DVC committed changes",
        "git commit the corresponding dvc files to update the repo",
    ),
    "uncommitted": (
        "DVC uncommitted changes",
        'use "dvc commit <file>..." to track changes',
        'use "dvc checkout <file>..." to discard changes',
    ),
    "untracked": (
        "Untracked files",
        'use "git add <file> ..." or "dvc add <file>..." to commit to git or to dvc',
    ),
    "unchanged": ("DVC unchanged files",),
}


def add_arguments(parser: ArgumentParser) -> None:
    add = add_group(parser, "data")
    status = add("status", _SUMMARY, _status)
    status.add_argument("--json", action="store_true", help="Print JSON.")
    status.add_argument(
        "--granular", action="store_true", help="Also the files inside of tracked directories."
    )
    status.add_argument(
        "--unchanged", action="store_true", help="Also the tracked files that did not change."
    )
    status.add_argument(
        "--untracked-files",
        nargs="?",
        choices=("no", "all"),
        default="no",
        const="all",
        help="Also the files that neither Git nor DVC knows.",
    )
    status.add_argument(
        "-r", "--remote", metavar="<name>", help="Remote to ask, with --not-in-remote."
    )
    status.add_argument(
        "--not-in-remote", action="store_true", help="Also the files that the remote lacks."
    )
    status.add_argument(
        "--no-remote-refresh",
        action="store_true",
        help="Accepted; the remote is asked all the same, for no list of it is kept here.",
    )
    status.add_argument(
        "targets", nargs="*", help="Limit the status to these files, directories and stages."
    )


def run(ctx: Context, opts: Options) -> int:
    raise LookupError("every line of `data` names a sub-command with a function of its own")


def _status(ctx: Context, opts: Options) -> int:
    options = DataStatusOptions(
        cwd=root_cwd(ctx),
        granular=opts.granular,
        unchanged=opts.unchanged,
        untracked=opts.untracked_files == "all",
        git=not opts.json,
        not_in_remote=opts.not_in_remote,
        remote=opts.remote,
    )
    report = data_status(ctx.project, opts.targets, options, ctx.ui.progress)
    sections = _sections(report)
    ctx.ui.write(json_line(sections) if opts.json else _text(report, sections))
    return 0


Section = list[str] | dict[str, list[str] | list[dict[str, str]]]


def _sections(report: DataStatus) -> dict[str, Section]:
    """The report in the shape of DVC's JSON, without what is empty."""
    sections: dict[str, Section] = {
        "not_in_cache": report.not_in_cache,
        "not_in_remote": report.not_in_remote,
        "committed": _states(report.committed),
        "uncommitted": _states(report.uncommitted),
        "untracked": report.untracked,
        "unchanged": report.unchanged,
    }
    return {name: section for name, section in sections.items() if section}


def _states(changes: Changes) -> dict[str, list[str] | list[dict[str, str]]]:
    """state -> paths. The order of states is DVC's: of what it meets first."""
    kept = {"modified": _new_paths(changes.modified), "unknown": _new_paths(changes.unknown)}
    arrived = {"added": _new_paths(changes.added), "renamed": _new_paths(changes.renamed)}
    order = [
        *sorted((state for state in kept if kept[state]), key=lambda state: _nearest(kept[state])),
        *sorted((state for state in arrived if arrived[state]), key=lambda s: _first(arrived[s])),
        "deleted",
    ]
    shown: dict[str, list[str] | list[dict[str, str]]] = {
        "modified": [pair.new.shown for pair in changes.modified],
        "unknown": [entry.shown for entry in changes.unknown],
        "added": [entry.shown for entry in changes.added],
        "renamed": [{"old": p.old.shown, "new": p.new.shown} for p in changes.renamed],
        "deleted": [entry.shown for entry in changes.deleted],
    }
    return {state: shown[state] for state in order if shown[state]}


def _new_paths(found: Iterable[Entry | Pair]) -> list[str]:
    return [item.new.path if isinstance(item, Pair) else item.path for item in found]


def _nearest(paths: list[str]) -> tuple[int, str]:
    """The one with the fewest folders above it."""
    return min((path.count("/"), path) for path in paths)


def _first(paths: list[str]) -> list[str]:
    return min(path.split("/") for path in paths)


def _text(report: DataStatus, sections: dict[str, Section]) -> str:
    blocks = ["\n".join(_block(name, section)) for name, section in sections.items()]
    if not blocks:
        nothing = "in an empty git repo" if report.no_commits else ""
        blocks.append(f"No changes {nothing}".rstrip() + ".")
    text = "\n\n".join(blocks)
    if report.git_dirty:
        other = "other changes" if sections else "changes"
        text += f'\n(there are {other} not tracked by dvc, use "git status" to see)'
    return text


def _block(name: str, section: Section) -> Iterable[str]:
    heading, *hints = _HEADINGS[name]
    yield f"{heading}:"
    yield from (f"  ({hint})" for hint in hints)
    if isinstance(section, list):
        yield from (f"        {path}" for path in section)
        return
    for state, paths in section.items():
        for path in paths:
            shown = path if isinstance(path, str) else f"{path['old']} -> {path['new']}"
            yield f"        {state}: {shown}"
