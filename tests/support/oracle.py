"""Real DVC 3.67.1, as a function of its arguments like our own program."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.servers.processes import end
from tests.support.programs import Completed, oracle_path

VERSION = "3.67.1"


class Oracle:
    """One warm process that forks for every run (tests/support/oracle_server.py).

    path: of the program itself, for runs that need a terminal or standard input.
    """

    def __init__(self) -> None:
        self.path = str(oracle_path())
        script = Path(__file__).with_name("oracle_server.py")
        python = oracle_path().with_name("python")
        self._folder = tempfile.TemporaryDirectory(prefix="oracle-")
        own = {"HOME": f"{self._folder.name}/home", "XDG_CONFIG_HOME": f"{self._folder.name}/xdg"}
        self._server = subprocess.Popen(
            [python, script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **own},
        )
        found = self._answer()["ready"]
        assert found == VERSION, f"the oracle must be DVC {VERSION}, it is {found}"

    def __call__(
        self,
        *args: str | os.PathLike[str],
        cwd: str | os.PathLike[str] | None = None,
        check: bool = False,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> Completed:
        assert not stdin, "the oracle reads no standard input"
        out, err = (str(Path(self._folder.name, name)) for name in ("out", "err"))
        argv = [os.fspath(arg) for arg in args]
        request = {
            "argv": argv,
            "cwd": os.fspath(cwd or os.getcwd()),
            "env": {**os.environ, **(env or {})},
            "out": out,
            "err": err,
        }
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        rc = self._answer()["rc"]
        completed = Completed(
            ("dvc", *argv),
            rc,
            Path(out).read_text("utf-8", "surrogateescape"),
            Path(err).read_text("utf-8", "surrogateescape"),
        )
        assert not check or rc == 0, str(completed)
        return completed

    def _answer(self) -> dict[str, object]:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the oracle's process ended; its error output is above"
        answer: dict[str, object] = json.loads(line)
        return answer

    def close(self) -> None:
        end(self._server)
        self._folder.cleanup()
