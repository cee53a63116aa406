"""What a real batch system with this machine as its only node needs, whichever it is."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers.processes import start

_LIMIT_S = 60


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin"


def missing(programs: Sequence[str]) -> str:
    """What is missing to run one of these programs here, or ""."""
    absent = [name for name in programs if shutil.which(name, path=_path()) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    return "" if os.geteuid() == 0 else "only root may start it"


class OneNode:
    """env: what a program needs to find it. host: what the system calls this machine."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = {**env, "PATH": _path()}
        self.host = socket.gethostname().partition(".")[0]

    def run(self, *command: str, check: bool = True) -> str:
        """A program of the system, to its end; what it says."""
        env = os.environ | self.env
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=_LIMIT_S)
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, log: Path, *command: str, **more: str) -> subprocess.Popen[bytes]:
        """A server of the system. more: what of the environment only this one sees."""
        env = [f"{key}={value}" for key, value in {**self.env, **more}.items()]
        return start(["env", *env, *command], log)
