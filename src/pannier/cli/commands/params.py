"""dvc params: how parameters differ."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.args import add_group
from pannier.cli.context import Context, Options
from pannier.cli.selection import add_forms, add_two_revisions, form_of, root_cwd
from pannier.cli.value_tables import write_difference
from pannier.ops.params import ParamsOptions, diff


def add_arguments(parser: ArgumentParser) -> None:
    add = add_group(parser, "params")
    sub = add(
        "diff",
        "Show changes in params between commits in the DVC repository, or between a commit and the"
        " workspace.",
        _diff,
    )
    add_two_revisions(sub)
    sub.add_argument(
        "--targets", nargs="*", default=[], metavar="<paths>", help="Only these parameter files."
    )
    sub.add_argument("--all", action="store_true", help="Also parameters that did not change.")
    sub.add_argument("--deps", action="store_true", help="Only parameters that stages depend on.")
    add_forms(sub)
    sub.add_argument("--no-path", action="store_true", help="Do not show the files.")


def run(ctx: Context, opts: Options) -> int:
    raise LookupError("every line of `params` names a sub-command with a function of its own")


def _diff(ctx: Context, opts: Options) -> int:
    revisions = (opts.a_rev, opts.b_rev)
    wanted = ParamsOptions(tuple(opts.targets), opts.deps, root_cwd(ctx), opts.all)
    found = diff(ctx.project, revisions, wanted, ctx.ui.progress)
    write_difference(
        ctx,
        found,
        revisions,
        title="Param",
        form=form_of(opts),
        has_path=not opts.no_path,
        precision=None,
        has_change=False,
    )
    return 0
