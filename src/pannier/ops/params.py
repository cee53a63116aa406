"""Parameters: how they differ between two revisions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from pannier.core.errors import InvalidFile
from pannier.core.events import Progress
from pannier.core.record import dataclass
from pannier.core.typed import Any
from pannier.formats.values import load_any, picked
from pannier.formats.variables import DEFAULT_FILE
from pannier.project.declared import WantedParams
from pannier.project.moments import Moment
from pannier.project.project import Project
from pannier.project.revisions import Revision
from pannier.project.values import Difference, Reading, difference, read_all, targets_from


@dataclass(frozen=True, slots=True)
class ParamsOptions:
    """targets: files or folders, shown whole whether a pipeline names them or not; none for all
    parameters. deps: only what stages depend on. cwd: root-relative directory that targets start
    from. all: values that are the same are told, too.
    """

    targets: tuple[str, ...] = ()
    deps: bool = False
    cwd: str = ""
    all: bool = False


def diff(
    project: Project, names: Sequence[str], options: ParamsOptions, progress: Progress
) -> Difference:
    """How parameters differ between two revisions. Raises GitError."""

    def read(revisions: list[Revision]) -> dict[str, Reading]:
        return read_all(project, revisions, partial(_look, options), progress)

    return difference(project, names, read, all=options.all)


def _look(options: ParamsOptions, moment: Moment) -> Iterator[tuple[str, Callable[[], Any]]]:
    wanted = WantedParams()
    for target in targets_from(options.cwd, options.targets):
        wanted.whole(target)
    if not options.targets:
        wanted.pipelines(moment.pipelines(), deps=options.deps)
        if not options.deps and moment.holds(DEFAULT_FILE):
            wanted.whole(DEFAULT_FILE)
    for path, names in wanted.names.items():
        for file in moment.files(path):
            yield file, partial(_values, moment, file, names)


def _values(moment: Moment, path: str, names: Sequence[str]) -> Any:
    found = moment.load(path, load_any)
    if not names:
        return {} if found is None else found
    if not isinstance(found, dict):
        raise InvalidFile(path, f"expected a dictionary, got '{type(found).__name__}'")
    return picked(found, names)
