"""One project in one state, about which real DVC and our program are asked the same.

DVC's own index of earlier answers starts empty for every question: what it remembers of lists of
files that are lost since is no part of the project.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from tests.support.programs import Completed, Runner
from tests.support.project import Project
from tests.support.wanted import is_wanted

_STATUS_LISTS = ("not_in_cache", "not_in_remote", "untracked", "unchanged")


@dataclass
class Asked:
    """One project that both programs are asked about."""

    project: Project
    oracle: Runner
    sites: Path
    number: Any = field(default_factory=count)

    def both(self, *args: str, cwd: str = "") -> tuple[Completed, Completed]:
        site = self.sites / str(next(self.number))
        folder = self.project.root / cwd
        theirs = self.oracle(*args, cwd=folder, env={"DVC_SITE_CACHE_DIR": str(site)})
        shutil.rmtree(site, ignore_errors=True)
        return theirs, self.project.program(*args, cwd=folder)

    def same(self, *args: str, cwd: str = "", story: str = "") -> Completed:
        """Asks both. The answers must be the same, but for the order of lists that have none."""
        theirs, ours = self.both(*args, cwd=cwd)
        if "unexpected error - [Errno 20] Not a directory" in theirs.stderr:
            return ours  # where a folder that Git keeps became a file, DVC cannot answer at all
        about = f"{story}\nDVC: {theirs}\nours: {ours}"
        assert theirs.rc == ours.rc, about
        if theirs.rc == 0:
            assert answer(args, theirs.stdout) == answer(args, ours.stdout), about
        return ours


def answer(args: tuple[str, ...], text: str) -> Any:
    """What has a meaning in an answer. That of `diff` has it byte for byte."""
    if args[0] == "diff":
        return text
    return status_json(text) if "--json" in args else status_text(text)


def _sorted(paths: list[Any]) -> list[Any]:
    return sorted(paths, key=json.dumps) if is_wanted("data-status-lists") else paths


def status_json(text: str) -> Any:
    """Sections and states in their order; the paths of each sorted."""
    found = json.loads(text)
    assert text == json.dumps(found) + "\n"
    return [
        (
            section,
            _sorted(value)
            if section in _STATUS_LISTS
            else [(state, _sorted(value[state])) for state in _states(value)],
        )
        for section, value in found.items()
    ]


def _states(section: dict[str, list[Any]]) -> list[str]:
    """The states in their order. Of those that DVC meets equally far down its sets decide, another
    way round from run to run."""
    states = list(section)
    if states[:2] == ["unknown", "modified"] and is_wanted("data-status-lists"):
        near = [min(path.rstrip("/").count("/") for path in section[state]) for state in states[:2]]
        if near[0] == near[1]:
            states[:2] = ["modified", "unknown"]
    return states


def status_text(text: str) -> Any:
    """Blocks in their order; the paths of each block sorted."""
    blocks = text.split("\n\n")
    return [
        (re.findall(r"(?m)^ {0,2}\S.*", b), sorted(re.findall(r"(?m)^ {8}.*", b))) for b in blocks
    ]
