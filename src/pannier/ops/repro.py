"""repro: run what changed, and all that depends on it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from glob import glob

from pannier.core.errors import BadTarget, PannierError
from pannier.core.events import Progress
from pannier.core.graph import Graph, Outputs, stage_graph
from pannier.core.path import join
from pannier.core.record import dataclass, field, replace
from pannier.core.stage import Stage
from pannier.core.verdict import RUN, SKIP, Verdict
from pannier.project.carrying import Carrier
from pannier.project.index import load_index
from pannier.project.lock_files import LockFiles
from pannier.project.project import Project
from pannier.project.targets import TargetOptions, select_stages
from pannier.project.tracking import stage_in_git
from pannier.project.workspace import sweep
from pannier.run.coordinator import FAIL, IGNORE, Coordinator, Plan, StageFailed
from pannier.run.executors import LOCAL, executor_config, open_executor
from pannier.run.far import FarRunner, code_of
from pannier.run.limits import Limits, limits_of
from pannier.run.local import LocalRunner, Runner
from pannier.run.narrator import Narrator
from pannier.run.schedule import Capacity, Schedule
from pannier.run.work import RunOptions, Workshop

Lock = Callable[[bool], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class ReproOptions:
    """Which stages, and how; see docs/commands.md, `repro`. cwd: root-relative. jobs: at once, None
    for one here, or all that an executor has. remote: what workers elsewhere share with us."""

    cwd: str = ""
    recursive: bool = False
    glob: bool = False
    single: bool = False
    pipeline: bool = False
    all_pipelines: bool = False
    downstream: bool = False
    force_downstream: bool = False
    on_error: str = FAIL
    jobs: int | None = None
    executor: str = "local"
    remote: str | None = None
    run: RunOptions = field(default_factory=RunOptions)


@dataclass(frozen=True, slots=True)
class ReproReport:
    """stages: addresses of those about which something was done. changed: files for `git add`,
    root-relative. staged: that was done already."""

    stages: list[str]
    changed: list[str]
    staged: bool = False


def repro(
    project: Project,
    targets: Sequence[str],
    options: ReproOptions,
    lock: Lock,
    narrator: Narrator,
    progress: Progress,
) -> ReproReport:
    """Brings the stages that targets name, and all that they need, up to date.

    Raises BadTarget, Overlap, Cycle, InvalidFile before anything is done; StageFailed.
    """
    with lock(False):
        sweep(project)
        plan = plan_of(project, targets, options, progress)
        locks = LockFiles(project)
        locks.watch(plan.stages)
    if options.executor != LOCAL:
        return _elsewhere(project, plan, locks, options, lock, narrator, progress)
    jobs = options.jobs or 1
    runner = LocalRunner(jobs, narrator)
    try:
        return _run(project, plan, locks, options, jobs, lock, runner, narrator, progress)
    finally:
        runner.close()


def _elsewhere(
    project: Project,
    plan: Plan,
    locks: LockFiles,
    options: ReproOptions,
    lock: Lock,
    narrator: Narrator,
    progress: Progress,
) -> ReproReport:
    """The same by workers on other machines."""
    config = executor_config(options.executor, project.settings.executors())
    made = [one.path for one in plan.outputs.all if one.out.cache]
    with Carrier(project, progress, options.remote) as carrier:
        code = code_of(project, made)
        with open_executor(config, f"{project.scratch}/jobs", progress.warn) as workers:
            runner = FarRunner(project, workers, code, carrier, narrator, progress)
            runner.check(plan.stages)
            far = replace(options, run=replace(options.run, carrier=carrier))
            jobs = options.jobs or workers.count
            return _run(project, plan, locks, far, jobs, lock, runner, narrator, progress)


def _run(
    project: Project,
    plan: Plan,
    locks: LockFiles,
    options: ReproOptions,
    jobs: int,
    lock: Lock,
    runner: Runner,
    narrator: Narrator,
    progress: Progress,
) -> ReproReport:
    limits = plan.limits
    for stage, wants in zip(plan.stages, limits, strict=True):
        for key in wants.strange:
            progress.debug(f"'{key}' in the meta of '{stage.address}' is not ours: it is ignored")
    alone = jobs == 1 or runner.is_far  # workers elsewhere have what they have
    if alone:
        limits = [replace(one, gpu=0) for one in limits]
    schedule = Schedule(plan.graph, limits, _capacity(jobs, alone=alone))
    if not alone:
        schedule.check([stage.address for stage in plan.stages])
    workshop = Workshop(project, options.run, locks, narrator, progress)
    workshop.looker.foresee(plan.stages)
    coordinator = Coordinator(
        project, plan, schedule, runner, options.run, narrator, workshop, lock
    )
    coordinator.run()
    done = workshop.done
    changed = list(done.changed)
    with lock(True):
        staged = stage_in_git(project, changed)
    return ReproReport([stage.address_from(options.cwd) for stage in done.stages], changed, staged)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What `repro` would do about a stage. known: its command would be spared, the cache has what
    it would make. gone: why it would fail. skipped: stages that would be left out then. waits:
    those before it of which it depends whether this stays so."""

    stage: Stage
    verdict: Verdict
    known: bool = False
    gone: str = ""
    skipped: tuple[Stage, ...] = ()
    waits: tuple[Stage, ...] = ()


def dry(
    project: Project,
    targets: Sequence[str],
    options: ReproOptions,
    narrator: Narrator,
    progress: Progress,
) -> Iterator[Foreseen]:
    """What `repro` would do about each stage as things stand now; nothing is changed.

    Raises as `repro` does, StageFailed for an input that is not there and that no stage makes.
    """
    plan = plan_of(project, targets, options, progress)
    workshop = Workshop(project, options.run, LockFiles(project), narrator, progress)
    workshop.looker.foresee(plan.stages)
    forced: set[int] = set()
    acting: set[int] = set()
    skipped: set[int] = set()
    failed = []
    for number, stage in enumerate(plan.stages):
        if number in skipped:
            continue
        verdict = workshop.verdict(
            stage,
            forced=options.run.force or number in forced,
            allow_missing=options.run.allow_missing,
        )
        if verdict.action == SKIP:
            workshop.keep_as_is(stage)
            waits = acting & plan.graph.upstream([number]) - {number}
            yield Foreseen(stage, verdict, waits=_stages(plan, waits))
            continue
        before = [plan.stages[other] for other in acting]
        gone = workshop.gone(stage, before) if verdict.action == RUN else ""
        if gone:
            if plan.on_error == FAIL:
                raise StageFailed(stage.address_from(options.cwd), gone, None)
            failed.append(f"'{stage.address_from(options.cwd)}'")
            lost = plan.graph.downstream([number]) - {number} if plan.on_error != IGNORE else set()
            skipped |= lost
            yield Foreseen(stage, verdict, gone=gone, skipped=_stages(plan, lost))
            continue
        is_next = acting.isdisjoint(plan.graph.needs[number])
        known = verdict.action == RUN and is_next and workshop.would_bring(stage, verdict)
        acting.add(number)
        if options.force_downstream:
            forced |= plan.graph.downstream([number])
        yield Foreseen(stage, verdict, known)
    if failed and plan.on_error != IGNORE:
        raise PannierError(f"failed to reproduce {', '.join(failed)}")


def _stages(plan: Plan, numbers: set[int]) -> tuple[Stage, ...]:
    return tuple(plan.stages[number] for number in sorted(numbers))


def plan_of(
    project: Project, targets: Sequence[str], options: ReproOptions, progress: Progress
) -> Plan:
    """The stages of a run in their order, each after all that it needs. Tells what their files warn
    of: commands are about to run."""
    index = load_index(project)
    for warning in dict.fromkeys(index.warnings):
        progress.warn(warning)
    stages = index.stages
    outputs = Outputs(stages, options.cwd)
    whole = _without_frozen(stages, stage_graph(stages, options.cwd))
    chosen = _chosen(project, stages, whole, targets, options)
    order = [number for number in whole.order(chosen) if number in chosen]
    at = {number: place for place, number in enumerate(order)}
    graph = Graph([[at[need] for need in whole.needs[number] if need in at] for number in order])
    ordered = [stages[number] for number in order]
    limits: list[Limits] = [limits_of(stage.meta) for stage in ordered]
    return Plan(ordered, graph, outputs, limits, options.on_error, options.force_downstream)


def _without_frozen(stages: Sequence[Stage], graph: Graph) -> Graph:
    """What a frozen stage needs does not count."""
    return Graph(
        () if stage.frozen else needs for stage, needs in zip(stages, graph.needs, strict=True)
    )


def _chosen(
    project: Project,
    stages: Sequence[Stage],
    graph: Graph,
    targets: Sequence[str],
    options: ReproOptions,
) -> list[int]:
    """Numbers of the stages to be visited, in the order in which they were asked for."""
    if options.all_pipelines:
        return list(range(len(stages)))
    named = _named(project, stages, targets, options)
    if options.single:
        return named
    if options.pipeline:
        wanted = set(named)
        return [
            number
            for component in graph.components()
            if wanted & set(component)
            for number in component
        ]
    if options.downstream:
        return sorted(graph.downstream(named))
    return [*named, *sorted(graph.upstream(named) - set(named))]


def _named(
    project: Project, stages: Sequence[Stage], targets: Sequence[str], options: ReproOptions
) -> list[int]:
    if not targets:
        file = join(options.cwd, "dvc.yaml")
        if not os.path.exists(project.absolute(file)):
            raise BadTarget(
                f"'{project.absolute(file)}' does not exist",
                hint="'dvc stage add' makes it, 'dvc repro -P' finds those in other folders",
            )
        targets = ["dvc.yaml"]
    at = {stage.address: number for number, stage in enumerate(stages)}
    selection = TargetOptions(
        recursive=options.recursive, glob=options.glob, cwd=options.cwd, only_stages=True
    )
    found = select_stages(project, targets, selection)
    return list(dict.fromkeys(at[stage.address] for stage in found if stage.address in at))


def _capacity(jobs: int, *, alone: bool) -> Capacity:
    """What this machine has. One stage at a time has all of it, whatever it asks for."""
    if alone:
        return Capacity(jobs, math.inf, math.inf, ())
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return Capacity(jobs, len(os.sched_getaffinity(0)), float(pages * size), _gpus())


def _gpus() -> tuple[str, ...]:
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return tuple(name for name in listed.split(",") if name)
    count = len(glob("/dev/nvidia[0-9]*"))
    return tuple(str(number) for number in range(count))
