"""Stage logs: what the commands of stages that run at once wrote, a file a stage.

They lie in `.dvc/tmp/pannier/logs`; each run of a stage begins its file anew.
"""

from __future__ import annotations

import contextlib
import os

from pannier.disk import fsio
from pannier.project.project import Project


class StageLogs:
    """The log files of one run. Not to be used by two threads at once."""

    def __init__(self, project: Project) -> None:
        self.folder = f"{project.scratch}/logs"
        self._files: dict[str, int] = {}

    def append(self, name: str, data: bytes) -> None:
        """Adds what a stage's command wrote. A full disk is no reason to stop the command."""
        with contextlib.suppress(OSError):
            if name not in self._files:
                fsio.make_dirs(self.folder)
                path = self.path(name)
                fsio.remove_if_there(path)
                self._files[name] = fsio.create_new(path)
            fsio.write_all(self._files[name], data, self.folder)

    def path(self, name: str) -> str:
        return f"{self.folder}/{name.replace('/', '_')}.log"

    def close(self) -> None:
        for fd in self._files.values():
            os.close(fd)
        self._files = {}
