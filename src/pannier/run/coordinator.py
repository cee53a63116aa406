"""Coordinator: takes stages through a run, as many at once as may be.

One thread decides and records, under the project's lock; it lets go of the lock while commands run.
A stage that is done is recorded at once, so that whatever ends the run loses nothing of it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager, suppress

from pannier.core.errors import PannierError
from pannier.core.graph import Graph, Outputs, read_by
from pannier.core.record import dataclass, field
from pannier.core.stage import Stage
from pannier.core.verdict import BRING, SKIP, VERIFY, Verdict
from pannier.disk.claims import Claim, Holder
from pannier.project.begun import Begun
from pannier.project.project import Project
from pannier.run.interrupts import interruptible
from pannier.run.job import Outcome
from pannier.run.limits import Limits
from pannier.run.local import Runner, shell_of
from pannier.run.narrator import Narrator
from pannier.run.schedule import Schedule
from pannier.run.work import RunOptions, Workshop

_LOOK_AGAIN_S = 0.1
_LISTEN_S = 0.5

FAIL, KEEP_GOING, IGNORE = "fail", "keep going", "ignore"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run. stages: in order, each after all that it needs. graph: numbered as they
    are. outputs: of all stages of the project. limits: of each stage. on_error: what becomes of
    the others when one fails. force_downstream: what needs a stage that ran, runs too.
    """

    stages: Sequence[Stage]
    graph: Graph
    outputs: Outputs
    limits: Sequence[Limits]
    on_error: str = FAIL
    force_downstream: bool = False


@dataclass(slots=True)
class _Running:
    stage: Stage
    claim: Claim
    verdict: Verdict
    gpus: tuple[str, ...] = ()
    attempts: int = 1


class StageFailed(PannierError):
    """A stage could not be reproduced."""

    def __init__(self, name: str, reason: str, hint: str | None) -> None:
        super().__init__(f"failed to reproduce '{name}': {reason}", hint=hint)
        self.reason = reason


@dataclass(slots=True)
class _State:
    running: dict[Future[Outcome], int] = field(default_factory=dict)
    jobs: dict[int, _Running] = field(default_factory=dict)
    failed: list[Stage] = field(default_factory=list)
    first: PannierError | None = None
    forced: set[int] = field(default_factory=set)
    waits: dict[int, str] = field(default_factory=dict)


class Coordinator:
    """One run of some stages."""

    def __init__(
        self,
        project: Project,
        plan: Plan,
        schedule: Schedule,
        runner: Runner,
        options: RunOptions,
        narrator: Narrator,
        workshop: Workshop,
        lock: Callable[[bool], AbstractContextManager[None]],
    ) -> None:
        """lock: of the project, for as long as its context lasts; True to wait for it."""
        self._project, self._plan, self._schedule = project, plan, schedule
        self._runner, self._options, self._narrator = runner, options, narrator
        self._workshop, self._lock = workshop, lock
        self._held: AbstractContextManager[None] | None = None
        self._begun = Begun(project)
        self._state = _State()
        self._shell = shell_of(dict(os.environ))

    def run(self) -> None:
        """Raises StageFailed, PannierError; KeyboardInterrupt after all commands have ended and
        those that were done are recorded."""
        with interruptible(self._runner, self._narrator.hidden):
            self._hold(wait_for_it=False)
            try:
                while not self._schedule.is_over:
                    self._start_all()
                    if not self._schedule.is_over:
                        self._collect()
            except BaseException:
                self._abandon()
                raise
            finally:
                self._begun.close()
                self._let_go()
        state = self._state
        if state.first is not None:
            raise state.first
        if state.failed and self._plan.on_error != IGNORE:
            names = [f"'{stage.address_from(self._options.cwd)}'" for stage in state.failed]
            listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
            some = "stages: " if len(names) > 1 else ""
            raise PannierError(f"failed to reproduce {some}{listed}")

    # -- starting ----

    def _start_all(self) -> None:
        """Deals with every stage that may start now."""
        blocked: set[int] = set()
        while (number := self._schedule.next(blocked)) is not None:
            stage = self._workshop.fresh(self._plan.stages[number])
            try:
                if not self._step(number, stage):
                    blocked.add(number)
            except PannierError as error:
                self._failed(number, stage, error.message, error.hint)

    def _step(self, number: int, stage: Stage) -> bool:
        """Deals with one stage, or starts its command; False when it must wait for others."""
        workshop, narrator = self._workshop, self._narrator
        again = number in self._state.waits
        if stage.frozen and not stage.is_import and not again:
            narrator.frozen(stage)
        forced = self._options.force or number in self._state.forced
        verdict = workshop.verdict(stage, forced=forced, allow_missing=self._options.allow_missing)
        if verdict.action == SKIP:
            narrator.unchanged(stage)
            workshop.keep_as_is(stage)
            self._over(number)
            return True
        if self._options.fetch is not None and not forced and self._fetched(stage):
            self._over(number)
            return True
        if self._options.interactive and not again and not narrator.confirm(stage):
            raise PannierError("reproduction aborted by the user")
        if verdict.action == VERIFY:
            narrator.verifying(stage, verdict)
            workshop.verify(stage)
        elif verdict.action == BRING:
            workshop.bring_import(stage)
        else:
            return self._start(number, stage, verdict)
        self._acted(number, stage)
        return True

    def _fetched(self, stage: Stage) -> bool:
        """Brings the data of a stage from the remote, if only its data is not here."""
        if self._workshop.verdict(stage, forced=False, allow_missing=True).action != SKIP:
            return False
        assert self._options.fetch is not None
        name = stage.address_from(self._options.cwd)
        self._options.fetch([stage.path_of(out) for out in stage.outs], f"stage: '{name}'")
        self._workshop.looker.forget()
        self._workshop.keep_as_is(stage)
        return self._workshop.verdict(stage, forced=False, allow_missing=False).action == SKIP

    def _start(self, number: int, stage: Stage, verdict: Verdict) -> bool:
        """Brings back what the command would make, or starts it; False when it must wait."""
        workshop = self._workshop
        reads, writes = self._paths(stage)
        claim = workshop.claim(stage, reads, writes)
        if isinstance(claim, Holder):
            self._wait_for(number, stage, claim)
            return False
        try:
            now = self._with_inputs(stage)
            if workshop.brought_back(now, verdict):
                workshop.free(stage, claim)
                self._acted(number, stage)
                return True
            if not self._runner.is_far:
                workshop.clear(now)
        except BaseException:
            workshop.free(stage, claim)
            raise
        workshop.hide_from_git(stage)
        gpus = self._schedule.start(number)
        self._narrator.running(stage, verdict)
        self._submit(number, _Running(now, claim, verdict, gpus))
        return True

    def _with_inputs(self, stage: Stage) -> Stage:
        if self._options.fetch is not None:
            gone = [
                path
                for dep in stage.deps
                if not dep.is_url
                and not os.path.exists(self._project.absolute(path := stage.path_of(dep)))
            ]
            if gone:
                self._options.fetch(gone, ", ".join(gone))
        return self._workshop.inputs(stage)

    def _submit(self, number: int, running: _Running) -> None:
        limits = self._plan.limits[number]
        env = {"CUDA_VISIBLE_DEVICES": ",".join(running.gpus)} if running.gpus else {}
        job = self._workshop.job(running.stage, number, self._shell, env, limits.timeout_s)
        held = [] if self._runner.is_far else self._begun.note(running.stage)
        future = self._runner.submit(job, running.stage, [*running.claim.fds, *held])
        self._state.running[future] = number
        self._state.jobs[number] = running

    def _paths(self, stage: Stage) -> tuple[list[str], list[str]]:
        """What a stage reads and writes, as paths of outputs where they are such."""
        outputs = self._plan.outputs
        reads: dict[str, None] = {}
        for path in read_by(stage):
            touched = [outputs.all[number].path for number in outputs.touching(path)]
            reads |= dict.fromkeys(touched or [path])
        writes = [out.path if "://" in out.path else stage.path_of(out) for out in stage.outs]
        return [path for path in reads if path not in writes], writes

    def _wait_for(self, number: int, stage: Stage, holder: Holder) -> None:
        if not holder.alive:
            raise PannierError(
                f"it is still running: the command of {holder}",
                hint="wait for it, or end it, and repeat the command",
            )
        why = f"it waits for {holder}"
        if self._state.waits.get(number) != why:
            self._state.waits[number] = why
            self._narrator.waiting(stage, why)

    # -- ending ----

    def _collect(self) -> None:
        """Waits until a command ends, or a moment where stages wait for somebody else."""
        state = self._state
        self._let_go()
        if state.running:
            ended = self._next_ended(_LOOK_AGAIN_S if state.waits else None)
        else:
            ended = set()
            time.sleep(_LOOK_AGAIN_S)
        self._hold(wait_for_it=True)
        self._workshop.looker.forget()
        for future in sorted(ended, key=state.running.__getitem__):
            self._finish(future)

    def _next_ended(self, limit_s: float | None) -> set[Future[Outcome]]:
        """What has ended when something does, or when the time is over.

        A signal that comes just before a wait, or to another thread, does not end it: so we look up
        now and then.
        """
        while True:
            pause_s = _LISTEN_S if limit_s is None else limit_s
            ended, _ = wait(self._state.running, timeout=pause_s, return_when=FIRST_COMPLETED)
            if ended or limit_s is not None:
                return ended

    def _finish(self, future: Future[Outcome]) -> None:
        state = self._state
        number = state.running.pop(future)
        running = state.jobs.pop(number)
        stage, outcome = running.stage, future.result()
        try:
            if not outcome.is_good:
                self._check_interrupt(stage, outcome)
                if running.attempts <= self._plan.limits[number].retries:
                    self._again(number, running, outcome)
                    return
                raise PannierError(outcome.reason)
            self._workshop.bring_made(stage, outcome)
            self._workshop.finish(stage)
        except PannierError as error:
            self._log_left(stage)
            self._workshop.free(stage, running.claim)
            self._failed(number, self._plan.stages[number], error.message, error.hint)
            return
        except BaseException:
            self._workshop.free(stage, running.claim)
            raise
        self._workshop.free(stage, running.claim)
        self._acted(number, self._plan.stages[number])

    def _again(self, number: int, running: _Running, outcome: Outcome) -> None:
        retries = self._plan.limits[number].retries
        self._narrator.waiting(
            running.stage, f"{outcome.reason}; it is run again ({running.attempts} of {retries})"
        )
        if not self._runner.is_far:
            self._workshop.clear(running.stage)
        running.attempts += 1
        self._submit(number, running)

    def _check_interrupt(self, stage: Stage, outcome: Outcome) -> None:
        """Ctrl-C at a terminal goes to the command alone: it is for us as well."""
        if outcome.code in (-signal.SIGINT, 128 + signal.SIGINT):
            self._log_left(stage)
            raise KeyboardInterrupt

    def _log_left(self, stage: Stage) -> None:
        if not self._runner.is_far:
            with suppress(PannierError):  # another error is told already
                self._workshop.left(stage)

    def _acted(self, number: int, stage: Stage) -> None:
        if self._plan.force_downstream:
            self._state.forced |= self._plan.graph.downstream([number]) - {number}
        self._over(number)
        self._narrator.ended(stage, last=self._schedule.is_over)

    def _over(self, number: int) -> None:
        self._state.waits.pop(number, None)
        self._schedule.done(number)

    def _failed(self, number: int, stage: Stage, reason: str, hint: str | None) -> None:
        state = self._state
        state.waits.pop(number, None)
        state.failed.append(stage)
        if self._plan.on_error == FAIL:
            if state.first is None:
                state.first = StageFailed(stage.address_from(self._options.cwd), reason, hint)
            self._schedule.fail(number)
            self._schedule.stop()
            return
        if self._plan.on_error == IGNORE:
            self._schedule.done(number)
            self._narrator.failed(stage, reason, [], ignored=True)
            return
        skipped = [self._plan.stages[other] for other in self._schedule.fail(number)]
        self._narrator.failed(stage, reason, skipped, ignored=False)

    def _abandon(self) -> None:
        """Ends all commands; those that had ended well are recorded."""
        state = self._state
        self._runner.end(signal.SIGINT)
        while wait(state.running, timeout=_LISTEN_S).not_done:
            pass
        for future, number in state.running.items():
            running = state.jobs[number]
            try:
                if future.result().is_good:
                    self._hold(wait_for_it=True)
                    self._workshop.bring_made(running.stage, future.result())
                    self._workshop.finish(running.stage)
                else:
                    self._log_left(running.stage)
            except Exception as error:  # the reason why all ends is told, and only that
                self._narrator.waiting(running.stage, f"it could not be recorded: {error}")
            finally:
                self._workshop.free(running.stage, running.claim)

    # -- the lock ----

    def _hold(self, *, wait_for_it: bool) -> None:
        if self._held is None:
            held = self._lock(wait_for_it)
            held.__enter__()
            self._held = held

    def _let_go(self) -> None:
        """Lets others work: on the project, and garbage collectors on the cache."""
        if self._held is not None:
            self._project.store.release()
            self._project.legacy.release()
            self._held.__exit__(None, None, None)
            self._held = None
