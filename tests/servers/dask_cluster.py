"""A Dask scheduler and worker processes on this machine, each worker with a disk of its own."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.servers.processes import (
    PATIENCE_S,
    free_ports,
    start,
    wait_for_line,
    wait_for_port,
)


class DaskCluster:
    """address: for `--executor`. workers: by the folder that each calls its own."""

    def __init__(self, folder: Path, workers: int = 2, *, resources: str = "") -> None:
        """resources: what one worker more declares, as `dask worker --resources` has it. All are
        waited for: how many stages run at once, and what is declared, is asked of those there."""
        self._folder = folder
        self._dask = Path(sys.executable).with_name("dask")
        port = free_ports(1)[0]
        log = folder / "scheduler.log"
        self._tcp = f"tcp://127.0.0.1:{port}"
        self.address = f"dask://127.0.0.1:{port}"
        options = ("--host", "127.0.0.1", "--port", str(port), "--dashboard-address", ":0")
        self._scheduler = start([self._dask, "scheduler", *options], log)
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self._numbers = itertools.count()  # a worker's folder is never that of one that was killed
        try:
            wait_for_port(port, self._scheduler, log)
            for _ in range(workers):
                self.add_worker()
            if resources:
                self.rich = self.add_worker("--resources", resources)
            for own, worker in self.workers.items():
                wait_for_line("Registered to", worker, self._log(own))
        except BaseException:
            self.close()
            raise

    def add_worker(self, *more: str) -> str:
        """Starts one more worker of two threads; its folder. A scheduler waits for those to
        come."""
        own = str(self._folder / f"worker-{next(self._numbers)}")
        command = [
            *("env", f"PANNIER_WORKER_DIR={own}", self._dask, "worker", self._tcp),
            *("--no-nanny", "--nthreads", "2", "--no-dashboard", "--local-directory", own + "-d"),
            *more,
        ]
        self.workers[own] = start(command, self._log(own))
        return own

    def _log(self, own: str) -> Path:
        return self._folder / f"{Path(own).name}.log"

    def kill_worker(self, own: str) -> None:
        """Kills the worker of that folder, and what it had started, and starts another."""
        os.killpg(self.workers.pop(own).pid, signal.SIGKILL)
        self.add_worker()

    def close(self) -> None:
        """With SIGKILL: asked to end, a worker waits for a scheduler that ends, too."""
        for process in (*self.workers.values(), self._scheduler):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE_S)
