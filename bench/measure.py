"""Measuring one command: wall time, CPU time of the whole tree, peak memory, and a fresh ground.

Linux only. Memory is told twice: the largest process as the kernel accounts it, and the whole tree
of processes (sum of PSS, sampled), because a program may do its work in helpers.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

SAMPLE_S = 0.2
# A process keeps the peak of what it was forked from. So the command is not started by this
# program, whose peak is ours, but by a Python without anything in it: about 9 MB.
LAUNCHER = """
import os, sys, time, json
start = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(pid, 0)
wall = time.perf_counter() - start
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), wall, used.ru_utime + used.ru_stime,
               used.ru_maxrss * 1024], file)
"""


class CommandFailed(Exception):
    """A measured or preparing command ended with something else than 0."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One run. largest_bytes: peak RSS of the largest process. tree_bytes: peak of the sum."""

    wall_s: float
    cpu_s: float
    largest_bytes: int
    tree_bytes: int

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def descendants(root: int) -> list[int]:
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as file:
                    waiting += map(int, file.read().split())
    return found


def pss_bytes(pid: int) -> int:
    """What the process has in memory, shared pages counted by their share; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def measure(command: list[str], *, cwd: Path, env: dict[str, str]) -> Figures:
    """Runs a command to its end; of what it prints only errors are told, when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        answer, errors = Path(folder, "answer"), Path(folder, "errors")
        with open(errors, "wb") as stderr:
            launcher = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", LAUNCHER, str(answer), *command],
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
            tree = 0
            next_sample = time.monotonic() + SAMPLE_S
            while True:
                try:
                    launcher.wait(max(0.001, next_sample - time.monotonic()))
                    break
                except subprocess.TimeoutExpired:
                    below = descendants(launcher.pid)[1:]
                    tree = max(tree, sum(map(pss_bytes, below)))
                    next_sample = time.monotonic() + SAMPLE_S
        if not answer.exists():
            raise CommandFailed(f"{' '.join(command)}: {errors.read_text()}")
        rc, wall, cpu, largest = json.loads(answer.read_text())
        if rc != 0:
            raise CommandFailed(f"{' '.join(command)}: exit code {rc}: {errors.read_text()}")
    return Figures(wall, cpu, largest, max(tree, largest))


def run(command: list[str], *, cwd: Path, env: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        raise CommandFailed(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr}")


IMAGE_BYTES = 40 << 30
"""Of the sparse file behind a fresh file system: room for a million files, mostly never written."""


@contextlib.contextmanager
def loop_ext4(where: Path) -> Iterator[Path]:
    """A new ext4 with a journal on a loop device; its lazy initialisation is switched off."""
    with tempfile.TemporaryDirectory(dir=where, prefix="bench-") as folder:
        image, mount = Path(folder, "image"), Path(folder, "mount")
        mount.mkdir()
        with open(image, "wb") as file:
            file.truncate(IMAGE_BYTES)
        for command in (
            ["mkfs.ext4", "-q", "-F", "-i", "8192", "-E", "lazy_itable_init=1", str(image)],
            ["mount", "-o", "loop,noinit_itable,noatime", str(image), str(mount)],
        ):
            run(command, cwd=Path(folder), env=dict(os.environ))
        try:
            yield mount
        finally:
            run(["umount", str(mount)], cwd=Path(folder), env=dict(os.environ))


@contextlib.contextmanager
def tmpfs(where: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=where, prefix="bench-") as folder:
        run(["mount", "-t", "tmpfs", "tmpfs", folder], cwd=where, env=dict(os.environ))
        try:
            yield Path(folder)
        finally:
            run(["umount", folder], cwd=where, env=dict(os.environ))


@contextlib.contextmanager
def plain_folder(where: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=where, prefix="bench-") as folder:
        yield Path(folder)


GROUNDS = {"ext4": loop_ext4, "tmpfs": tmpfs, "folder": plain_folder}


def choose_ground(where: Path) -> str:
    """The best ground that this machine allows: a loop-mounted ext4, a tmpfs, the folder itself."""
    for name in ("ext4", "tmpfs"):
        try:
            with GROUNDS[name](where):
                return name
        except (CommandFailed, OSError):
            continue
    return "folder"
