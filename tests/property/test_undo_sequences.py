"""Random sequences of commands, edits and undos against a model of what a user expects."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.support.inside import Inside

NAMES = ("data/a", "data/b", "data/s/c", "single")
TEXTS = ("one", "two", "three")
KINDS = ("copy", "hardlink", "symlink")
State = dict[str, str]


class Undoing(RuleBasedStateMachine):
    """The model: what the workspace, the pointers and the settings are, as text by path, and for
    the last command that changed something its state before and after.

    `undo` must bring back of what the command changed exactly what was there before, if that is
    all as the command left it; else it must change nothing.
    """

    @initialize(kind=st.sampled_from(KINDS))
    def start(self, kind: str) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="undo-"))
        (self.base / "home").mkdir()
        self.inside = Inside(self.base / "project")
        self.inside.root.mkdir()
        self._run("init", "-q", "--no-scm")
        self._run("config", "cache.type", kind)
        for name in NAMES:
            self.inside.write(name, f"first {name}")
        self.before = self._look()
        self._run("add", "-q", "data", "single")
        self.after = self._look()

    def _run(self, *args: str) -> int:
        home = str(self.base / "home")
        return self.inside.run(*args, HOME=home, XDG_CACHE_HOME=home, XDG_CONFIG_HOME=home).rc

    def _look(self) -> State:
        root = self.inside.root
        return {
            path.relative_to(root).as_posix(): path.read_text()
            for path in root.rglob("*")
            if path.is_file()
            and not path.relative_to(root).as_posix().startswith((".dvc/tmp/", ".dvc/cache/"))
        }

    def _command(self, *args: str) -> None:
        before = self._look()
        self._run(*args)
        after = self._look()
        if before != after:
            self.before, self.after = before, after

    # -- what users do ----

    @rule(name=st.sampled_from(NAMES), text=st.sampled_from(TEXTS))
    def edit(self, name: str, text: str) -> None:
        for parent in [Path(name), *Path(name).parents][:-1]:
            target = self.inside.root / parent
            if target.is_file() or target.is_symlink():
                target.unlink()
        target = self.inside.root / name
        if target.is_dir():
            shutil.rmtree(target)
        self.inside.write(name, text)

    @rule(name=st.sampled_from((*NAMES, "data/s", "data")))
    def remove(self, name: str) -> None:
        target = self.inside.root / name
        if target.is_dir():
            shutil.rmtree(target)
        elif os.path.lexists(target):
            target.unlink()

    @rule(text=st.sampled_from(TEXTS))
    def put_a_file_in_the_place_of_a_folder(self, text: str) -> None:
        self.edit("data/s", text)

    @rule(name=st.sampled_from(("data", "single")))
    def add(self, name: str) -> None:
        if (self.inside.root / name).exists():
            self._command("add", "-q", name)

    @rule()
    def commit(self) -> None:
        self._command("commit", "-q", "-f")

    @rule(force=st.booleans())
    def checkout(self, force: bool) -> None:
        self._command("checkout", "-q", *(["--force"] if force else []))

    @rule(on=st.booleans())
    def config(self, on: bool) -> None:
        self._command("config", "core.autostage", str(on).lower())

    @rule()
    def undo(self) -> None:
        now = self._look()
        changed = {
            path
            for path in self.before.keys() | self.after.keys()
            if self.before.get(path) != self.after.get(path)
        }
        settled = all(
            now.get(path) in (self.before.get(path), self.after.get(path)) for path in changed
        )

        rc = self._run("undo", "-q")

        found = self._look()
        if rc != 0:
            assert found == now
            assert not settled or self._is_blocked(now, changed)
            return
        assert settled
        expected = {path: text for path, text in now.items() if path not in changed}
        expected |= {path: self.before[path] for path in changed if path in self.before}
        assert expected == found
        if found != now:
            self.before, self.after = now, found

    def _is_blocked(self, now: State, changed: set[str]) -> bool:
        """True when newer files stand where folders of old ones were, or the reverse."""
        others = now.keys() - changed
        return any(
            path.startswith(other + "/") or other.startswith(path + "/")
            for path in changed & self.before.keys()
            for other in others
        )

    @invariant()
    def status_can_be_asked(self) -> None:
        if hasattr(self, "inside"):
            assert self._run("op", "log") == 0

    def teardown(self) -> None:
        if hasattr(self, "base"):
            shutil.rmtree(self.base)


TestUndoing = Undoing.TestCase
TestUndoing.settings = settings(
    max_examples=12, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
)
