"""dvc stage: add, list."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser

from pannier.cli.args import add_group
from pannier.cli.context import Context, Options
from pannier.cli.selection import root_cwd, shown_paths
from pannier.cli.table import RUN_STAGE, load
from pannier.ops.stages import (
    NewOut,
    NewStage,
    StageAddOptions,
    StageListOptions,
    add_stage,
    list_stages,
)

_PATHS = (
    ("-d", "--deps", "<path>", "Dependency; repeatable, as are all options with paths."),
    ("-p", "--params", "[<file>:]<names>", "Parameters: names of params.yaml, or of <file>."),
    ("-o", "--outs", "<path>", "Output: a file or directory."),
    ("-O", "--outs-no-cache", "<path>", "Output that Git keeps."),
    ("", "--outs-persist", "<path>", "Output that is not removed before a run."),
    ("", "--outs-persist-no-cache", "<path>", "The same, kept by Git."),
    ("-m", "--metrics", "<path>", "Metrics file."),
    ("-M", "--metrics-no-cache", "<path>", "Metrics file that Git keeps."),
    ("", "--plots", "<path>", "Plot file."),
    ("", "--plots-no-cache", "<path>", "Plot file that Git keeps."),
)
_OUTS = (  # option, section, cache, persist
    ("outs", "outs", True, False),
    ("outs_no_cache", "outs", False, False),
    ("outs_persist", "outs", True, True),
    ("outs_persist_no_cache", "outs", False, True),
    ("metrics", "metrics", True, False),
    ("metrics_no_cache", "metrics", False, False),
    ("plots", "plots", True, False),
    ("plots_no_cache", "plots", False, False),
)


def add_arguments(parser: ArgumentParser) -> None:
    add = add_group(parser, "stage")
    new = add("add", "Create stage", _add)
    new.add_argument("-n", "--name", required=True, metavar="name", help="Name of the stage.")
    new.add_argument("-f", "--force", action="store_true", help="Replace a stage of that name.")
    for short, long, metavar, text in _PATHS:
        names = [name for name in (short, long) if name]
        new.add_argument(*names, action="append", default=[], metavar=metavar, help=text)
    new.add_argument("-w", "--wdir", metavar="<path>", help="Folder to run the command in.")
    new.add_argument("--always-changed", action="store_true", help="Run it whatever changed.")
    new.add_argument("--desc", metavar="<text>", help="A description, for readers only.")
    new.add_argument("--run", action="store_true", dest="at_once", help="Run it at once.")
    new.add_argument("command", nargs=argparse.REMAINDER, help="Command to execute.")
    listing = add("list", "List stages.", _list)
    listing.add_argument("targets", nargs="*", help="Stages or dvc.yaml files (default: dvc.yaml).")
    listing.add_argument("--all", action="store_true", help="All stages of the project.")
    listing.add_argument("--fail", action="store_true", help="Stop at a file that is broken.")
    listing.add_argument(
        "-R", "--recursive", action="store_true", help="Targets are directories to search."
    )
    listing.add_argument(
        "--name-only", "--names-only", action="store_true", help="Names without descriptions."
    )


def _add(ctx: Context, opts: Options) -> int:
    new = NewStage(
        name=opts.name,
        cmd=_joined(opts.command),
        deps=tuple(opts.deps),
        params=tuple(opts.params),
        outs=tuple(
            NewOut(path, section, cache, persist)
            for option, section, cache, persist in _OUTS
            for path in getattr(opts, option)
        ),
        wdir=opts.wdir,
        always_changed=opts.always_changed,
        desc=opts.desc,
    )
    options = StageAddOptions(cwd=root_cwd(ctx), force=opts.force)
    with ctx.project.lock(ctx.wait_for_lock):
        report = add_stage(ctx.project, new, options)
    ctx.ui.write(f"Added stage '{opts.name}' in 'dvc.yaml'")
    changed = list(report.to_commit)
    if opts.at_once:
        changed += load(RUN_STAGE).run_stage(ctx, opts.name)
    if not report.staged and ctx.project.git is not None:
        ctx.ui.track_hint(shown_paths(ctx, list(dict.fromkeys(changed))))
    return 0


def _joined(words: list[str]) -> str:
    """One word is the command line itself; of several, those with a blank get quotes."""
    if words[:1] == ["--"]:
        words = words[1:]
    if len(words) == 1:
        return words[0]
    return " ".join(f'"{word}"' if " " in word and '"' not in word else word for word in words)


def _list(ctx: Context, opts: Options) -> int:
    options = StageListOptions(
        cwd=root_cwd(ctx), recursive=opts.recursive, everything=opts.all, strict=opts.fail
    )
    rows = list_stages(ctx.project, opts.targets, options, ctx.ui.progress)
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        ctx.ui.list(name if opts.name_only else f"{name:<{width}}  {text}")
    return 0


def run(ctx: Context, opts: Options) -> int:
    raise LookupError("every line of `stage` names a sub-command with a function of its own")
