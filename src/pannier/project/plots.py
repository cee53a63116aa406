"""The plots of a project at one moment: what is defined, and the data that it is drawn from."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

from pannier.core.errors import PannierError
from pannier.core.path import is_within, join, relative
from pannier.core.plots import Definitions, Props, Shot, is_path
from pannier.core.record import dataclass, field
from pannier.core.stage import Stage
from pannier.core.typed import Any
from pannier.formats.definition import PLOT_PROPS
from pannier.formats.plot_data import check_kind, load, load_without_header
from pannier.project.declared import Declared
from pannier.project.moments import Moment


@dataclass(frozen=True, slots=True)
class PlotTargets:
    """Which plots. targets: ids, files or folders as typed in cwd; each stands for all ids that
    begin like it, as a regular expression does. props: properties over those defined.

    cwd: root-relative directory that ids and targets start from.
    """

    targets: tuple[str, ...] = ()
    props: Props = field(default_factory=dict)
    cwd: str = ""


def shot_of(moment: Moment, wanted: PlotTargets) -> Shot:
    """All plots that are wanted. What is wrong with the definitions is told in the shot."""
    headless: list[str] = []

    def read(source: str) -> Any:
        path = join(wanted.cwd, source)
        without = wanted.props.get("header") is False or _lies_in(path, headless)
        check_kind(path)
        return moment.load(path, load_without_header if without else load)

    try:
        definitions = _Collector(moment, wanted).definitions()
        headless += _headless(moment, wanted.props)
    except PannierError as error:
        return Shot({}, read, error)
    return Shot(definitions, read)


def _headless(moment: Moment, props: Mapping[str, Any]) -> list[str]:
    """The outputs whose tables have no line of names."""
    return [
        path for _, path, own in _outputs(moment) if {**own, **props}.get("header", True) is False
    ]


def _lies_in(path: str, outer: list[str]) -> bool:
    return any(is_within(path, each) for each in outer)


def _outputs(moment: Moment) -> Iterator[tuple[Stage, str, Props]]:
    """(stage, path, properties) of each output that is a plot."""
    for one in moment.pipelines():
        for stage in one.pipeline.stages:
            for out in stage.outs:
                if out.kind == "plot":
                    props = {key: out.extra[key] for key in PLOT_PROPS if key in out.extra}
                    yield stage, stage.path_of(out), props


class _Collector:
    """Collects the definitions of one moment."""

    def __init__(self, moment: Moment, wanted: PlotTargets) -> None:
        self.moment, self.wanted = moment, wanted
        self.found: Definitions = {}

    def definitions(self) -> Definitions:
        for one in self.moment.pipelines():
            if one.pipeline.plots:
                self._add_top(one)
        for stage, path, props in _outputs(self.moment):
            if self._is_wanted(self._shown(path), stage.file):
                self._add_files("", path, props)
        for target in self.wanted.targets:
            path = join(self.wanted.cwd, posixpath.normpath(target))
            if not self.found or self._is_there(path):
                self._add_files("", path, {})
        return self.found

    def _add_top(self, one: Declared) -> None:
        """What stands under `plots` at the top of a pipeline."""
        plots = {name: props or {} for name, props in one.pipeline.plots}
        paths = {name: join(one.folder, name) for name in plots}
        file = self._shown(one.file)
        self.found.setdefault(file, {})
        for name, props in plots.items():
            if not self._is_wanted(name, one.file):
                continue
            if not is_path(props):
                self._add(file, name, self._with_paths(props, one.folder))
                continue
            # A folder's definition is not for what a closer one is about.
            inner = [path for path in paths.values() if path != paths[name]]
            inner = [path for path in inner if is_within(path, paths[name])]
            self._add_files(file, paths[name], props, leave_out=inner)

    def _with_paths(self, props: Props, folder: str) -> Props:
        """Properties with the files of their axes as seen from where ids start."""
        return {
            key: {self._shown(join(folder, path)): column for path, column in value.items()}
            if key in ("x", "y") and isinstance(value, dict)
            else value
            for key, value in props.items()
        }

    def _add_files(
        self, file: str, path: str, props: Props, leave_out: list[str] | None = None
    ) -> None:
        self.found.setdefault(file, {})
        for each in self.moment.files(path):
            if not _lies_in(each, leave_out or []):
                self._add(file, self._shown(each), props)

    def _add(self, file: str, name: str, props: Props) -> None:
        known = self.found[file].get(name, {})
        self.found[file][name] = {**known, **props, **self.wanted.props}

    def _is_wanted(self, name: str, file: str) -> bool:
        targets = self.wanted.targets
        full = f"{self._shown(file)}::{name}"
        return not targets or any(_begins(name, each) or _begins(full, each) for each in targets)

    def _is_there(self, path: str) -> bool:
        return self.moment.files(path) != [path] or self.moment.has(path)

    def _shown(self, path: str) -> str:
        return relative(path, self.wanted.cwd)


def _begins(name: str, target: str) -> bool:
    try:
        return re.match(target, name) is not None
    except re.error:
        return name.startswith(target)
