#!/usr/bin/env python3
"""What users see of PBS, LSF and HTCondor: programs that take a job and end one, by their names.

A job is a process of this machine. BATCH_FOLDER: where a job leaves its script, the options that
stand in it, the process that it is and what it says. With BATCH_REFUSES nothing is taken; with
BATCH_FAILS what is taken ends at once.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

FOLDER = Path(os.environ["BATCH_FOLDER"])
TOLD = {
    "qsub": "{}.batch.example",
    "bsub": "Job <{}> is submitted to default queue <normal>.",
    "condor_submit": "Submitting job(s).\n1 job(s) submitted to cluster {}.",
}
MARK = {"qsub": "#PBS", "bsub": "#BSUB"}


def main() -> int:
    program = Path(sys.argv[0]).name
    if program not in TOLD:
        return cancel(sys.argv[-1])
    if why := os.environ.get("BATCH_REFUSES"):
        print(f"{program}: {why}", file=sys.stderr)
        return 1
    text = Path(sys.argv[-1]).read_text() if len(sys.argv) > 1 else sys.stdin.read()
    number = reserve()
    if program == "condor_submit":
        options, command = condor(text)
    else:
        lines = [line for line in text.splitlines() if line.startswith(MARK[program])]
        options = [line.removeprefix(MARK[program]).strip() for line in lines]
        script = FOLDER / f"{number}.sh"  # who submits removes its own
        script.write_text(text)
        command = ["bash", str(script)]
    if why := os.environ.get("BATCH_FAILS"):
        command = ["echo", why]
    (FOLDER / f"{number}.json").write_text(json.dumps(options))
    with (FOLDER / f"{number}.out").open("wb") as out:
        job = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            env={**os.environ, "BATCH_JOB": number},
        )
    (FOLDER / f"{number}.pid").write_text(str(job.pid))
    print(TOLD[program].format(number))
    return 0


def reserve() -> str:
    """A number that no other job has."""
    for number in range(1, 1000):
        try:
            (FOLDER / f"{number}.taken").touch(exist_ok=False)
        except FileExistsError:
            continue
        return str(number)
    raise RuntimeError("too many jobs")


def condor(text: str) -> tuple[list[str], list[str]]:
    """A submit description: `name = value`, and arguments in HTCondor's own quotes."""
    found = dict(re.findall(r"(?m)^(\S+) = (.*)$", text))
    assert text.rstrip().endswith("\nQueue"), text
    quoted = found["Arguments"]
    assert quoted[0] == quoted[-1] == '"', quoted
    inner = quoted[1:-1].replace('""', '"')
    # 'in one piece', with '' for one such mark: as in SQL, and in no shell
    pieces = re.findall(r"((?:[^\s']|'(?:[^']|'')*')+)", inner)
    words = [
        re.sub(r"'((?:[^']|'')*)'", lambda m: m[1].replace("''", "'"), piece) for piece in pieces
    ]
    return [f"{k} = {v}" for k, v in found.items()], [found["Executable"], *words]


def cancel(job: str) -> int:
    pid = FOLDER / f"{re.match('[0-9]+', job)[0]}.pid"  # type: ignore[index]
    try:
        os.killpg(int(pid.read_text()), signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        print(f"unknown job {shlex.quote(job)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
