"""Running jobs on this machine: each in a thread that waits for its processes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from pannier.core.stage import Stage
from pannier.core.typed import Protocol
from pannier.disk.proc import Processes
from pannier.run.job import Job, Outcome

_OPTIONS = {"zsh": ("--no-rcs",), "bash": ("--noprofile", "--norc")}


class Told(Protocol):
    def command(self, number: int, name: str, line: str) -> None: ...

    def output(self, number: int, name: str, data: bytes) -> None: ...


class Runner(Protocol):
    """Where jobs run. is_far: on machines that share nothing with this one but a remote."""

    is_far: bool

    def submit(self, job: Job, stage: Stage, keep_fds: Sequence[int]) -> Future[Outcome]: ...

    def end(self, number: int) -> None: ...

    def hurry(self) -> bool:
        """Ends by force what `end` is ending; False when there is nothing such."""
        ...

    def pause(self) -> None:
        """Ctrl-Z: stops what runs here and us, until we are let go on."""
        ...

    def close(self) -> None: ...


class LocalRunner:
    """Runs jobs here. jobs: at once. One at a time has our own streams and terminal; of several
    the output is read and told."""

    is_far = False

    def __init__(self, jobs: int, told: Told) -> None:
        self.processes = Processes(with_terminal=jobs == 1)
        self.executor = ThreadPoolExecutor(jobs, thread_name_prefix="stage")
        self._alone, self._told = jobs == 1, told

    def submit(self, job: Job, stage: Stage, keep_fds: Sequence[int]) -> Future[Outcome]:
        """Starts a job. keep_fds: descriptors that its command shall hold."""
        return self.executor.submit(self.run, job, tuple(keep_fds))

    def run(self, job: Job, keep_fds: Sequence[int]) -> Outcome:
        """Runs one job to its end, in the thread that calls."""
        output: Callable[[bytes], None] | None = None
        if not self._alone:

            def output(data: bytes) -> None:
                self._told.output(job.number, job.name, data)

        env = {**os.environ, **job.env}
        for line in job.lines:
            self._told.command(job.number, job.name, line)
            try:
                ended = self.processes.run(
                    [*job.shell, line],
                    job.cwd,
                    env,
                    keep_fds=keep_fds,
                    output=output,
                    timeout_s=job.timeout_s,
                )
            except OSError as error:
                return Outcome(job.number, line, None, why=f"failed to run: {line}, {error}")
            if ended.asked:
                why = f"failed to run: {line}, it asks for the terminal, and nobody can answer"
                return Outcome(job.number, line, ended.code, why=why)
            if ended.code or ended.timed_out:
                return Outcome(job.number, line, ended.code, ended.timed_out)
        return Outcome(job.number)

    def end(self, number: int) -> None:
        """Ends all that runs, by that signal; returns when nothing is left."""
        self.processes.end(number)

    def hurry(self) -> bool:
        return self.processes.hurry()

    def pause(self) -> None:
        self.processes.pause()

    def close(self) -> None:
        self.processes.close()
        self.executor.shutdown()


def shell_of(environment: dict[str, str]) -> tuple[str, ...]:
    """The shell that runs commands, with the options that keep a user's own settings out of it."""
    shell = environment.get("SHELL") or "/bin/sh"
    if shutil.which(shell) is None:
        shell = "/bin/sh"
    name = os.path.basename(shell)
    if name == "fish":
        return (shell, "--no-config", "-c")
    return (shell, *_OPTIONS.get(name, ()), "-c")
