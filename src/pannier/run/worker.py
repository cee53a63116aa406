"""Worker: runs one stage on a machine that shares nothing with ours but the remote.

It unpacks the code into a private folder, brings the inputs by their digests, runs the command,
and uploads what it made before it answers: once it has, its own disk may burn.
"""

from __future__ import annotations

import os
import signal
import socket
import threading

from pannier.core.digest import Digest
from pannier.core.errors import PannierError
from pannier.core.events import Silent
from pannier.core.path import join
from pannier.core.stage import Meta, Out, Stage
from pannier.disk import fsio, parcels, trees
from pannier.formats import lock_items, run_record
from pannier.project import outputs, stage_record
from pannier.project.carrying import Carrier
from pannier.project.project import Project, make_project
from pannier.project.settings import load_settings
from pannier.project.stage_record import Seen
from pannier.project.workspace import save
from pannier.run.job import Job, Outcome
from pannier.run.local import LocalRunner, shell_of
from pannier.run.task import Answer, Item, Task

_OUTPUT_BYTES = 1 << 20
_lock = threading.Lock()
_running: dict[str, list[LocalRunner]] = {}
_ended: set[str] = set()


def work(task: Task, code: bytes) -> Answer:
    """Runs one task. code: the parcel. Never raises: what goes wrong is in the answer."""
    where = socket.gethostname()
    folder = f"{_base()}/work/{os.getpid()}-{threading.get_ident()}"
    try:
        trees.remove_tree(folder)
        parcels.unpack(code, folder)
        return _run(task, join(folder, task.project), where)
    except PannierError as error:
        return Answer(task.number, task.lines[0], None, why=f"on '{where}': {error}", where=where)
    except Exception as error:
        why = f"on '{where}': {type(error).__name__}: {error}"
        return Answer(task.number, task.lines[0], None, why=why, where=where)
    finally:
        trees.remove_tree(folder)


def end_run(run: str) -> None:
    """Ends the commands of one run here, as Ctrl-C does, and lets none of it begin any more. Does
    not wait for that."""
    with _lock:
        _ended.add(run)
        for runner in _running.get(run, ()):
            threading.Thread(target=runner.end, args=(signal.SIGINT,), daemon=True).start()


def _run_job(job: Job, run: str, told: _Told) -> Outcome:
    runner = LocalRunner(2, told)  # its output is read, not ours
    with _lock:
        if run in _ended:
            return Outcome(job.number, job.lines[0], None, why="it was interrupted")
        _running.setdefault(run, []).append(runner)
    try:
        return runner.run(job, ())
    finally:
        with _lock:
            _running[run].remove(runner)
        runner.close()


def _base() -> str:
    """A folder of our own on the worker: objects stay there for the next stage."""
    base = os.environ.get("PANNIER_WORKER_DIR")
    base = base or f"{os.environ.get('TMPDIR') or '/tmp'}/pannier-worker-{os.getuid()}"
    fsio.make_dirs(base, 0o700)
    return base


def _run(task: Task, root: str, where: str) -> Answer:
    root = os.path.realpath(root)
    for path, data in task.files.items():
        fsio.make_dirs(os.path.dirname(f"{root}/{path}"))
        fsio.write_atomic(f"{root}/{path}", data, within=root)
    settings = load_settings(f"{root}/.dvc")
    project = make_project(root, settings, None, f"{_base()}/cache")
    try:
        with Carrier(project, Silent(), task.remote) as carrier:
            _place(project, carrier, task)
            told = _Told()
            job = Job(
                task.number,
                task.name,
                task.lines,
                f"{root}/{task.wdir}" if task.wdir else root,
                {**task.env, "DVC_ROOT": root},
                shell_of(dict(os.environ)),
                task.timeout_s,
            )
            fsio.make_dirs(job.cwd)
            outcome = _run_job(job, task.run, told)
            if not outcome.is_good:
                return Answer(
                    task.number,
                    outcome.line,
                    outcome.code,
                    outcome.timed_out,
                    outcome.why,
                    output=told.text,
                    where=where,
                )
            made = _made(project, carrier, task)
            return Answer(task.number, made=made, output=told.text, where=where)
    finally:
        project.close()


class _Told:
    """Keeps the end of what a command writes."""

    def __init__(self) -> None:
        self.text = b""

    def command(self, number: int, name: str, line: str) -> None: ...

    def output(self, number: int, name: str, data: bytes) -> None:
        self.text = (self.text + data)[-_OUTPUT_BYTES:]


def _place(project: Project, carrier: Carrier, task: Task) -> None:
    """Brings the inputs, as files that the command may do with as it likes."""
    carrier.bring(Digest(*item.digest) for item in task.inputs if item.digest)
    for item in task.inputs:
        assert item.digest is not None
        out = Out(item.path, Digest(*item.digest), Meta(is_exec=item.is_exec))
        fsio.make_dirs(os.path.dirname(project.absolute(item.path)))
        if not outputs.bring(project, item.path, out, Silent()):
            raise PannierError(f"'{item.path}' could not be brought from the remote")
        if item.persist:
            outputs.release(project, item.path, Silent())
    for item in task.outs:
        fsio.make_dirs(os.path.dirname(project.absolute(item.path)))
        if not item.persist:  # what Git keeps came with the code
            outputs.clear(project, item.path, Out(item.path), Silent())


def _made(project: Project, carrier: Carrier, task: Task) -> tuple[Item, ...]:
    """Uploads what the command made, then the record of it."""
    stage = Stage(task.name, outs=tuple(Out(item.path) for item in task.outs))
    gone = [one.path for one in task.outs if not os.path.lexists(project.absolute(one.path))]
    if gone:
        raise PannierError(f"output '{gone[0]}' does not exist")
    looks = stage_record.see_outs(project, stage, Silent())
    seen = Seen(stage_record.with_outs(stage, looks), looks)
    for look in looks.values():
        save(project, look, Silent())
    seen = Seen(stage_record.with_outs(stage, looks), looks)
    found = []
    for out in seen.stage.outs:
        assert out.digest is not None
        key = (out.digest.algorithm, out.digest.hex)
        found.append(Item(out.path, key, is_exec=out.meta.is_exec))
    carrier.send(out.digest for out in seen.stage.outs if out.digest)
    if task.keep:
        _keep(carrier, task, seen.stage)
    return tuple(found)


def _keep(carrier: Carrier, task: Task, stage: Stage) -> None:
    """Writes the run record beside the data, so that a coordinator that died finds it."""
    declared = {join(task.wdir, out["path"]): out["path"] for out in task.entry["outs"]}
    rows = []
    for out in stage.outs:
        row = lock_items.out_fields(out)
        rows.append({**row, "path": declared[out.path]})
    entry = {**task.entry, "outs": sorted(rows, key=lambda row: str(row["path"]))}
    key = run_record.key_of(entry)
    if key is not None:
        name = f"runs/{key[:2]}/{key}/{run_record.value_of(entry)}"
        carrier.remote.transport.write(name, run_record.dump(entry))
