"""Breaks the source as tests/mutants/table.py says, and sees the tests fail: `make mutants`.

    python -m tests.mutants.run [WORD...]    only rows whose rule or file holds one of the words

Works on a copy below a temporary folder; the checkout stays as it is. Ends with 1 when a broken
rule was noticed by nothing, or could not be tried: that a test cannot begin proves nothing.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.table import MUTANTS, Mutant
from tests.support.programs import REPOSITORY

COPIED = ("src", "tests", "docs", "pyproject.toml", "README.md", "changes")


def copy_to(folder: Path) -> None:
    for name in COPIED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)


class CannotTry(Exception):
    pass


def notices(copy: Path, mutant: Mutant) -> str | None:
    """The first test that fails with the source broken so; None when all pass."""
    path = copy / "src/pannier" / mutant.file
    whole = path.read_text()
    if whole.count(mutant.old) != 1:
        raise CannotTry(f"this stands {whole.count(mutant.old)} times there:\n{mutant.old}")
    path.write_text(whole.replace(mutant.old, mutant.new))
    try:
        words = ["-q", "-x", "-m", "not long", "--tb=no", "-rfE", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                *words,
                "--basetemp",
                copy / "tmp",
                *shlex.split(mutant.test),
            ],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": f"{copy}/src", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
        )
    finally:
        path.write_text(whole)
    if done.returncode == 0:
        return None
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    if not failed:
        raise CannotTry(f"pytest ended with {done.returncode}:\n{done.stdout[-2000:]}")
    return failed[0].split(" - ")[0]


def main(words: list[str]) -> int:
    chosen = [m for m in MUTANTS if not words or any(w in m.rule + m.file for w in words)]
    unnoticed = 0
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=os.environ.get("TMPDIR")) as name:
        copy = Path(name)
        copy.chmod(0o755)  # tests run it as other users, too
        copy_to(copy)
        for mutant in chosen:
            start = time.monotonic()
            try:
                test = notices(copy, mutant)
                answer = test or "NOBODY NOTICES"
            except CannotTry as error:
                test, answer = None, f"CANNOT BE TRIED: {error}"
            unnoticed += test is None
            took_s = time.monotonic() - start
            print(f"{mutant.rule} [{mutant.file}], {took_s:.0f} s: {answer}")
            sys.stdout.flush()
    print(f"{len(chosen)} rules broken, {unnoticed} unnoticed or not tried")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
