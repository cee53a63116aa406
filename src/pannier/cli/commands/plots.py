"""dvc plots: draw what the `plots` of pipelines and files say, at one or several revisions."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser

from pannier.cli.args import add_group
from pannier.cli.context import Context, Options
from pannier.cli.render import json_line
from pannier.cli.table import PLOTS_MODIFY, PLOTS_PICTURES, PLOTS_SHOW, load
from pannier.core.plot_errors import PlotError
from pannier.formats.definition import PLOT_PROPS
from pannier.formats.plot_templates import TEMPLATES
from pannier.project.config_files import find_root


def add_arguments(parser: ArgumentParser) -> None:
    add = add_group(parser, "plots")
    sub = add(
        "show",
        "Generate plots from target files or from `plots` definitions in `dvc.yaml`.",
        _show,
    )
    sub.add_argument("targets", nargs="*", help="Only these plots: ids, files or folders.")
    _add_props(sub)
    _add_output(sub)
    sub = add(
        "diff",
        "Show multiple versions of a plot by overlaying them in a single image.",
        _show,
    )
    sub.add_argument(
        "--targets", nargs="*", metavar="<paths>", help="Only these plots: ids, files or folders."
    )
    sub.add_argument("revisions", nargs="*", help="Revisions to plot from.")
    _add_props(sub)
    _add_output(sub)
    sub = add(
        "modify",
        "Modify display properties of data-series plots defined in stages (has no effect on image"
        " plots).",
        _modify,
    )
    sub.add_argument("target", help="The plot's file, an output of a stage.")
    _add_props(sub)
    sub.add_argument("--unset", nargs="*", metavar="<property>", help="Properties to take away.")
    sub = add(
        "templates",
        "List built-in plots templates or show JSON specification for one.",
        _templates,
    )
    sub.add_argument("template", nargs="?", help="The template to show (default: list all).")


def _add_props(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-t", "--template", nargs="?", metavar="<path>", help="Template: its name or file."
    )
    parser.add_argument("-x", metavar="<field>", help="Column of the x axis.")
    parser.add_argument("-y", metavar="<field>", help="Column of the y axis.")
    parser.add_argument(
        "--no-header",
        dest="header",
        action="store_false",
        default=None,
        help="Tables have no line of names.",
    )
    parser.add_argument("--title", metavar="<text>", help="Title of the plot.")
    parser.add_argument("--x-label", metavar="<text>", help="Label of the x axis.")
    parser.add_argument("--y-label", metavar="<text>", help="Label of the y axis.")


def _add_output(parser: ArgumentParser) -> None:
    parser.add_argument("-o", "--out", metavar="<path>", help="Folder to write to.")
    parser.add_argument(
        "--show-vega", action="store_true", help="Print the specification of one plot."
    )
    parser.add_argument("--json", action="store_true", help=SUPPRESS)
    parser.add_argument("--split", action="store_true", help=SUPPRESS)
    parser.add_argument("--open", action="store_true", help="Open the page in the browser.")
    parser.add_argument("--html-template", metavar="<path>", help="Page to put the plots into.")
    parser.add_argument(
        "--format",
        choices=("html", "png", "svg"),
        default="html",
        help="What to write: a page, or each plot as a picture (default: html).",
    )


def run(ctx: Context, opts: Options) -> int:
    raise LookupError("every line of `plots` names a sub-command with a function of its own")


def props_of(opts: Options) -> dict[str, object]:
    """The properties that were given; those of definitions count for the others."""
    given = {name: getattr(opts, name) for name in PLOT_PROPS}
    return {name: value for name, value in given.items() if value is not None}


def _show(ctx: Context, opts: Options) -> int:
    opts.props = props_of(opts)
    code: int = load(PLOTS_SHOW if opts.format == "html" else PLOTS_PICTURES).run(ctx, opts)
    return code


def _modify(ctx: Context, opts: Options) -> int:
    find_root(ctx.cwd)  # other than plots are shown, they are modified in projects only
    opts.props = props_of(opts)
    code: int = load(PLOTS_MODIFY).run(ctx, opts)
    return code


def _templates(ctx: Context, opts: Options) -> int:
    find_root(ctx.cwd)
    if opts.template is None:
        for name in TEMPLATES:
            ctx.ui.write(name)
        return 0
    if opts.template not in TEMPLATES:
        hint = "'dvc plots templates' lists them"
        error = PlotError(f"Unexpected template: {opts.template}.", hint=hint)
        error.exit_code = 1
        raise error
    ctx.ui.write(json_line(TEMPLATES[opts.template]()))
    return 0
