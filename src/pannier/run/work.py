"""Work on one stage: the verdict, bringing back, clearing the way, recording.

All of it is done under the project's lock and in one thread; the commands themselves run elsewhere
(pannier.run.local). The order of writes is docs/durability.md, section 3.6.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable

from pannier.core.digest import Digest
from pannier.core.errors import (
    ConfigError,
    NoRemote,
    OutputMissing,
    PannierError,
    TransferFailed,
    TransportError,
)
from pannier.core.events import Progress
from pannier.core.path import is_inside, is_within, relative
from pannier.core.record import dataclass, field, replace
from pannier.core.stage import Meta, Out, Stage
from pannier.core.verdict import COMMAND, DEP, PARAM, Verdict, decide
from pannier.disk import claims
from pannier.disk.claims import BusyPaths, Claim, Holder
from pannier.formats import run_record
from pannier.project import outputs, stage_record
from pannier.project.carrying import Carrier
from pannier.project.index import outs_of
from pannier.project.keeping import record_made
from pannier.project.lock_files import LockFiles, lock_name
from pannier.project.looking import AskSource, Looker
from pannier.project.project import Project
from pannier.project.run_cache import RunCache
from pannier.project.snapshot import DIRECTORY, FILE, Snapshot
from pannier.project.stage_record import MeasureFar, Seen
from pannier.project.tracking import ignore_in_git
from pannier.run.job import Job, Outcome
from pannier.run.narrator import Narrator


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How stages are treated; see `dvc repro`. commit: outputs become objects.

    fetch: brings outputs of stages from a remote into cache and workspace; None not to. What they
    are for is told with them. carrier: to the remote that workers elsewhere share with us.
    ask_source: of imports, and of URLs that commands read. measure_far: such a URL.
    bring_import: brings an import that is not frozen anew. bring_objects: to the cache, those that
    a record of the run cache names. cwd: root-relative, where the user stands.
    """

    force: bool = False
    interactive: bool = False
    allow_missing: bool = False
    commit: bool = True
    run_cache: bool = True
    fetch: Callable[[list[str], str], None] | None = None
    ask_source: AskSource | None = None
    measure_far: MeasureFar | None = None
    bring_import: Callable[[Stage], None] | None = None
    bring_objects: Callable[[Iterable[Digest]], None] | None = None
    carrier: Carrier | None = None
    command: str = "dvc repro"
    cwd: str = ""


@dataclass(slots=True)
class Done:
    """What a run changed. stages: about which something was done. changed: files for Git."""

    stages: list[Stage] = field(default_factory=list)
    changed: dict[str, None] = field(default_factory=dict)


class Workshop:
    """Does what is to be done about stages, one at a time."""

    def __init__(
        self,
        project: Project,
        options: RunOptions,
        locks: LockFiles,
        narrator: Narrator,
        progress: Progress,
    ) -> None:
        self.done = Done()
        self._project, self._options = project, options
        self._narrator, self._progress = narrator, progress
        self.looker = Looker(project, progress, options.ask_source, makes_anew=True)
        self._locks = locks
        self._run_cache = RunCache(project, progress)
        self._busy = BusyPaths(
            project.rwlock, options.command, project.scratch, by_links=project.locks_by_links
        )
        self._hidden: set[str] = set()
        self._remade: dict[str, Digest | None] = {}

    # -- before ----

    def fresh(self, stage: Stage) -> Stage:
        """The stage as it is recorded now: another `repro` may have run it meanwhile."""
        return self._locks.fresh(stage)

    def verdict(self, stage: Stage, *, forced: bool, allow_missing: bool) -> Verdict:
        """Raises InvalidFile, DiskError."""
        return decide(
            stage,
            self.looker.changes(stage),
            forced=forced,
            allow_missing=allow_missing,
            remade=self._remade.items(),
        )

    def keep_as_is(self, stage: Stage) -> None:
        """Nothing is to be done: what needs it can count on its record."""
        self._remade |= {stage.path_of(out): out.digest for out in stage.outs}

    def inputs(self, stage: Stage) -> Stage:
        """The stage with command, dependencies and parameters as its command will find them.

        Raises PannierError for what is not there.
        """
        gone = self.gone(stage)
        if gone:
            raise PannierError(gone)
        return stage_record.with_inputs(
            self._project,
            stage,
            self._progress,
            cwd=self._options.cwd,
            measure_far=self._options.measure_far,
        )

    def gone(self, stage: Stage, before: Iterable[Stage] = ()) -> str:
        """Why a stage cannot run: it has nothing to run, or the first dependency that is not there,
        and that none of those that run before will make; '' when it can."""
        if not stage.cmd:
            return "its 'cmd' is empty"
        made = [other.path_of(out) for other in before for out in other.outs]
        for path in (stage.path_of(item) for item in stage.deps if not item.is_url):
            absolute = self._project.absolute(path)
            if os.path.exists(absolute) or any(is_within(path, one) for one in made):
                continue
            return str(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), absolute))
        return ""

    def would_bring(self, stage: Stage, verdict: Verdict) -> bool:
        """Whether a stage would be brought back, if it were its turn now."""
        try:
            return self.known(self.inputs(stage), verdict) is not None
        except PannierError:
            return False

    def known(self, stage: Stage, verdict: Verdict) -> Stage | None:
        """The stage with what its command would make, if the cache has that. stage: as `inputs`
        has it."""
        if verdict.forced or not run_record.can_be_kept(stage):
            return None
        same = not any(change.kind in (DEP, PARAM, COMMAND) for change in verdict.changes)
        if same and self._run_cache.is_complete(stage):
            return stage
        return self._run_cache.find(stage) if self._options.run_cache else None

    def brought_back(self, stage: Stage, verdict: Verdict) -> bool:
        """Brings what the command would make from the cache, if that has it.

        stage: as `inputs` has it. Raises DiskError, FileChanged.
        """
        found = self.known(stage, verdict) or self._at_remote(stage, verdict)
        if found is None:
            return False
        self._narrator.restored(stage, verdict)
        for out in found.outs:
            if not outputs.bring(self._project, found.path_of(out), out, self._progress):
                raise PannierError(
                    f"'{out.path}' of the cache is damaged", hint="repeat the command"
                )
        self._record(Seen(found, stage_record.see_outs(self._project, found, self._progress)))
        return True

    def _at_remote(self, stage: Stage, verdict: Verdict) -> Stage | None:
        """What was made elsewhere, or by workers before a coordinator died: the remote has the
        data of a record."""
        carrier = self._options.carrier
        bring = self._options.bring_objects or (carrier.bring if carrier is not None else None)
        if bring is None or verdict.forced or not self._options.run_cache:
            return None
        for found in self._run_cache.records(stage):
            try:
                bring(out.digest for out in found.outs if out.digest)
            except (TransportError, TransferFailed, NoRemote, ConfigError):
                continue
            return found
        return None

    def claim(self, stage: Stage, reads: Iterable[str], writes: Iterable[str]) -> Claim | Holder:
        """Claims what a stage reads and writes (root-relative paths of outputs) until `finish`.

        Raises PathBusy where real DVC is at work.
        """
        project = self._project
        claim = claims.take(
            f"{project.scratch}/stages", stage.address, list(reads), list(writes) or [stage.address]
        )
        if isinstance(claim, Holder):
            return claim
        try:
            self._busy.check(*self._paths(stage))  # ours have claims: who is left is real DVC
        except PannierError:
            claim.release()
            raise
        self._busy.add(*self._paths(stage))
        return claim

    def free(self, stage: Stage, claim: Claim) -> None:
        self._busy.remove(*self._paths(stage))
        claim.release()

    def hide_from_git(self, stage: Stage) -> None:
        """Enters the outputs into `.gitignore` before they are made: then the order of its lines
        is that of the stages, whichever ends first."""
        paths = [ref.path for ref in outs_of(stage) if ref.tracked]
        absolute = self._project.absolute
        there = [path for path in paths if os.path.isdir(os.path.dirname(absolute(path)))]
        self.done.changed |= dict.fromkeys(ignore_in_git(self._project, there))
        self._hidden.update(there)

    def clear(self, stage: Stage) -> None:
        """Takes the outputs away that the command is to make anew; those that persist become
        private files. Raises FileChanged, DiskError."""
        for out in stage.outs:
            path = stage.path_of(out)
            if "://" in out.path or not is_inside(path):
                continue
            if out.persist:
                outputs.release(self._project, path, self._progress)
            else:
                outputs.clear(self._project, path, out, self._progress)

    def job(
        self,
        stage: Stage,
        number: int,
        shell: tuple[str, ...],
        env: dict[str, str],
        timeout_s: float | None,
    ) -> Job:
        """Raises PannierError for a folder to run in that is not there."""
        project = self._project
        cwd = project.absolute(stage.wdir)
        if not os.path.isdir(cwd):
            raise PannierError(f"stage working dir '{stage.wdir}' does not exist or is no folder")
        around = {} if "DVC_ROOT" in os.environ else {"DVC_ROOT": project.root}
        return Job(
            number=number,
            name=stage.address_from(self._options.cwd),
            lines=lines_of(stage),
            cwd=cwd,
            env={**around, "DVC_STAGE": stage.address, **env},
            shell=shell,
            timeout_s=timeout_s,
        )

    # -- after ----

    def bring_made(self, stage: Stage, outcome: Outcome) -> None:
        """Brings what a worker made elsewhere into cache and workspace; of a job that ran here
        it is there. Raises TransferFailed, DiskError, FileChanged."""
        if outcome.made is None or self._options.carrier is None:
            return
        self._options.carrier.bring(digest for _, digest, _ in outcome.made)
        for path, digest, is_exec in outcome.made:
            out = Out(path, digest, Meta(is_exec=is_exec))
            if not outputs.bring(self._project, path, out, self._progress):
                raise PannierError(f"'{path}' could not be brought from the remote")

    def finish(self, stage: Stage) -> None:
        """Records what a command made. stage: with the inputs that it found.

        Raises OutputMissing, DiskError, FileChanged.
        """
        self.looker.forget()
        self._record(Seen(stage, self._outs(stage)), by_command=self._options.carrier is None)
        self._warn_of_moved_inputs(stage)

    def verify(self, stage: Stage) -> None:
        """Records what outputs hold that no command is run for."""
        try:
            seen = stage_record.see(self._project, stage, self._progress)
        except OutputMissing:
            gone = ", ".join(self._missing(stage))
            raise PannierError(f"missing data 'source': {gone}") from None
        self._record(seen)

    def bring_import(self, stage: Stage) -> None:
        if self._options.bring_import is not None:
            self._options.bring_import(stage)
        self.looker.forget()
        self.done.stages.append(stage)
        self.done.changed[stage.file] = None

    def _missing(self, stage: Stage) -> list[str]:
        paths = [stage.path_of(out) for out in stage.outs if "://" not in out.path]
        return [
            relative(path, self._options.cwd) if is_inside(path) else path
            for path in paths
            if not os.path.lexists(self._project.absolute(path))
        ]

    def _outs(self, stage: Stage) -> dict[str, Snapshot]:
        try:
            return stage_record.see_outs(self._project, stage, self._progress)
        except OutputMissing:
            raise PannierError(
                f"output '{self._missing(stage)[0]}' does not exist",
                hint="its command must make every output that 'dvc.yaml' names, in the folder that"
                " it names",
            ) from None

    def _record(self, seen: Seen, *, by_command: bool = False) -> None:
        project = self._project
        seen = Seen(stage_record.with_outs(seen.stage, seen.looks), seen.looks)
        self._warn_of_empty(seen)
        kept = False
        if self._options.commit:
            seen = stage_record.store_outs(project, seen, self._progress)
            kept = self._run_cache.store(seen.stage, seen.looks)
        if by_command:
            self._log(seen, kept)
        stage = seen.stage
        # Before the record: a stage that is recorded is up to date, and nobody looks at it again.
        settled = stage_record.settle(
            project,
            seen,
            self._progress,
            with_links=self._options.commit,
            hidden=self._hidden,
        )
        is_new = stage.name is not None and not os.path.exists(
            project.absolute(lock_name(stage.file))
        )
        for path in stage_record.write(project, stage, self._locks):
            if stage.name is not None:
                self._narrator.recorded(path, is_new=is_new)
            self.done.changed[path] = None
        self.done.changed |= dict.fromkeys(settled)
        self.done.stages.append(stage)
        if kept:
            self._run_cache.keep(stage)
        self.keep_as_is(stage)
        self.looker.forget()

    def left(self, stage: Stage) -> None:
        """Tells the operation log what a command that failed has left. Raises PannierError."""
        self.looker.forget()
        made = [stage.path_of(out) for out in stage.outs if not out.persist]
        outputs.note_left(self._project, made, self._progress)

    def _log(self, seen: Seen, kept: bool) -> None:
        """Tells the operation log what a command made, so that `undo` knows its work."""
        for out in seen.stage.outs:
            look = seen.looks.get(out.path)
            if look is not None and not out.persist and is_inside(look.path):
                stored = self._options.commit and (out.cache or kept)
                record_made(self._project, look, stored=stored)

    def _warn_of_empty(self, seen: Seen) -> None:
        for path, look in seen.looks.items():
            size = look.meta.size_bytes
            empty = size == 0 if look.kind == FILE else look.meta.nfiles == 0
            if look.kind in (FILE, DIRECTORY) and empty:
                self._progress.warn(f"'{path}' is empty.")

    def _warn_of_moved_inputs(self, stage: Stage) -> None:
        """What a command read is recorded as it was before it ran; see docs/compat.md."""
        for change in self.looker.changes(replace(stage, outs=(), always_changed=False)):
            if change.kind in (DEP, PARAM):
                name = stage.address_from(self._options.cwd)
                self._progress.warn(
                    f"{change} (while '{name}' ran). It is recorded as it was before: the"
                    " next 'dvc repro' runs the stage again"
                )

    def _paths(self, stage: Stage) -> tuple[list[str], list[str]]:
        """Absolute paths that a stage reads and writes, for DVC's own record."""
        absolute = self._project.absolute
        inputs = [stage.path_of(dep) for dep in stage.deps if not dep.is_url]
        inputs += [stage.path_of(params) for params in stage.params]
        made = [stage.path_of(out) for out in stage.outs if "://" not in out.path]
        return [absolute(path) for path in inputs], [absolute(path) for path in made]


def lines_of(stage: Stage) -> tuple[str, ...]:
    """The commands of a stage, each for a shell of its own: items of a list, lines of a text."""
    cmd = stage.cmd or ()
    return cmd if isinstance(cmd, tuple) else tuple(cmd.splitlines())
