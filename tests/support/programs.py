"""Running programs under test and reading what they said."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

REPOSITORY = Path(__file__).resolve().parents[2]
TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Completed:
    """One finished run. command: as typed. rc: negative for a signal, as subprocess has it."""

    command: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()

    def __str__(self) -> str:
        return (
            f"{' '.join(self.command)}: exit code {self.rc}\n"
            f"--- stdout\n{self.stdout}--- stderr\n{self.stderr}"
        )


class Runner(Protocol):
    def __call__(
        self,
        *args: str | os.PathLike[str],
        cwd: str | os.PathLike[str] | None = None,
        check: bool = False,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> Completed: ...


def run(
    command: Sequence[str | os.PathLike[str]],
    *,
    cwd: str | os.PathLike[str] | None = None,
    check: bool = False,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
) -> Completed:
    """Runs a program to its end. env: added to the environment of the tests.

    Raises AssertionError with the whole output when check is set and the exit code is not 0.
    """
    words = tuple(os.fspath(word) for word in command)
    done = subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        input=stdin.encode(),
        capture_output=True,
        timeout=TIMEOUT_S,
    )
    completed = Completed(
        words,
        done.returncode,
        done.stdout.decode("utf-8", "surrogateescape"),
        done.stderr.decode("utf-8", "surrogateescape"),
    )
    assert not check or completed.rc == 0, str(completed)
    return completed


@contextlib.contextmanager
def started(command: Sequence[str | Path], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process, by the options of Popen, that does not outlive the block."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@dataclass(frozen=True, slots=True)
class Program:
    """A program as a function of its arguments: `dvc("add", "x", cwd=folder, check=True)`."""

    path: str
    name: str

    def __call__(
        self,
        *args: str | os.PathLike[str],
        cwd: str | os.PathLike[str] | None = None,
        check: bool = False,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> Completed:
        return run([self.path, *args], cwd=cwd, check=check, env=env, stdin=stdin)


def our_program(name: str = "dvc") -> Program:
    """The installed script of this checkout, beside the Python that runs the tests.

    PANNIER_TEST_DVC names another program in its place: so the tests themselves are tried
    on real DVC.
    """
    path = os.environ.get("PANNIER_TEST_DVC") if name == "dvc" else None
    path = path or str(Path(sys.executable).with_name(name))
    assert Path(path).exists(), f"{path} is not there: install this checkout with 'make venv'"
    return Program(path, name)


def oracle_path() -> Path:
    """Real DVC 3.67.1, which `make test` installs; the tests never go on without it."""
    path = Path(os.environ.get("PANNIER_ORACLE_DVC") or REPOSITORY / ".venv-dvc" / "bin" / "dvc")
    assert path.exists(), (
        f"real DVC is not at {path}: 'make venv-dvc' installs it, "
        "or PANNIER_ORACLE_DVC names another place"
    )
    return path


def git(*args: str, cwd: str | os.PathLike[str] | None = None, check: bool = True) -> Completed:
    return run(["git", *args], cwd=cwd, check=check)
