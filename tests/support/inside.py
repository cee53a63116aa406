"""Commands run in the process of the tests: a hundredth of a second each, for long sequences."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pannier.cli.dispatch import execute
from tests.support.programs import Completed


@contextlib.contextmanager
def _surroundings(folder: Path, env: Mapping[str, str]) -> Iterator[None]:
    cwd, before = os.getcwd(), dict(os.environ)
    os.chdir(folder)
    os.environ.update(env)
    try:
        yield
    finally:
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(before)


@dataclass(frozen=True, slots=True)
class Inside:
    """A project in a folder. Nothing that a command opens outlives it."""

    root: Path

    def run(self, *args: str, **env: str) -> Completed:
        out, err = io.StringIO(), io.StringIO()
        with (
            _surroundings(self.root, env),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            rc = execute(args, "dvc")
        return Completed(("dvc", *args), rc, out.getvalue(), err.getvalue())

    def dvc(self, *args: str) -> Completed:
        done = self.run(*args)
        assert done.rc == 0, str(done)
        return done

    def write(self, path: str, data: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_text(data)

    def read(self, path: str) -> str:
        return (self.root / path).read_text()
