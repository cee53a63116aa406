"""A project opened in this process, for tests below the command line."""

from __future__ import annotations

import os
from pathlib import Path

from pannier.core.events import Silent
from pannier.project.project import Project, open_project

LATER_NS = 10_000_000_000


class LaterProject(Project):
    """A project whose clock is ten seconds ahead: what was just written counts as settled."""

    def clock_ns(self) -> int:
        return super().clock_ns() + LATER_NS


class Told(Silent):
    """Remembers the sentences that the user would see."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def open_new(root: Path, config: str = "[cache]\n    type = copy\n") -> Project:
    """Makes a project without Git and opens it. config: of `.dvc/config`."""
    (root / ".dvc" / "tmp").mkdir(parents=True)
    (root / ".dvc" / "config").write_text(config)
    return reopened(root)


def reopened(root: Path) -> Project:
    """Opens a project anew, as the next command would. Nothing of the last one is in memory."""
    found = open_project(str(root))
    return LaterProject(*(getattr(found, name) for name in Project.__match_args__))


def write_files(folder: Path, files: dict[str, str | bytes]) -> None:
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data.encode() if isinstance(data, str) else data)


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below folder by its POSIX path; links are followed."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def make_read_only_file(path: Path, data: bytes) -> None:
    """What an object looks like."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.chmod(path, 0o444)
