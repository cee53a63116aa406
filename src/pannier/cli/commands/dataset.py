"""dvc dataset: add, update."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.args import add_group
from pannier.cli.context import Context, Options
from pannier.cli.render import tabbed
from pannier.cli.selection import root_cwd, shown_paths
from pannier.core.errors import PannierError
from pannier.ops.datasets import DatasetReport, NewDataset, add_dataset, update_dataset


def add_arguments(parser: ArgumentParser) -> None:
    add = add_group(parser, "dataset")
    new = add("add", "Add a dataset.", _add)
    source = new.add_mutually_exclusive_group(required=True)
    source.add_argument("--dc", metavar="name", help="DataChain dataset; not supported.")
    source.add_argument("--dvc", metavar="url", help="Git repository: a folder or a URL.")
    source.add_argument("--url", metavar="url", help="File or folder of this machine or elsewhere.")
    new.add_argument(
        "--rev", metavar="<commit>", help="Commit, branch or tag to follow (only with --dvc)."
    )
    new.add_argument(
        "--path", metavar="path", help="File or folder in the repository (only with --dvc)."
    )
    new.add_argument("-f", "--force", action="store_true", help="Replace a dataset of that name.")
    new.add_argument("name", help="Name of the dataset.")
    changing = add("update", "Update a dataset.", _update)
    changing.add_argument(
        "--rev",
        "--version",
        nargs="?",
        metavar="<version>",
        help="Commit, branch or tag to follow from now on.",
    )
    changing.add_argument("name", help="Name of the dataset.")


def run(ctx: Context, opts: Options) -> int:
    raise LookupError("every line of `dataset` names a sub-command with a function of its own")


def _add(ctx: Context, opts: Options) -> int:
    for option in ("rev", "path"):
        if getattr(opts, option) and not opts.dvc:
            raise PannierError(f"--{option} can't be used without --dvc")
    kind = "dc" if opts.dc else "dvc" if opts.dvc else "url"
    new = NewDataset(opts.name, kind, opts.dc or opts.dvc or opts.url, opts.path, opts.rev)
    report = add_dataset(ctx.project, new, root_cwd(ctx), ctx.ui.progress, force=opts.force)
    return _tell(ctx, "Adding", opts.name, report)


def _update(ctx: Context, opts: Options) -> int:
    report = update_dataset(ctx.project, opts.name, opts.rev, root_cwd(ctx), ctx.ui.progress)
    return _tell(ctx, "Updating", opts.name, report)


def _tell(ctx: Context, doing: str, name: str, report: DatasetReport) -> int:
    if report.shown is None:
        ctx.ui.write("Nothing to update")
        return 0
    ctx.ui.write(f"{doing} {name} ({report.shown})")
    for letter, path in report.files:
        ctx.ui.write(tabbed((letter, path)))
    if not report.staged and ctx.project.git is not None:
        ctx.ui.track_hint(shown_paths(ctx, report.changed))
    return 0
