"""A project in a folder of its own, and pictures of what is on disk."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.programs import Completed, Runner, git


@dataclass(frozen=True, slots=True)
class Project:
    """A Git repository with DVC set up. program: what `project.dvc(...)` runs."""

    root: Path
    program: Runner

    def dvc(self, *args: str | os.PathLike[str], check: bool = True) -> Completed:
        return self.program(*args, cwd=self.root, check=check)

    def git(self, *args: str, check: bool = True) -> Completed:
        return git(*args, cwd=self.root, check=check)

    def write(self, path: str, data: bytes | str) -> Path:
        """Writes a file below the root, folders included."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data.encode() if isinstance(data, str) else data)
        return target

    def commit_all(self, message: str = "work") -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    @property
    def cache(self) -> Path:
        return self.root / ".dvc" / "cache"


def make_project(root: Path, program: Runner) -> Project:
    """`git init`, `dvc init` and a commit; done once for each program and then copied."""
    template = _TEMPLATES.get(str(program))
    if template is None:
        folder = tempfile.mkdtemp(prefix="pannier-template-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        template = Path(folder, "project")
        template.mkdir()
        git("init", "-q", "-b", "main", cwd=template)
        new = Project(template, program)
        new.dvc("init", "-q")
        new.git("commit", "-qm", "init")
        _TEMPLATES[str(program)] = template
    root.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(template, root, symlinks=True)
    return Project(root, program)


_TEMPLATES: dict[str, Path] = {}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing on disk. kind: "file", "dir" or "link". mode: permission bits of a file."""

    kind: str
    data: bytes = b""
    mode: int = 0

    def __repr__(self) -> str:
        shown = self.data if len(self.data) <= 120 else self.data[:120] + b"..."
        return f"{self.kind} {self.mode:o} {shown!r}"


def picture(root: Path, *, leave_out: tuple[str, ...] = ()) -> dict[str, Entry]:
    """Everything below root by its POSIX path; leave_out: paths not to look below.

    The bytes of a link are its target.
    """
    found: dict[str, Entry] = {}
    folders = [""]
    while folders:
        folder = folders.pop()
        for entry in os.scandir(root / folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if path in leave_out:
                continue
            if entry.is_symlink():
                found[path] = Entry("link", os.fsencode(os.readlink(entry.path)))
            elif entry.is_dir():
                found[path] = Entry("dir")
                folders.append(path)
            else:
                mode = stat.S_IMODE(entry.stat().st_mode)
                found[path] = Entry("file", Path(entry.path).read_bytes(), mode)
    return found


def differences(left: dict[str, Entry], right: dict[str, Entry]) -> list[str]:
    """One line for each path that is not the same on both sides."""
    return [
        f"{path}: {left.get(path, 'absent')} | {right.get(path, 'absent')}"
        for path in sorted(left.keys() | right.keys())
        if left.get(path) != right.get(path)
    ]


def objects(store: Path) -> dict[str, bytes]:
    """The objects of a cache or remote, both layouts: {"files/md5/ab/cd...": bytes}.

    Temporary files and what either program keeps beside the objects is no object.
    """
    found: dict[str, bytes] = {}
    for base in ("", "files/md5/"):
        if not (store / base).is_dir():
            continue
        for prefix in os.listdir(store / base):
            if len(prefix) != 2 or not all(c in "0123456789abcdef" for c in prefix):
                continue
            for name in os.listdir(store / base / prefix):
                if len(name.removesuffix(".dir")) == 30:
                    path = f"{base}{prefix}/{name}"
                    found[path] = (store / path).read_bytes()
    return found
