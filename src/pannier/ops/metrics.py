"""Metrics: what they are, and how they differ between two revisions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from pannier.core.events import Progress
from pannier.core.record import dataclass
from pannier.core.typed import Any
from pannier.formats.values import load_any, metrics_of
from pannier.project.moments import Moment
from pannier.project.project import Project
from pannier.project.revisions import Revision
from pannier.project.targets import WORKSPACE_ONLY, RevisionOptions
from pannier.project.values import (
    Difference,
    Reading,
    difference,
    files_at,
    hide_workspace,
    read_all,
    shown_revisions,
    targets_from,
)


@dataclass(frozen=True, slots=True)
class MetricsOptions:
    """targets: files or folders, whether a pipeline names them or not; none for all metrics.
    cwd: root-relative directory that targets start from. revisions: beside the workspace, for
    `show`. all: for `diff`, those that are the same are there, too.
    """

    targets: tuple[str, ...] = ()
    cwd: str = ""
    revisions: RevisionOptions = WORKSPACE_ONLY
    all: bool = False


def show(project: Project, options: MetricsOptions, progress: Progress) -> dict[str, Reading]:
    """Name of each revision -> its metrics; the workspace is '' when it is alone, and left out
    when it is as the branch that is checked out. Raises GitError."""
    revisions = shown_revisions(project, options.revisions)
    readings = _read(project, revisions, options, progress)
    hide_workspace(project, readings)
    return readings


def diff(
    project: Project, names: Sequence[str], options: MetricsOptions, progress: Progress
) -> Difference:
    """How metrics differ between two revisions. Raises GitError."""
    return difference(
        project,
        names,
        lambda revisions: _read(project, revisions, options, progress),
        all=options.all,
    )


def _read(
    project: Project, revisions: Sequence[Revision], options: MetricsOptions, progress: Progress
) -> dict[str, Reading]:
    targets = targets_from(options.cwd, options.targets)

    def look(moment: Moment) -> Iterator[tuple[str, Callable[[], Any]]]:
        for path in files_at(moment, targets or _declared(moment)):
            yield path, partial(moment.load, path, _load)

    return read_all(project, revisions, look, progress)


def _load(data: bytes, path: str) -> Any:
    found = metrics_of(load_any(data, path))
    return {} if found is None else found


def _declared(moment: Moment) -> list[str]:
    """All that pipelines name: outputs of stages first."""
    pipelines = moment.pipelines()
    outs = [path for one in pipelines for path in one.metric_outs()]
    return outs + [path for one in pipelines for path in one.metrics_at_top()]
