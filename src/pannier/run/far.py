"""Running jobs elsewhere: each becomes a task for a worker, by any executor.

The coordinator sends inputs to the remote before a task starts; what it knows of a stage's code is
the files that Git tracks or would, as they are now, also with edits that are not committed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future

from pannier.core.digest import MD5, Digest
from pannier.core.errors import PannierError
from pannier.core.events import Progress
from pannier.core.path import is_inside, is_within
from pannier.core.record import dataclass
from pannier.core.stage import Dep, ParamsDep, Stage
from pannier.core.typed import Any
from pannier.disk import parcels, terminal
from pannier.disk.reading import read_small
from pannier.formats import lockfile, run_record
from pannier.project import snapshot as snapshots
from pannier.project.carrying import Carrier
from pannier.project.project import Project
from pannier.project.workspace import save
from pannier.run import placing
from pannier.run.executors import Workers
from pannier.run.job import Job, Outcome
from pannier.run.limits import limits_of
from pannier.run.local import Told
from pannier.run.task import Answer, Item, Task
from pannier.run.worker import work

_BIG_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Code:
    """The code of a project. data: the parcel. project: the project's folder
    in it, '' for its top. seen: root-relative path -> (mtime_ns, size, inode) of what is in it."""

    data: bytes
    project: str
    seen: dict[str, tuple[int, int, int]]


def code_of(project: Project, outs: Sequence[str]) -> Code:
    """Packs what Git knows of a project, without outputs (root-relative paths).

    Raises PannierError without Git, or for more than 256 MiB.
    """
    if project.git is None:
        raise PannierError(
            "stages run elsewhere only in a project with Git: it says which files are code"
        )
    top = project.git.root
    inner = os.path.relpath(project.root, top)
    inner = "" if inner == "." else inner
    prefix = f"{inner}/" if inner else ""
    paths, size = [], 0
    seen: dict[str, tuple[int, int, int]] = {}
    for path in project.git.files():
        own = path[len(prefix) :] if path.startswith(prefix) else None
        if own is not None and any(is_within(own, out) for out in outs):
            continue
        try:
            found = os.lstat(f"{top}/{path}")
        except OSError:
            continue
        paths.append(path)
        size += found.st_size
        if own is not None:
            seen[own] = (found.st_mtime_ns, found.st_size, found.st_ino)
    if size > _BIG_BYTES:
        raise PannierError(
            f"the files that Git knows have {size} bytes: too much to send with each stage",
            hint="track data with 'dvc add', so that it goes by the remote",
        )
    return Code(parcels.pack(top, paths), inner, seen)


class FarRunner:
    """A Runner whose jobs go to workers elsewhere. carrier: to the remote that all share."""

    is_far = True

    def __init__(
        self,
        project: Project,
        workers: Workers,
        code: Code,
        carrier: Carrier,
        told: Told,
        progress: Progress,
    ) -> None:
        self._project, self._workers, self._code = project, workers, code
        self._carrier, self._told, self._progress = carrier, told, progress
        self._open: set[Future[Answer]] = set()
        self._lock = threading.Lock()
        self._run = os.urandom(8).hex()

    def check(self, stages: Sequence[Stage]) -> None:
        """Raises PannierError for a stage that asks for more than any worker declares; warns of
        wishes that do not count."""
        nowhere: dict[str, None] = {}
        for stage in stages:
            limits = limits_of(stage.meta)
            placing.check(stage.address, limits, self._workers.declared, self._workers.name)
            nowhere |= dict.fromkeys(placing.unknown(limits, self._workers.declared))
        for key in nowhere:
            self._progress.warn(
                f"no worker of executor '{self._workers.name}' declares '{key}': what stages ask"
                " for under 'resources' does not count there"
            )

    def submit(self, job: Job, stage: Stage, keep_fds: Sequence[int]) -> Future[Outcome]:
        """Sends the inputs, then the task. Raises PannierError for what cannot be sent."""
        task = self._task(job, stage)
        for line in job.lines:
            self._told.command(job.number, job.name, line)
        asked = placing.asked(limits_of(stage.meta), self._workers.declared)
        more: dict[str, Any] = {"resources": asked} if asked else {}  # as Dask's executor knows it
        answer: Future[Answer] = self._workers.executor.submit(work, task, self._code.data, **more)
        outcome: Future[Outcome] = Future()
        with self._lock:
            self._open.add(answer)
        answer.add_done_callback(lambda done: self._pass_on(job, done, outcome))
        return outcome

    def _pass_on(self, job: Job, done: Future[Answer], outcome: Future[Outcome]) -> None:
        with self._lock:
            self._open.discard(done)
        try:
            answer = done.result()
        except CancelledError:
            outcome.set_result(Outcome(job.number, job.lines[0], None, why="it was interrupted"))
            return
        except BaseException as error:
            why = f"failed to run: its worker was lost ({type(error).__name__}: {error})"
            outcome.set_result(Outcome(job.number, job.lines[0], None, why=why))
            return
        if answer.output:
            text = answer.output if answer.output.endswith(b"\n") else answer.output + b"\n"
            self._told.output(job.number, job.name, text)
        made = tuple(
            (one.path, Digest(*one.digest), one.is_exec) for one in answer.made if one.digest
        )
        outcome.set_result(
            Outcome(job.number, answer.line, answer.code, answer.timed_out, answer.why, made=made)
        )

    def _task(self, job: Job, stage: Stage) -> Task:
        inputs: dict[str, Item] = {}
        files: dict[str, bytes] = {}
        for dep in stage.deps:
            path = stage.path_of(dep)
            if dep.is_url or self._is_in_code(path):
                continue
            inputs[path] = self._input(path, dep)
        for params in stage.params:
            path = stage.path_of(params)
            if path not in inputs and not self._is_in_code(path):
                files[path] = self._file(path, params)
        for out in stage.outs:
            path = stage.path_of(out)
            if out.persist and os.path.lexists(self._project.absolute(path)):
                inputs[path] = self._input(path, None, persist=True)
        self._carrier.send(Digest(*item.digest) for item in inputs.values() if item.digest)
        return Task(
            number=job.number,
            name=job.name,
            project=self._code.project,
            remote=self._carrier.remote.name,
            lines=job.lines,
            wdir=stage.wdir,
            env={key: value for key, value in job.env.items() if key != "DVC_ROOT"},
            timeout_s=job.timeout_s,
            inputs=tuple(inputs.values()),
            outs=tuple(Item(stage.path_of(out), persist=out.persist) for out in stage.outs),
            files=files,
            entry=lockfile.entry(stage),
            keep=run_record.can_be_kept(stage)
            and all(out.cache or out.kind != "out" for out in stage.outs),
            run=self._run,
        )

    def _is_in_code(self, path: str) -> bool:
        """True for a file that travels with the code, and is as it was packed."""
        known = self._code.seen.get(path)
        if known is None:
            return False
        try:
            found = os.lstat(self._project.absolute(path))
        except OSError:
            return False
        return known == (found.st_mtime_ns, found.st_size, found.st_ino)

    def _input(self, path: str, dep: Dep | None, *, persist: bool = False) -> Item:
        """Makes data an object that the remote can be sent."""
        if not is_inside(path):
            raise PannierError(
                f"'{path}' lies outside of the project: no worker elsewhere can read it",
                hint="track it inside of the project, or run this stage here",
            )
        look = snapshots.look(self._project, path, MD5, self._progress)
        snapshots.measure(self._project, look, self._progress)
        if dep is not None and dep.digest is not None and look.digest != dep.digest:
            raise PannierError(f"'{path}' changed while the stage was started")
        save(self._project, look, self._progress)
        assert look.digest is not None
        digest = (look.digest.algorithm, look.digest.hex)
        return Item(path, digest, look.meta.is_exec, persist)

    def _file(self, path: str, params: ParamsDep) -> bytes:
        if not is_inside(path):
            raise PannierError(f"'{params.path}' lies outside of the project")
        return read_small(self._project.absolute(path))

    def end(self, number: int) -> None:
        """Ends commands elsewhere, and takes back what has not begun."""
        with self._lock:
            pending = list(self._open)
        if pending:
            self._workers.end(self._run)
        for future in pending:
            future.cancel()

    def hurry(self) -> bool:
        return False

    def pause(self) -> None:
        if terminal.can_stop():
            terminal.stop_us()

    def close(self) -> None:
        self._carrier.__exit__()
