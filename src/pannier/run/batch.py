"""Workers as jobs of a batch system, through dask-jobqueue.

Its options are texts in our settings, and of several types there. A job that is refused, and one
that ends before the run does, is something that it says nothing of.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import queue
import shutil
import signal
import threading
import time
from contextlib import contextmanager

from pannier.core.errors import ConfigError, PannierError
from pannier.core.typed import TYPE_CHECKING, Any
from pannier.run import placing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SYSTEMS = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "lsf": "LSFCluster",
    "sge": "SGECluster",
    "htcondor": "HTCondorCluster",
}
_DEFAULTS = {"cores": "1", "memory": "1GB"}
_NEEDED = {"htcondor": {"disk": "1GB"}}
_NUMBERS = {"cores", "processes", "ncpus", "mem", "job_cpu"}
_SWITCHES = {"nanny", "use_stdin"}
_LISTS = {"worker_extra_args", "job_script_prologue", "job_directives_skip"} | {
    "submit_command_extra",
    "cancel_command_extra",
}
_DIRECTIVES = "job_extra_directives"
_OURS = {"args", "kwargs", "base_class_kwargs", "job_kwargs", "job_cls", "n_workers"} | {
    *(
        "scheduler",
        "scheduler_cls",
        "scheduler_options",
        "name",
        "config_name",
        "dashboard_address",
    ),
    *("host", "loop", "asynchronous", "security", "silence_logs"),
}
"""Parameters that are no settings: what stands for others, and what we give or Dask refuses."""
_LOOK_AGAIN_S = 2.0
_ASK_AGAIN_S = 5.0
_PATIENCE_S = 60.0


@contextmanager
def submitted(
    name: str, system: str, options: Mapping[str, Any], jobs: int, warn: Callable[[str], None]
) -> Iterator[tuple[Any, tuple[dict[str, float], ...]]]:
    """(Dask's cluster, resources that each worker declares) while jobs are there that the batch
    system took; they end with it. warn: called once when none of them begins, from another thread.

    Raises ConfigError for options that it does not know, PannierError where there is no such batch
    system, or where it refuses a job.
    """
    cluster_class = _cluster_class(system)
    given = {**_DEFAULTS, **_NEEDED.get(system, {}), **options}
    text = given.pop("resources", None)
    declared = (placing.parse(str(text), name),) if text else ()
    made = _typed(name, system, cluster_class, given)
    if declared:
        named = " ".join(f"{key}={amount:g}" for key, amount in declared[0].items())
        made["worker_extra_args"] = [*made.get("worker_extra_args", ()), f"--resources '{named}'"]
    program = cluster_class.job_cls.submit_command.split()[0]
    if shutil.which(program) is None:
        raise PannierError(
            f"executor '{name}': there is no program '{program}' on this machine",
            hint="run this where jobs are submitted from",
        )
    # It would write each refusal to the terminal, as a traceback.
    logging.getLogger("tornado.application").setLevel(logging.CRITICAL)
    results: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
    begun, over = threading.Event(), threading.Event()
    patience_s = _seconds(made.get("death_timeout"))
    logs = made.get("log_directory")

    def tell_silence(passed_s: float) -> bool:
        if passed_s < patience_s:
            return False
        where = f" What they say is in '{logs}'." if logs else ""
        warn(
            f"executor '{name}': no job has begun for {patience_s:g} seconds: they wait for their"
            f" turn, or ended at once.{where}"
        )
        return True

    job_class = _telling(cluster_class.job_cls, results.put, begun, over)
    try:
        cluster = cluster_class(job_cls=job_class, **made)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"executor '{name}': {_first_line(str(error))}") from None
    keeper = threading.Thread(target=_keep, args=(cluster, jobs, over, tell_silence), daemon=True)
    try:
        cluster.scale(jobs=jobs)
        for _ in range(jobs):
            refusal = results.get()
            if refusal is not None:
                raise _refused(name, program, refusal)
        begun.set()
        keeper.start()
        yield cluster, declared
    finally:
        over.set()
        cluster.close()


def not_installed() -> PannierError:
    return PannierError(
        "workers elsewhere need a library that is not installed",
        hint="pip install 'pannier[cluster]'",
    )


def _cluster_class(system: str) -> Any:
    heard = signal.getsignal(signal.SIGINT)
    try:
        import dask_jobqueue
    except ImportError:
        raise not_installed() from None
    finally:
        # With its import Ctrl-C means an end with exit code 0, as if all were done.
        signal.signal(signal.SIGINT, heard)
    return getattr(dask_jobqueue, SYSTEMS[system])


def _typed(name: str, system: str, cluster_class: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    known = (_parameters(cluster_class) | _parameters(cluster_class.job_cls)) - _OURS
    return {key: _value(name, system, key, value, known) for key, value in given.items()}


def _parameters(made: type) -> set[str]:
    return {
        name
        for one in made.__mro__
        if one.__module__.startswith("dask_jobqueue")
        for name in inspect.signature(one).parameters
    }


def _value(name: str, system: str, key: str, value: Any, known: set[str]) -> Any:
    """An option as dask-jobqueue wants it; a list has a line for each of its parts."""
    if key not in known:
        raise ConfigError(
            f"executor '{name}': '{key}' is no option of {system}",
            hint=f"dvc config --unset pannier.executor.{name}.{key}",
        )
    text = str(value)
    lines = [line for line in text.splitlines() if line.strip()]
    if key in _NUMBERS:
        if not text.isdecimal():
            raise ConfigError(f"executor '{name}': '{key}' must be a whole number, it is '{text}'")
        return int(text)
    if key in _SWITCHES:
        return text.strip().lower() in ("true", "1", "yes", "on")
    if key == _DIRECTIVES and system == "htcondor":
        parts = (line.partition("=") for line in lines)
        return {option.strip(): what.strip() for option, _, what in parts}
    return lines if key in _LISTS or key == _DIRECTIVES else text


def _telling(job_class: Any, tell: Any, begun: threading.Event, over: threading.Event) -> Any:
    import asyncio

    class Job(job_class):  # type: ignore[misc]
        """One that says whether the batch system took it; one in the place of another that was
        lost asks until it does."""

        async def start(self) -> None:
            while True:
                try:
                    await super().start()
                except Exception as error:
                    if begun.is_set() and not over.is_set():
                        await asyncio.sleep(_ASK_AGAIN_S)
                        continue
                    job: Any = self
                    job.status = type(job.status).failed  # else nothing is closed
                    tell(error)
                    raise
                tell(None)
                return

    return Job


def _keep(
    cluster: Any, jobs: int, over: threading.Event, tell_silence: Callable[[float], bool]
) -> None:
    """Submits jobs again whose workers were there and are gone: their time was over, or somebody
    cancelled them. Dask forgets such a worker a quarter of a minute after it was lost."""
    began_s = time.monotonic()
    is_told = False
    while not over.wait(_LOOK_AGAIN_S):
        if len(cluster.workers) < jobs:
            with contextlib.suppress(Exception):
                cluster.scale(jobs=jobs)
        is_told = is_told or bool(cluster.scheduler_info["workers"])
        is_told = is_told or tell_silence(time.monotonic() - began_s)


def _seconds(text: str | None) -> float:
    """How long a worker waits for us; so long we wait for the first of them."""
    return float(text) if text and text.isdecimal() else _PATIENCE_S


def _refused(name: str, program: str, error: Exception) -> PannierError:
    """In the words of the program that refused."""
    head, _, errors = str(error).partition("\nstderr:\n")
    said = errors.strip() or head.partition("\nstdout:\n")[2].strip()
    if not said and not isinstance(error, RuntimeError):  # Dask's for an exit code
        said = str(error)
    return PannierError(
        f"executor '{name}': {program} does not take the job: {_first_line(said)}",
        hint=f"'dvc config pannier.executor.{name}.<option> <value>' says what it wants",
    )


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:300] if text.strip() else "it says nothing"
