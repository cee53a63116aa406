"""How the tests are spread over the workers of xdist. Loaded by tests/conftest.py as a plugin.

Those of a group (`@pytest.mark.xdist_group`, or a server that they share) go to one worker, and so
do the others of one file: what is made once for a file or a session is made once then. xdist has
groups of its own, but writes them into the names of tests, where pytest 9.2 keeps them no more.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling

_FOLDER = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


class Scheduling(LoadGroupScheduling):  # type: ignore[misc]
    """By group, else by file; a test that took its worker with it is not tried again, and no new
    worker waits for a second test before it begins with the one it has."""

    def __init__(self, config: pytest.Config, log: Any, groups: Path) -> None:
        super().__init__(config, log)
        self._file = groups
        self._groups: dict[str, str] | None = None

    def _split_scope(self, nodeid: str) -> str:
        if self._groups is None:  # a worker has written it before it said what it has found
            self._groups = json.loads(self._file.read_text())
        return self._groups.get(nodeid) or nodeid.partition("::")[0]

    def schedule(self) -> None:
        super().schedule()
        for node in self.nodes:
            if self._pending_of(self.assigned_work[node]) < 2:
                self._reschedule(node)

    def _reschedule(self, node: Any) -> None:
        """A worker in the place of one that died takes part when it has said what it found."""
        if node in self.registered_collections:
            super()._reschedule(node)

    def remove_node(self, node: Any) -> Any:
        for tests in self.assigned_work[node].values():
            for name, done in tests.items():
                if not done:
                    tests[name] = True
                    self._hand_on(node)
                    return name
        return super().remove_node(node)

    def _hand_on(self, node: Any) -> None:
        left = {
            group: tests
            for group, tests in self.assigned_work.pop(node).items()
            if not all(tests.values())
        }
        self.workqueue.update(left)
        for group in reversed(left):  # what was begun comes first
            self.workqueue.move_to_end(group, last=False)
        for other in self.assigned_work:
            self._reschedule(other)


class Spread:
    """In the process that hands out the tests."""

    def __init__(self, folder: Path) -> None:
        self._groups = folder / "groups"

    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["groups"] = str(self._groups)

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        return Scheduling(config, log, self._groups)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("dist", "no") == "loadgroup" and not hasattr(config, "workerinput"):
        config.stash[_FOLDER] = tempfile.TemporaryDirectory(prefix="spread-")
        config.pluginmanager.register(Spread(Path(config.stash[_FOLDER].name)), "spread")


def pytest_unconfigure(config: pytest.Config) -> None:
    if _FOLDER in config.stash:
        config.stash[_FOLDER].cleanup()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Every worker finds the same tests; the file is there before one of them says so."""
    path = getattr(session.config, "workerinput", {}).get("groups")
    if path is not None:
        groups = {item.nodeid: group for item in session.items if (group := _group(item))}
        with tempfile.NamedTemporaryFile("w", dir=Path(path).parent, delete=False) as file:
            json.dump(groups, file)
        Path(file.name).replace(path)


def _group(item: pytest.Item) -> str:
    names = {str(mark.args[0]) for mark in item.iter_markers("xdist_group")}
    return "@" + "_".join(sorted(names)) if names else ""
