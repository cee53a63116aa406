"""plots modify: the properties of a plot that a stage writes."""

from __future__ import annotations

from collections.abc import Mapping

from pannier.core.errors import PannierError
from pannier.core.plot_errors import PlotError
from pannier.core.reading_errors import OutputNotFound
from pannier.core.record import dataclass
from pannier.core.stage import Stage
from pannier.core.typed import Any
from pannier.disk import fsio
from pannier.formats.definition import PLOT_PROPS
from pannier.formats.pipeline_edit import is_parametrized
from pannier.formats.plot_edit import PlotChange, with_plot
from pannier.project.index import load_index
from pannier.project.plot_templates import find_template
from pannier.project.project import Project
from pannier.project.targets import root_relative
from pannier.project.tracking import read_bytes


@dataclass(frozen=True, slots=True)
class ModifyOptions:
    """props: those to set. unset: those to take away, None when that was not asked for.
    cwd: root-relative directory that the target starts from."""

    props: Mapping[str, Any]
    unset: tuple[str, ...] | None = None
    cwd: str = ""


def modify(project: Project, target: str, options: ModifyOptions) -> Stage:
    """Changes the file; returns the stage that was changed.

    Raises OutputNotFound, TemplateMissing, PlotError, PannierError for a stage that stands for
    several.
    """
    if options.props.get("template"):
        find_template(project, str(options.props["template"]), project.absolute(options.cwd))
    path = root_relative(project, options.cwd, target)
    ref = next((ref for ref in load_index(project).outs() if ref.path == path), None)
    if ref is None:
        raise OutputNotFound(target)
    if options.unset is not None:
        if ref.out.kind != "plot":
            raise PlotError(
                f"'{target}' is not a known plot. Use `dvc plots modify` to turn it into one."
            )
        known = [key for key in PLOT_PROPS if key in ref.out.extra]
        missing = [key for key in options.unset if key not in known]
        if missing:
            raise PlotError(f"display properties {missing} not found in plot '{target}'")
    stage = ref.stage
    if stage.name is None:
        raise PlotError(
            f"'{target}' is data of '{stage.file}': only what stages write has such properties",
            hint="name it under 'plots' at the top of dvc.yaml",
        )
    file = project.absolute(stage.file)
    before = read_bytes(file) or b""
    if is_parametrized(before, stage.name, stage.file):
        raise PannierError(
            f"cannot dump a parametrized stage: '{stage.address_from(options.cwd)}'",
            hint=f"edit '{stage.file}' by hand: its text stands for several stages, or holds"
            " expressions",
        )
    change = PlotChange(ref.out.path, options.props, options.unset or ())
    fsio.make_dirs(project.scratch)
    after = with_plot(before, stage.name, change, stage.file)
    fsio.write_atomic(file, after, scratch=project.scratch)
    return stage
