"""Plots: read at several revisions, and written as a page and pictures."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pannier.core.errors import DiskError
from pannier.core.events import Progress
from pannier.core.pattern import pattern
from pannier.core.plots import FILENAME, REV, Figure, Shot, figures
from pannier.core.record import dataclass
from pannier.disk import fsio
from pannier.disk.derived import write_derived
from pannier.disk.reading import read_regular
from pannier.formats.plot_templates import DEFAULT, Spec
from pannier.git.filters import is_dirty
from pannier.project.moments import Moments
from pannier.project.plot_templates import find_template
from pannier.project.plots import PlotTargets, shot_of
from pannier.project.project import Project
from pannier.project.revisions import WORKSPACE
from pannier.project.values import commits_of, git_of

_FOLDER = "dvc_plots"
_NO_NAME = pattern(r"^\.|[^\w.\- ]")
_NAME_BYTES = 200


@dataclass(frozen=True, slots=True)
class PlotsReport:
    """shots: by revision, those with plots or with an error only. figures: in the order in which
    they are defined; each is read when it is asked for, once."""

    shots: dict[str, Shot]
    figures: Iterator[Figure]


@contextmanager
def plots_at(
    project: Project, names: Sequence[str], wanted: PlotTargets, progress: Progress
) -> Iterator[PlotsReport]:
    """The plots of revisions as the user named them; the workspace comes first. Raises GitError."""
    ordered = sorted(dict.fromkeys(names), key=lambda name: name != WORKSPACE)
    commits = dict(zip(ordered, commits_of(project, ordered), strict=True))
    moments = Moments(project, progress)
    moments.foresee(commits.values())
    task = progress.task("Reading plots", unit="plot")

    def drawn(shots: dict[str, Shot]) -> Iterator[Figure]:
        for figure in figures(shots):
            moments.forget_values()
            task.advance()
            yield figure

    try:
        taken = {name: shot_of(moments.at(sha), wanted) for name, sha in commits.items()}
        shots = {name: s for name, s in taken.items() if s.definitions or s.error is not None}
        yield PlotsReport(shots, drawn(shots))
    finally:
        task.close()
        moments.close()


def compared(project: Project, names: Sequence[str]) -> list[str]:
    """The revisions that `plots diff` compares: one is compared with the workspace; none stands
    for HEAD where something changed since. Empty before the first commit. Raises GitError."""
    git = git_of(project)
    if git.head() is None:
        return []
    found = list(names)
    if not found and is_dirty(git):
        found = ["HEAD"]
    return found if len(found) > 1 else [*found, WORKSPACE]


def template_of(project: Project, figure: Figure, cwd: str) -> Spec:
    """The template of a figure. cwd: absolute. Raises as `find_template` does."""
    return find_template(project, str(figure.props.get("template") or DEFAULT), cwd)


class Pictures:
    """Writes pictures as files of one folder, each under a name of its own."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._taken: dict[str, tuple[str, ...]] = {}

    def write(self, figure: Figure) -> None:
        """Each point of the figure gets its `src`, absolute, in the place of its bytes.

        Raises DiskError.
        """
        for point in figure.points:
            what = (point[REV], point[FILENAME])
            name = "_".join(what).replace("/", "_")
            point["src"] = self._write(what, name, point.pop("image"))

    def write_chart(self, figure: Figure, data: bytes, form: str) -> str:
        """Writes what was drawn of a figure; returns its path, absolute. Raises DiskError."""
        # An id is what somebody wrote into a pipeline, no file name yet.
        stem = _NO_NAME.sub("_", figure.id).encode()[:_NAME_BYTES].decode(errors="ignore")
        return self._write((figure.id,), f"{stem}.{form}", data)

    def _write(self, what: tuple[str, ...], name: str, data: bytes) -> str:
        fsio.make_dirs(self._folder)
        stem, ending = os.path.splitext(name)
        number = 1
        while self._taken.get(name, what) != what:  # 'a/b.png' and 'a_b.png'
            number += 1
            name = f"{stem}-{number}{ending}"
        path = os.path.join(self._folder, name)
        if name not in self._taken:
            self._taken[name] = what
            write_derived(path, data)
        return path


def write_page(text: str, folder: str) -> str:
    """Writes `index.html` into a folder; returns its path. Raises DiskError."""
    fsio.make_dirs(folder)
    path = os.path.join(folder, "index.html")
    write_derived(path, text.encode("utf-8", "surrogateescape"))
    return path


def scripts() -> list[str]:
    """The programs that draw plots in a browser, in the order in which they are needed."""
    folder = os.path.join(os.path.dirname(os.path.dirname(__file__)), "vega")
    names = ("vega", "vega-lite", "vega-embed")
    return [read_regular(f"{folder}/{name}.min.js").decode() for name in names]


def page_template(project: Project, given: str | None) -> str | None:
    """The page to put plots into: the file that is given, else the one of the settings; None
    without. Raises DiskError."""
    setting = project.settings.get("plots.html_template")
    path = given or (os.path.join(project.dvc_dir, setting) if setting else None)
    if path is None:
        return None
    try:
        return read_regular(path).decode("utf-8", "replace")
    except OSError as error:
        fsio.fail(error, path)


def place_of_page(project: Project, cwd: str, given: str | None) -> str:
    """The folder that plots are written to, absolute. given: the user's choice; else the project's,
    which must lie in it: a project does not decide over other places. Raises DiskError."""
    if given is not None:
        return os.path.realpath(os.path.join(cwd, given))
    named = project.settings.get("plots.out_dir") or _FOLDER
    real = os.path.realpath(os.path.join(cwd, named))
    root = os.path.realpath(project.root)
    inside = os.path.relpath(real, root).split("/")
    if inside[0] in ("..", ".git", ".dvc"):
        raise DiskError(
            named,
            errno.EPERM,
            f"it leads to '{real}', and a project writes plots only within itself",
            hint="if you want them there, say so: --out <folder>",
        )
    return real
