"""status: what differs between the workspace and what was recorded."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from pannier.core.events import Progress
from pannier.core.path import relative
from pannier.core.record import dataclass, field
from pannier.core.stage import Stage
from pannier.core.typed import Any
from pannier.core.verdict import ALWAYS, CHECKSUM, COMMAND, DEP, OUT, PARAM, Change
from pannier.project.looking import AskSource, Looker
from pannier.project.project import Project
from pannier.project.targets import ALL_TARGETS, TargetOptions, select_stages


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
    cwd = options.targets.cwd
    looker = Looker(project, progress, options.ask_source)
    looker.foresee(stages)
    changes: dict[str, list[Any]] = {}
    task = progress.task("Checking", len(stages), unit="stage")
    for stage in stages:
        dep = stage.deps[0] if stage.is_import else None
        asked = dep is not None and (dep.repo is not None or dep.is_versioned)
        frozen = stage.frozen and not asked
        if frozen:
            progress.warn(
                f"stage: '{stage.address_from(cwd)}' is frozen. Its dependencies are "
                "not going to be shown in the status output."
            )
        found = _as_dvc(stage, looker.changes(stage), cwd, frozen=frozen)
        if found:
            changes[stage.address_from(cwd)] = found
        task.advance()
    task.close()
    return StatusReport(changes, len(stages))


def _as_dvc(stage: Stage, changes: Sequence[Change], cwd: str, *, frozen: bool) -> list[Any]:
    """The entry of one stage. frozen: its dependencies are not shown."""
    deps: dict[str, Any] = {}
    outs: dict[str, Any] = {}
    rest: list[Any] = []
    for change in changes:
        given = stage.is_import and change.kind == DEP
        shown = change.path if given else _shown(stage, change.path, cwd)
        if change.kind == OUT:
            outs[shown] = change.state
        elif change.kind in (DEP, PARAM) and frozen:
            continue
        elif change.kind == DEP or (not change.name and change.kind == PARAM):
            deps[shown] = change.state
        elif change.kind == PARAM:
            deps.setdefault(shown, {})[change.name] = change.state
        elif change.kind != COMMAND or change.before is not None:  # else it never ran
            rest.append(_WORDS[change.kind])
    found: list[Any] = []
    if deps:
        found.append({"changed deps": deps})
    if outs:
        found.append({"changed outs": outs})
    return found + rest


_WORDS = {ALWAYS: "always changed", COMMAND: "changed command", CHECKSUM: "changed checksum"}


def _shown(stage: Stage, path: str, cwd: str) -> str:
    if "://" in path or posixpath.isabs(path) or path == "":
        return path
    return relative(posixpath.normpath(posixpath.join(stage.wdir, path)), cwd)
