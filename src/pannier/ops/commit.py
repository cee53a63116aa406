"""commit: record the workspace's present content of outputs that are tracked already."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from pannier.core.errors import CommitDeclined, OutputMissing, PannierError
from pannier.core.events import Progress
from pannier.core.record import dataclass, replace
from pannier.core.stage import Stage
from pannier.core.value_diff import same
from pannier.disk.mutex import check_not_busy
from pannier.project import stage_record
from pannier.project.carried import carry_versions
from pannier.project.index import outs_of
from pannier.project.lock_files import LockFiles, lock_name
from pannier.project.project import Project
from pannier.project.run_cache import RunCache
from pannier.project.snapshot import unstorable
from pannier.project.stage_record import Seen
from pannier.project.targets import ALL_TARGETS, TargetOptions, select_named
from pannier.project.tracking import shown
from pannier.project.workspace import sweep

Ask = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class CommitOptions:
    """force: do not ask. relink: replace files by links where links are configured.
    measure_far: of URLs that commands read."""

    targets: TargetOptions = ALL_TARGETS
    force: bool = False
    relink: bool = True
    measure_far: stage_record.MeasureFar | None = None


def commit(
    project: Project,
    targets: Sequence[str],
    options: CommitOptions,
    ask: Ask,
    progress: Progress,
) -> Iterator[tuple[str, bool]]:
    """Stores what the selected stages' outputs hold now, then writes pointers and lock files: each
    once for a target, and not when one of the stages fails that the target stands for.

    Yields each that changed, root-relative, and whether it is new. ask: shown for a stage whose
    record would change. Raises CommitDeclined, OutputMissing,
    FileChanged, DiskError.
    """
    sweep(project)
    named = select_named(project, targets, options.targets)
    paths = [project.absolute(ref.path) for stage, _ in named for ref in outs_of(stage)]
    check_not_busy(project.rwlock, paths, writing=True)
    for stage, target in named:
        _refuse_missing(project, stage, target, options.targets.cwd)
    locks = LockFiles(project)
    files = {lock_name(stage.file) for stage, _ in named if stage.name is not None}
    new = {file for file in files if not os.path.exists(project.absolute(file))}
    for _, group in groupby(named, key=lambda one: (one[1], one[0].file)):
        done = []
        for stage, target in group:
            try:
                done.append(_stored(project, stage, options, ask, progress))
            except PannierError as error:
                error.about = target
                raise
        written = stage_record.write_all(project, [seen.stage for seen in done], locks)
        for seen in done:
            stage_record.settle(project, seen, progress, with_links=options.relink)
        for path in written:
            yield path, path in new
            new.discard(path)


def _refuse_missing(project: Project, stage: Stage, target: str | None, cwd: str) -> None:
    """Before anything is written: one output that is not there, and nothing is recorded."""
    for out in stage.outs:
        path = stage.path_of(out)
        if "://" in out.path or os.path.exists(project.absolute(path)):
            continue
        error: PannierError = OutputMissing(shown(path, cwd))
        if os.path.islink(project.absolute(path)):
            error = unstorable(project, [(path, "it is a link to nothing")])
        error.about = target
        raise error


def _stored(
    project: Project, stage: Stage, options: CommitOptions, ask: Ask, progress: Progress
) -> Seen:
    """The stage as it is to be recorded, all that it names in the store."""
    cwd = options.targets.cwd
    seen = stage_record.see(project, stage, progress, cwd=cwd, measure_far=options.measure_far)
    changes = _changes(stage, seen.stage)
    if changes and not options.force:
        question = (
            f"{' and '.join(changes)} of stage: '{stage.address_from(cwd)}' changed. "
            "Are you sure you want to commit it?"
        )
        if not ask(question):
            raise CommitDeclined(stage.address_from(cwd))
    seen = stage_record.store_outs(project, seen, progress)
    if stage.name is None:
        seen = replace(seen, stage=carry_versions(project, stage, seen.stage))
    run_cache = RunCache(project, progress)
    is_asked = bool(options.force or changes)  # where nothing changed DVC makes no record
    if is_asked and run_cache.store(seen.stage, seen.looks, by_hand=True):
        run_cache.keep(seen.stage, by_hand=True)
    return seen


def _changes(old: Stage, new: Stage) -> list[str]:
    """What a commit would change of the record, in the words of DVC's question."""
    deps = [
        item.path
        for item, now in zip(old.deps, new.deps, strict=True)
        if (item.digest, item.checksum) != (now.digest, now.checksum)
    ] + [
        item.path
        for item, now in zip(old.params, new.params, strict=True)
        if not same(item.locked, now.locked)
    ]
    outs = [
        item.path for item, now in zip(old.outs, new.outs, strict=True) if item.digest != now.digest
    ]
    found = []
    if deps:
        found.append(f"dependencies {deps}")
    if outs:
        found.append(f"outputs {outs}")
    if old.cmd and old.cmd != old.cmd_locked:
        found.append("md5")
    return found
