"""Executors by name: where `repro --executor` runs stages.

    local                 this machine, as without the option
    dask://host:port      a Dask scheduler that runs, with its workers
    slurm, pbs, lsf, sge, htcondor    jobs of a batch system, through dask-jobqueue

A name stands for a table `executor.<name>` of our own settings: its `url` is one of these, `jobs`
how many workers are started, `resources` what each of them declares, anything else an option of the
batch system (`queue`, `cores`, `memory`, `walltime`, ...).
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager

from pannier.core.errors import ConfigError, PannierError
from pannier.core.record import dataclass, field
from pannier.core.typed import TYPE_CHECKING, Any
from pannier.run import batch
from pannier.run.worker import end_run

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCAL = "local"
_CONNECT_S = 20
_END_S = 10


@dataclass(frozen=True, slots=True)
class ExecutorConfig:
    """One executor. url: as above. jobs: workers to start, None for the executor's own number."""

    name: str
    url: str
    jobs: int | None = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Workers:
    """Workers elsewhere. name: of their executor. count: how many tasks they take at once.
    declared: resources of each that is known now. end: ends what a run (its id) has there, and
    lets nothing more of it begin."""

    name: str
    executor: Executor
    count: int
    declared: tuple[Mapping[str, float], ...]
    end: Callable[[str], None]


def executor_config(name: str, tables: dict[str, dict[str, Any]]) -> ExecutorConfig:
    """The executor of a name, or of a URL. tables: of the settings, by name.

    Raises ConfigError for a name that stands for none.
    """
    if name == LOCAL or (name.startswith("dask") and "://" in name):
        return ExecutorConfig(name, name)
    table = dict(tables.get(name.lower(), {}))
    if not table and name in batch.SYSTEMS:
        return ExecutorConfig(name, name)
    url = table.pop("url", None)
    if url is None:
        known = ", ".join(sorted(["local", *tables]))
        raise ConfigError(
            f"there is no executor '{name}'; known are: {known}",
            hint=f"dvc config pannier.executor.{name}.url dask://host:8786",
        )
    jobs = table.pop("jobs", None)
    if jobs is not None and not (str(jobs).isdecimal() and int(jobs)):
        raise ConfigError(
            f"executor '{name}': 'jobs' must be a whole number, 1 or more; it is '{jobs}'",
            hint=f"dvc config pannier.executor.{name}.jobs 1",
        )
    return ExecutorConfig(name, str(url), int(jobs) if jobs is not None else None, table)


def open_executor(
    config: ExecutorConfig, logs: str, warn: Callable[[str], None]
) -> AbstractContextManager[Workers]:
    """Connects to workers elsewhere. logs: a folder for what jobs of a batch system say. warn: for
    a sentence about them, from any thread.

    Raises PannierError where nobody answers, or where the library is not installed.
    """
    scheme, _, rest = config.url.partition("://")
    if scheme in ("dask", "dask+tls") and rest:
        _check_answers(config, rest)
        return _client(config, f"{'tls' if scheme == 'dask+tls' else 'tcp'}://{rest}")
    if config.url in batch.SYSTEMS:
        return _batch(config, logs, warn)
    raise ConfigError(
        f"executor '{config.name}': '{config.url}' is neither dask://host:port nor one of"
        f" {', '.join(batch.SYSTEMS)}"
    )


def _check_answers(config: ExecutorConfig, place: str) -> None:
    """Raises PannierError at once where nobody listens: the library would try for long."""
    host, _, port = place.rpartition(":")
    if not port.isdigit():
        raise ConfigError(f"executor '{config.name}': '{config.url}' names no port")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
    except OSError as error:
        raise _silent(config, error) from None


def _silent(config: ExecutorConfig, error: Exception) -> PannierError:
    return PannierError(
        f"executor '{config.name}': {config.url} does not answer ({error})",
        hint="start it with 'dask scheduler', and its workers with 'dask worker <address>'",
    )


@contextmanager
def _client(config: ExecutorConfig, address: Any) -> Iterator[Workers]:
    try:
        import distributed as _distributed
    except ImportError:
        raise batch.not_installed() from None
    distributed: Any = _distributed
    try:
        client = distributed.Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise _silent(config, error) from None
    try:
        threads = sum(client.nthreads().values())
        known = client.scheduler_info(n_workers=-1)["workers"].values()
        yield Workers(
            config.name,
            client.get_executor(pure=False, retries=2),
            config.jobs or max(1, threads),
            tuple(worker.get("resources", {}) for worker in known),
            lambda run: _end(client, run),
        )
    finally:
        client.close()


@contextmanager
def _batch(config: ExecutorConfig, logs: str, warn: Callable[[str], None]) -> Iterator[Workers]:
    jobs = config.jobs or 1
    options = dict(config.options)
    if not any(map(str.isspace, logs)):  # a space ends a directive
        options.setdefault("log_directory", logs)  # else they say it where we stand
    entered = batch.submitted(config.name, config.url, options, jobs, warn)
    with entered as (cluster, declared), _client(config, cluster) as found:
        yield Workers(config.name, found.executor, jobs, declared, found.end)


def _end(client: Any, run: str) -> None:
    """Tells all workers. One that does not hear it in time goes on to the end of what it does."""

    def tell() -> None:
        with contextlib.suppress(Exception):
            client.run(end_run, run, on_error="ignore")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    teller.join(_END_S)
