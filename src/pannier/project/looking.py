"""Looking: what differs between stages as recorded and what is in the workspace.

Which of it matters, and what is to be done about it, is for pannier.core.verdict and the callers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from pannier.core.digest import MD5, Digest
from pannier.core.errors import UnstorableEntries
from pannier.core.events import Progress
from pannier.core.record import dataclass
from pannier.core.stage import Dep, Out, ParamsDep, Stage
from pannier.core.typed import TYPE_CHECKING, Any
from pannier.core.verdict import (
    ALWAYS,
    CHECKSUM,
    COMMAND,
    DELETED,
    DEP,
    MODIFIED,
    NEW,
    NOT_IN_CACHE,
    OUT,
    PARAM,
    Change,
    shown_digest,
    shown_value,
    shown_values,
)
from pannier.formats import values
from pannier.project import snapshot as snapshots
from pannier.project.index import load_datasets, workspace_reader
from pannier.project.presence import is_in_cache
from pannier.project.project import Project

if TYPE_CHECKING:
    from pannier.core.datasets import Datasets

AskSource = Callable[[Stage], dict[str, str]]
"""What far dependencies of a stage have that is not recorded: dependency -> its state. Those of an
import are named as the user sees them, those of a command as they are declared."""


@dataclass(frozen=True, slots=True)
class _Found:
    digest: Digest | None
    there: bool


class Looker:
    """Looks at one stage after the other, at each path once until `forget` is called."""

    def __init__(
        self,
        project: Project,
        progress: Progress,
        ask_source: AskSource | None = None,
        *,
        makes_anew: bool = False,
    ) -> None:
        """ask_source: of dependencies that are far away; None not to ask. makes_anew: an output
        that holds what cannot be data differs from its record, and is no error."""
        self._project, self._progress = project, progress
        self._makes_anew = makes_anew
        self._ask_source = ask_source
        self._read = workspace_reader(project)
        self._params: dict[str, dict[str, Any] | None] = {}
        self._seen: dict[tuple[str, str], _Found] = {}
        self._datasets: Datasets | None = None

    def foresee(self, stages: Iterable[Stage]) -> None:
        """Says which stages will be looked at: one query then serves all."""
        paths: list[tuple[str, str]] = []
        for stage in stages:
            items: list[Out | Dep] = [*stage.outs, *_near(stage)]
            paths += [
                (stage.path_of(item), item.digest.algorithm if item.digest else MD5)
                for item in items
            ]
        snapshots.foresee(self._project, paths)

    def forget(self) -> None:
        """For when something was changed meanwhile: a command ran."""
        self._params.clear()
        self._seen.clear()
        self._datasets = None

    def changes(self, stage: Stage) -> list[Change]:
        """All that differs: dependencies, parameters, outputs, then the stage itself.

        Raises InvalidFile for a parameter file that cannot be read, DatasetNotFound, DiskError.
        """
        found = list(self._inputs(stage))
        for out in stage.outs:
            if "://" not in out.path and (change := self._out_or_odd(stage, out)) is not None:
                found.append(change)
        if stage.always_changed or stage.is_callback:
            found.append(Change(ALWAYS))
        if stage.cmd and stage.cmd != stage.cmd_locked:
            before = stage.cmd_locked
            old = None if before is None else shown_value(before)
            found.append(Change(COMMAND, state=MODIFIED, before=old, after=shown_value(stage.cmd)))
        if stage.is_import and stage.md5 != stage.computed_md5:
            found.append(Change(CHECKSUM, state=MODIFIED))
        return found

    def _inputs(self, stage: Stage) -> Iterator[Change]:
        for dep in stage.deps:
            if dep.is_dataset and (known := self._dataset_state(dep)) is not None:
                yield Change(DEP, dep.path, known)
        asked = stage.is_import or any(_is_far(dep) and not dep.is_dataset for dep in stage.deps)
        if asked and self._ask_source is not None:
            for path, now in self._ask_source(stage).items():
                yield Change(DEP, path, now)
        for dep in _near(stage):
            found = self._look(stage.path_of(dep), dep.digest)
            state = _compared(found, dep.digest)
            if state is not None:
                yield Change(
                    DEP, dep.path, state, "", shown_digest(dep.digest), shown_digest(found.digest)
                )
        for params in stage.params:
            yield from self._params_changes(stage, params)

    def _dataset_state(self, dep: Dep) -> str | None:
        if self._datasets is None:
            self._datasets = load_datasets(self._project)
        return self._datasets.state(dep.path, dep.extra.get("dataset"))

    def _out_or_odd(self, stage: Stage, out: Out) -> Change | None:
        try:
            return self._out(stage, out)
        except UnstorableEntries:
            if not self._makes_anew:
                raise
            return Change(OUT, out.path, MODIFIED, "", shown_digest(out.digest), None)

    def _out(self, stage: Stage, out: Out) -> Change | None:
        path = stage.path_of(out)
        before = shown_digest(out.digest)
        if out.cache and out.digest is not None:
            look = snapshots.look(
                self._project, path, out.digest.algorithm, self._progress, lost=True
            )
            if not is_in_cache(self._project, out.digest, look):
                return Change(OUT, out.path, NOT_IN_CACHE, "", before, None)
            found = self._measured(look, out.digest)
        else:
            found = self._look(path, out.digest)
        state = _compared(found, out.digest)
        if state is None:
            return None
        return Change(OUT, out.path, state, "", before, shown_digest(found.digest))

    def _look(self, path: str, recorded: Digest | None) -> _Found:
        algorithm = recorded.algorithm if recorded is not None else MD5
        key = (path, algorithm)
        if key not in self._seen:
            look = snapshots.look(self._project, path, algorithm, self._progress)
            self._seen[key] = self._measured(look, recorded)
        return self._seen[key]

    def _measured(self, look: snapshots.Snapshot, recorded: Digest | None) -> _Found:
        """Without a record to compare with it is enough that something is there."""
        if look.kind != snapshots.ABSENT and recorded is not None:
            snapshots.measure(self._project, look, self._progress)
        return _Found(look.digest, look.kind != snapshots.ABSENT)

    def _params_changes(self, stage: Stage, params: ParamsDep) -> Iterator[Change]:
        path = stage.path_of(params)
        if path not in self._params:
            data = self._read(path)
            self._params[path] = None if data is None else values.load_params(data, path)
        now = self._params[path]
        if now is None:
            is_folder = os.path.isdir(self._project.absolute(path))
            yield Change(
                PARAM, params.path, NEW if is_folder and params.locked is None else DELETED
            )
        elif params.locked is None:
            yield Change(PARAM, params.path, NEW)
        else:
            found = values.select(now, params.wanted)[0]
            for name, state in values.diff_params(params.locked, now, params.wanted).items():
                was, new = shown_values(params.locked.get(name), found.get(name))
                before = was if name in params.locked else None
                after = new if name in found else None
                yield Change(PARAM, params.path, state, name, before, after)


def _near(stage: Stage) -> list[Dep]:
    """The dependencies that are files of this machine."""
    if stage.is_import:
        return []  # a local source, too, is asked as such
    return [dep for dep in stage.deps if not _is_far(dep)]


def _is_far(dep: Dep) -> bool:
    return dep.is_url or dep.repo is not None or dep.db is not None


def _compared(found: _Found, recorded: Digest | None) -> str | None:
    if not found.there:
        return DELETED
    # What was never recorded is "modified" for DVC, too.
    return None if recorded is not None and found.digest == recorded else MODIFIED
