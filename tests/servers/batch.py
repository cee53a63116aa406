"""The programs of batch systems that have no package here: tests/support/batch_program.py."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

_PROGRAM = Path(__file__).resolve().parents[1] / "support/batch_program.py"
_NAMES = {
    "pbs": ("qsub", "qdel"),
    "lsf": ("bsub", "bkill"),
    "htcondor": ("condor_submit", "condor_rm"),
}


class Batch:
    """env: what a program needs to find it. job: the variable that a job knows its number by."""

    job = "BATCH_JOB"

    def __init__(self, folder: Path, system: str) -> None:
        bin_folder, self._folder = folder / "bin", folder / "jobs"
        bin_folder.mkdir(parents=True)
        self._folder.mkdir()
        text = _PROGRAM.read_text().partition("\n")[2]
        for name in _NAMES[system]:
            program = bin_folder / name
            program.write_text(f"#!{sys.executable}\n{text}")
            program.chmod(0o755)
        self._submit, self._cancel = (str(bin_folder / name) for name in _NAMES[system])
        path = f"{bin_folder}:{os.environ['PATH']}"
        self.env = {"PATH": path, "BATCH_FOLDER": str(self._folder)}

    def options(self) -> list[list[str]]:
        """What each job asked the batch system for."""
        files = sorted(self._folder.glob("*.json"), key=lambda path: int(path.stem))
        return [json.loads(path.read_text()) for path in files]

    def pids(self) -> list[int]:
        return [int(path.read_text()) for path in self._folder.glob("*.pid")]

    def cancel(self, job: str) -> None:
        """As somebody does from another terminal."""
        os.killpg(int((self._folder / f"{job}.pid").read_text()), 9)

    def close(self) -> None:
        for path in self._folder.glob("*.pid"):
            try:
                self.cancel(path.stem)
            except ProcessLookupError:
                continue
