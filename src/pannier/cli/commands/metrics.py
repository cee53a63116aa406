"""dvc metrics: what they are, and how they differ."""

from __future__ import annotations

from argparse import ArgumentParser

from pannier.cli.args import add_group
from pannier.cli.context import Context, Options
from pannier.cli.render import json_line
from pannier.cli.selection import (
    add_forms,
    add_revisions,
    add_two_revisions,
    form_of,
    revision_options,
    root_cwd,
)
from pannier.cli.value_tables import (
    PRECISION,
    as_failure,
    cell,
    tell_failed,
    write_difference,
    write_table,
)
from pannier.core.errors import PannierError
from pannier.core.typed import Any
from pannier.core.value_diff import flattened
from pannier.ops.metrics import MetricsOptions, diff, show
from pannier.project.values import Reading


def add_arguments(parser: ArgumentParser) -> None:
    add = add_group(parser, "metrics")
    sub = add("show", "Print metrics, with optional formatting.", _show)
    sub.add_argument("targets", nargs="*", help="Only these metric files, or folders of them.")
    add_revisions(sub)
    add_forms(sub)
    _add_common(sub)
    sub = add(
        "diff",
        "Show changes in metrics between commits in the DVC repository, or between a commit and"
        " the workspace.",
        _diff,
    )
    add_two_revisions(sub)
    sub.add_argument(
        "--targets",
        nargs="*",
        default=[],
        metavar="<paths>",
        help="Only these metric files, or folders of them.",
    )
    sub.add_argument("--all", action="store_true", help="Also metrics that did not change.")
    add_forms(sub)
    sub.add_argument("--no-path", action="store_true", help="Do not show the files.")
    _add_common(sub)


def run(ctx: Context, opts: Options) -> int:
    raise LookupError("every line of `metrics` names a sub-command with a function of its own")


def _add_common(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-R", "--recursive", action="store_true", help="Targets may be folders; they always may."
    )
    parser.add_argument(
        "--precision",
        type=int,
        metavar="<n>",
        help=f"Digits behind the point, {PRECISION} if not said; in JSON all.",
    )


def _show(ctx: Context, opts: Options) -> int:
    revisions = revision_options(opts)
    wanted = MetricsOptions(tuple(opts.targets), root_cwd(ctx), revisions)
    readings = show(ctx.project, wanted, ctx.ui.progress)
    tell_failed(ctx, readings, "metrics")
    if opts.json:
        ctx.ui.write(json_line({name: _as_json(ctx, each) for name, each in readings.items()}))
    else:
        _write_table(ctx, opts, readings, has_revision=revisions.any)
    return 0


def _as_json(ctx: Context, reading: Reading) -> dict[str, Any]:
    if reading.error is not None:
        return {"error": as_failure(reading.error, "")}
    return {"data": {ctx.shown(path): _file(each, path) for path, each in reading.files.items()}}


def _file(value: Any, path: str) -> dict[str, Any]:
    if isinstance(value, PannierError):
        return {"error": as_failure(value, path)}
    return {"data": value}


def _write_table(
    ctx: Context, opts: Options, readings: dict[str, Reading], *, has_revision: bool
) -> None:
    digits = opts.precision or PRECISION
    rows: list[tuple[str, str, dict[str, str]]] = []
    for name, reading in readings.items():
        for path, value in reading.files.items():
            if isinstance(value, PannierError):
                value = {}
            named = flattened(value) if isinstance(value, dict) else {"": value}
            cells = {str(key): cell(item, digits) for key, item in named.items()}
            rows.append((name, ctx.shown(path), cells))
    titles = sorted({title for _, _, cells in rows for title in cells})
    first = ["Revision", "Path"] if has_revision else ["Path"]
    write_table(
        ctx,
        [*first, *titles],
        [
            [*([name] if has_revision else []), path, *(cells.get(title, "-") for title in titles)]
            for name, path, cells in rows
        ],
        md=opts.md,
    )


def _diff(ctx: Context, opts: Options) -> int:
    revisions = (opts.a_rev, opts.b_rev)
    wanted = MetricsOptions(tuple(opts.targets), root_cwd(ctx), all=opts.all)
    found = diff(ctx.project, revisions, wanted, ctx.ui.progress)
    write_difference(
        ctx,
        found,
        revisions,
        title="Metric",
        form=form_of(opts),
        has_path=not opts.no_path,
        precision=opts.precision or PRECISION,
        has_change=True,
    )
    return 0
