"""Our program, run in forks of one warm process: the start of Python is most of a short command.

What a fork cannot show is run as a process of its own: standard input, a setting that Python reads
when it starts, a second run beside the first. Tests of the process itself use `Program.path`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.processes import PATIENCE_S, end
from tests.support.programs import REPOSITORY, Completed, Program, our_program

READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "PANNIER_", "MALLOC_")
"""Variables by which a fork would differ from a new process."""


class Warm:
    """The warm process. One run at a time; started again after a run that did not end."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="warm-")
        self._free = threading.Lock()
        self._server: subprocess.Popen[str] | None = None
        self._kept: dict[str, str] = {}

    def run(self, program: str, args: list[str], cwd: str, env: dict[str, str]) -> Completed | None:
        """None: not here."""
        if not self._free.acquire(blocking=False):
            return None
        try:
            if self._server is None:
                self._start(env)
            if _kept(env) != self._kept:
                return None
            return self._run(program, args, cwd, env)
        except BaseException:
            self._kill()
            raise
        finally:
            self._free.release()

    def _start(self, env: dict[str, str]) -> None:
        self._kept = _kept(env)
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.warm_server"],
            cwd=REPOSITORY,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._answer() == {"ready": True}

    def _run(self, program: str, args: list[str], cwd: str, env: dict[str, str]) -> Completed:
        assert self._server is not None
        assert self._server.stdin is not None
        out, err = (Path(self._folder.name, name) for name in ("out", "err"))
        os.umask(umask := os.umask(0))
        request = {"argv": [program, *args], "cwd": cwd, "env": env, "umask": umask}
        request |= {"out": str(out), "err": str(err)}
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        rc = self._answer()["rc"]
        assert isinstance(rc, int)
        said = (path.read_text("utf-8", "surrogateescape") for path in (out, err))
        return Completed((program, *args), rc, *said)

    def _answer(self) -> dict[str, object]:
        assert self._server is not None
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the warm process ended; its error output is above"
        answer: dict[str, object] = json.loads(line)
        return answer

    def _kill(self) -> None:
        """Ends it with the run that it waits for: its answer would be taken for that of another."""
        server, self._server = self._server, None
        if server is not None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(PATIENCE_S)

    def close(self) -> None:
        if self._server is not None:
            end(self._server)
        self._folder.cleanup()


def _kept(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(READ_AT_START)}


@dataclass(frozen=True, slots=True)
class WarmProgram(Program):
    """The same program by another way. warm: shared by all names that it has."""

    warm: Warm = field(compare=False, repr=False)

    def __call__(
        self,
        *args: str | os.PathLike[str],
        cwd: str | os.PathLike[str] | None = None,
        check: bool = False,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> Completed:
        done = None
        if not stdin:
            words = [os.fspath(arg) for arg in args]
            everything = {**os.environ, **(env or {})}
            done = self.warm.run(self.path, words, os.fspath(cwd or os.getcwd()), everything)
        if done is None:
            return Program.__call__(self, *args, cwd=cwd, check=check, env=env, stdin=stdin)
        assert not check or done.rc == 0, str(done)
        return done


def warm_program(name: str, warm: Warm) -> Program:
    program = our_program(name)
    if os.environ.get("PANNIER_TEST_DVC") and name == "dvc":
        return program
    return WarmProgram(program.path, name, warm)
