"""dvc plots show, dvc plots diff with --format png or svg: each plot as a picture."""

from __future__ import annotations

import os

from pannier.cli.commands.plots_show import Figures, asked_for, tell_none
from pannier.cli.context import Context, Options
from pannier.core.errors import PannierError
from pannier.formats.plot_filling import fill
from pannier.ops.plots import Pictures, PlotsReport, place_of_page, template_of
from pannier.project.chart_images import Drawer


def run(ctx: Context, opts: Options) -> int:
    try:
        _check_format(opts)
        with asked_for(ctx, opts) as report:
            if report.shots:
                _write_pictures(ctx, opts, report)
            else:
                tell_none(ctx)
    except PannierError as error:
        error.exit_code = 1
        raise
    return 0


def _check_format(opts: Options) -> None:
    """What makes or changes a page, or prints something else, has no meaning for pictures."""
    for given, name in (
        (opts.json, "--json"),
        (opts.show_vega, "--show-vega"),
        (opts.open, "--open"),
        (opts.html_template, "--html-template"),
    ):
        if given:
            raise PannierError(f"'--format {opts.format}' and '{name}' are mutually exclusive.")


def _write_pictures(ctx: Context, opts: Options, report: PlotsReport) -> None:
    """Each chart as one picture, and the pictures of the project as they are."""
    with Drawer() as drawer:
        folder = Pictures(place_of_page(ctx.project, ctx.cwd, opts.out))
        for figure in Figures(ctx, report):
            if not figure.points:
                continue
            if figure.is_image:
                folder.write(figure)
                paths = [point["src"] for point in figure.points]
            else:
                spec = fill(template_of(ctx.project, figure, ctx.cwd), figure)
                drawn = drawer.draw(figure.id, spec, opts.format)
                paths = [folder.write_chart(figure, drawn, opts.format)]
            for path in paths:
                ctx.ui.write(os.path.relpath(path, os.path.realpath(ctx.cwd)))
