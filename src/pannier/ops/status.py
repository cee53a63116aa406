"""status: what differs between the workspace and what was recorded."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence

from pannier.core.digest import MD5, Digest
from pannier.core.events import Progress
from pannier.core.path import relative
from pannier.core.record import dataclass, field
from pannier.core.stage import Dep, Out, ParamsDep, Stage
from pannier.core.typed import Any
from pannier.formats import values
from pannier.project import snapshot as snapshots
from pannier.project.index import workspace_reader
from pannier.project.presence import is_in_cache
from pannier.project.project import Project
from pannier.project.targets import ALL_TARGETS, TargetOptions, select_stages

AskSource = Callable[[Stage], dict[str, str]]
"""What an import's source has that is not recorded: dependency as shown -> its state."""


@dataclass(frozen=True, slots=True)
class StatusOptions:
    """ask_source: of imports, None not to ask. targets: as select_stages has them."""

    targets: TargetOptions = ALL_TARGETS
    ask_source: AskSource | None = None


@dataclass(frozen=True, slots=True)
class StatusReport:
    """changes: stage address -> what changed, in DVC's own JSON shape. stages: how many there
    are at all."""

    changes: dict[str, list[Any]] = field(default_factory=dict)
    stages: int = 0


def status(
    project: Project, targets: Sequence[str], options: StatusOptions, progress: Progress
) -> StatusReport:
    """Compares recorded digests with the workspace. Raises BadTarget, InvalidFile, DiskError."""
    stages = select_stages(project, targets, options.targets)
    looker = _Looker(project, options.targets.cwd, options.ask_source, progress)
    changes: dict[str, list[Any]] = {}
    snapshots.foresee(
        project,
        (
            (stage.path_of(out), out.digest.algorithm if out.digest else MD5)
            for stage in stages
            for out in stage.outs
        ),
    )
    task = progress.task("Checking", len(stages), unit="stage")
    for stage in stages:
        found = looker.stage(stage)
        if found:
            changes[stage.address_from(options.targets.cwd)] = found
        task.advance()
    task.close()
    return StatusReport(changes, len(stages))


class _Looker:
    """Compares one stage after the other."""

    def __init__(
        self, project: Project, cwd: str, ask_source: AskSource | None, progress: Progress
    ) -> None:
        self._project, self._cwd, self._progress = project, cwd, progress
        self._ask_source = ask_source
        self._read = workspace_reader(project)
        self._params: dict[str, dict[str, Any] | None] = {}

    def stage(self, stage: Stage) -> list[Any]:
        found: list[Any] = []
        from_project = stage.is_import and stage.deps[0].repo is not None
        if stage.frozen and not from_project:
            self._progress.warn(
                f"stage: '{stage.address_from(self._cwd)}' is frozen. Its dependencies are "
                "not going to be shown in the status output."
            )
        else:
            deps = self._deps(stage) if not stage.is_import else self._at_source(stage)
            if deps:
                found.append({"changed deps": deps})
        outs = {
            self._shown(stage, out): state
            for out in stage.outs
            if (state := self._out(stage, out)) is not None
        }
        if outs:
            found.append({"changed outs": outs})
        if stage.always_changed or stage.is_callback:
            found.append("always changed")
        if stage.cmd is not None and stage.cmd != stage.cmd_locked:
            found.append("changed command")
        if stage.is_import and stage.md5 != stage.computed_md5:
            found.append("changed checksum")
        return found

    def _at_source(self, stage: Stage) -> dict[str, str]:
        return self._ask_source(stage) if self._ask_source is not None else {}

    def _shown(self, stage: Stage, item: Out | Dep | ParamsDep) -> str:
        if "://" in item.path or posixpath.isabs(item.path):
            return item.path
        return relative(stage.path_of(item), self._cwd)

    def _out(self, stage: Stage, out: Out) -> str | None:
        if "://" in out.path:
            return None
        path = stage.path_of(out)
        look = snapshots.look(
            self._project, path, out.digest.algorithm if out.digest else MD5, self._progress
        )
        if out.cache and out.digest is not None:
            in_cache = is_in_cache(self._project, out.digest, look)
            if not in_cache:
                return "not in cache"
        return self._compared(look, out.digest)

    def _compared(self, look: snapshots.Snapshot, recorded: Digest | None) -> str | None:
        if look.kind == snapshots.ABSENT:
            return "deleted"
        if recorded is None:
            return "new"
        snapshots.measure(self._project, look, self._progress)
        if look.kind == snapshots.ABSENT:
            return "deleted"
        return None if look.digest == recorded else "modified"

    def _deps(self, stage: Stage) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for dep in stage.deps:
            if dep.is_url or dep.repo is not None or dep.db is not None:
                continue
            algorithm = dep.digest.algorithm if dep.digest else MD5
            look = snapshots.look(self._project, stage.path_of(dep), algorithm, self._progress)
            state = self._compared(look, dep.digest)
            if state is not None:
                found[self._shown(stage, dep)] = state
        for params in stage.params:
            changed = self._params_changed(stage, params)
            if changed:
                found[self._shown(stage, params)] = changed
        return found

    def _params_changed(self, stage: Stage, params: ParamsDep) -> Any:
        path = stage.path_of(params)
        if path not in self._params:
            data = self._read(path)
            self._params[path] = None if data is None else values.load_params(data, path)
        now = self._params[path]
        if now is None:
            return "deleted"
        if params.locked is None:
            return "new"
        return values.diff_params(params.locked, now, params.wanted)
