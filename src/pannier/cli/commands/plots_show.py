"""dvc plots show, dvc plots diff: a page, a specification, or JSON for tools."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from pannier.cli.context import Context, Options
from pannier.cli.render import json_line
from pannier.cli.selection import root_cwd
from pannier.cli.value_tables import as_failure
from pannier.core.errors import PannierError
from pannier.core.plot_errors import PlotError
from pannier.core.plots import REV, Figure
from pannier.core.typed import Any
from pannier.formats.plot_filling import fill, split
from pannier.formats.plot_page import Drawing, chart, page, pictures
from pannier.ops.plots import (
    Pictures,
    PlotsReport,
    compared,
    page_template,
    place_of_page,
    plots_at,
    scripts,
    template_of,
    write_page,
)
from pannier.project.plots import PlotTargets
from pannier.project.revisions import WORKSPACE


def run(ctx: Context, opts: Options) -> int:
    try:
        return _run(ctx, opts)
    except PannierError as error:
        error.exit_code = 1
        raise


def _run(ctx: Context, opts: Options) -> int:
    if opts.show_vega:
        _check_show_vega(opts)
    with asked_for(ctx, opts) as report:
        if opts.json:
            _write_json(ctx, opts, report)
        elif opts.show_vega:
            _write_vega(ctx, report)
        elif report.shots:
            return _write_page(ctx, opts, report)
        else:
            tell_none(ctx)
    return 0


def asked_for(ctx: Context, opts: Options) -> AbstractContextManager[PlotsReport]:
    """The plots that a line asks for."""
    wanted = PlotTargets(tuple(opts.targets or ()), opts.props, root_cwd(ctx))
    names = [WORKSPACE] if opts.cmd == "show" else compared(ctx.project, opts.revisions)
    return plots_at(ctx.project, names, wanted, ctx.ui.progress)


def tell_none(ctx: Context) -> None:
    ctx.ui.plain_error("No plots were loaded, visualization file will not be created.")


class Figures:
    """The figures of a report; what of them failed is told when all of them are drawn."""

    def __init__(self, ctx: Context, report: PlotsReport) -> None:
        self._ctx, self._report = ctx, report
        self.failed: list[tuple[str, str, str | None, PannierError]] = []

    def __iter__(self) -> Iterator[Figure]:
        for figure in self._report.figures:
            yield figure
            self.failed += [(figure.id, *failure) for failure in figure.failed]
        self._tell()

    def _tell(self) -> None:
        unread = {revision for _, revision, source, _ in self.failed if source is not None}
        shots = self._report.shots.items()
        names = [name for name, shot in shots if shot.error is not None or name in unread]
        if names:
            self._ctx.ui.plain_error(
                f"DVC failed to load some plots for following revisions: '{', '.join(names)}'."
            )
        for _, revision, source, why in self.failed:
            if source is None:
                self._ctx.ui.warn(f"In '{revision}', {why.message.lower()}")


def _check_show_vega(opts: Options) -> None:
    targets = opts.targets or []
    if not targets:
        raise PannierError("please specify a target for `--show-vega`")
    if len(targets) > 1:
        raise PannierError("you can only specify one target for `--show-vega`")
    if opts.json:
        raise PannierError("'--show-vega' and '--json' are mutually exclusive options.")


# -- JSON ----


def _write_json(ctx: Context, opts: Options, report: PlotsReport) -> None:
    figures = Figures(ctx, report)
    folder = Pictures(place_of_page(ctx.project, ctx.cwd, opts.out))
    # As text, plot by plot: all of them as values would take many times the room.
    data = [
        f"{json_line(figure.id)}: {json_line(_shown(ctx, opts, figure, folder))}"
        for figure in figures
    ]
    errors = [_failure(*failed) for failed in figures.failed]
    errors += [
        {"rev": name, "type": "YAMLValidationError", "msg": shot.error.message}
        for name, shot in report.shots.items()
        if shot.error is not None
    ]
    parts = [f'"errors": {json_line(errors)}'] if errors else []
    parts += [f'"data": {{{", ".join(data)}}}'] if data else []
    ctx.ui.write(f"{{{', '.join(parts)}}}")


def _shown(ctx: Context, opts: Options, figure: Figure, folder: Pictures) -> list[dict[str, Any]]:
    """One entry for a chart, one for each revision of a picture. What cannot be filled is told."""
    if not figure.points:
        return []
    if figure.is_image:
        folder.write(figure)
        return [
            {"type": "image", "revisions": [point[REV]], "url": point["src"]}
            for point in figure.points
        ]
    entry: dict[str, Any] = {"type": "vega", "revisions": figure.revisions}
    try:
        template = template_of(ctx.project, figure, ctx.cwd)
        if opts.split:
            entry["content"], entry["anchor_definitions"] = split(template, figure)
        else:
            entry["content"] = fill(template, figure)
    except PlotError as error:
        figure.failed += [(revision, None, error) for revision in figure.revisions]
        return []
    return [entry]


def _failure(name: str, revision: str, source: str | None, why: PannierError) -> dict[str, str]:
    place = {} if source is None else {"source": source}
    return {"name": name, "rev": revision, **place, **as_failure(why, source or "")}


# -- specification and page ----


def _write_vega(ctx: Context, report: PlotsReport) -> None:
    spec: dict[str, Any] | None = None
    for figure in Figures(ctx, report):
        if spec is None and not figure.is_image:
            template = template_of(ctx.project, figure, ctx.cwd)
            spec = fill(template, figure) if figure.points else {}
    if spec is not None:
        ctx.ui.write(json_line(spec))


def _write_page(ctx: Context, opts: Options, report: PlotsReport) -> int:
    folder = place_of_page(ctx.project, ctx.cwd, opts.out)
    template = page_template(ctx.project, opts.html_template)
    static = Pictures(os.path.join(folder, "static"))
    drawings: list[Drawing] = []
    is_empty = True
    for figure in Figures(ctx, report):
        is_empty = False
        if not figure.points:
            continue
        if figure.is_image:
            static.write(figure)
            for point in figure.points:
                point["src"] = os.path.relpath(point["src"], folder)
            drawings.append(pictures(figure))
        else:
            spec = fill(template_of(ctx.project, figure, ctx.cwd), figure)
            drawings.append(chart(len(drawings) + 1, spec))
    if is_empty:
        return 0
    has_charts = any(one.has_chart for one in drawings)
    path = write_page(page(drawings, scripts() if has_charts else [], template), folder)
    ctx.ui.write(Path(path).as_uri())
    always = ctx.project.settings.flag("plots.auto_open")
    return _open(ctx, path, always=always) if opts.open or always else 0


def _open(ctx: Context, path: str, *, always: bool) -> int:
    import webbrowser  # not fast, and rarely asked for

    if not always:
        ctx.ui.write("To enable auto opening, you can run:\n\n\tdvc config plots.auto_open true")
    if webbrowser.open(Path(path).as_uri()):
        return 0
    ctx.ui.error("Failed to open. Please try opening it manually.")
    return 1
