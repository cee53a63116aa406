"""`data status` and `diff` beside real DVC, in states that nobody would think of."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from tests.support.asked import Asked
from tests.support.oracle import Oracle
from tests.support.programs import Program, git
from tests.support.project import make_project, objects

SEEDS = range(2)
LONG_SEEDS = range(1000, 1150)
STEPS = 5

FOLDERS = ["d", "d2", "w/x", "späne"]
FILES = ["f", "g.csv", "w/y"]
MEMBERS = ["a", "a-b", "a/x", "s/b", "s/t/c", "z", "ü ä", "s.c"]
CONTENTS = ["one", "two", "three", ""]


STATUS_FLAGS = ("--granular", "--unchanged", "--untracked-files", "--json")


class Life:
    """A random life of one project."""

    def __init__(self, seed: int, asked: Asked) -> None:
        self.rng = random.Random(seed)
        self.asked, self.project = asked, asked.project
        self.history: list[str] = []
        self.commits = 1

    def live(self) -> None:
        for _ in range(self.rng.randint(2, 5)):
            self.write()
        self.add()
        for _ in range(STEPS):
            for _ in range(self.rng.randint(1, 4)):
                self.rng.choice(
                    [
                        *(self.write, self.write, self.delete, self.rename, self.add, self.add),
                        *(self.commit, self.forget, self.lose, self.swap_kind, self.code),
                    ]
                )()
            self.ask()

    def say(self, text: str) -> None:
        self.history.append(text)

    def present(self) -> list[str]:
        root = self.project.root
        return [p for p in FOLDERS + FILES if os.path.lexists(root / p)]

    def members(self) -> list[str]:
        root = self.project.root
        found = [f"{f}/{m}" for f in FOLDERS for m in MEMBERS] + FILES
        return [p for p in found if (root / p).is_file()]

    def write(self) -> None:
        path = self.rng.choice([*FILES, *(f"{f}/{m}" for f in FOLDERS for m in MEMBERS)])
        target = self.project.root / path
        parents = [p for p in target.parents if p != self.project.root]
        if target.is_dir() or any(p.is_file() for p in parents):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        data = self.rng.choice(CONTENTS)
        target.write_text(data)
        self.say(f"write {path} {data!r}")

    def delete(self) -> None:
        if found := self.present() + self.members():
            path = self.rng.choice(found)
            target = self.project.root / path
            shutil.rmtree(target) if target.is_dir() else target.unlink()
            self.say(f"rm -r '{path}'")

    def rename(self) -> None:
        if found := self.members():
            path = self.rng.choice(found)
            new = f"{path.rpartition('/')[0]}/moved{self.rng.randint(0, 9)}".lstrip("/")
            os.rename(self.project.root / path, self.project.root / new)
            self.say(f"mv '{path}' '{new}'")

    def swap_kind(self) -> None:
        """A file where a folder was, or a folder where a file was."""
        if found := self.present():
            path = self.rng.choice(found)
            target = self.project.root / path
            if target.is_dir():
                shutil.rmtree(target)
                target.write_text("now a file")
            else:
                target.unlink()
                target.mkdir()
                (target / "inner").write_text("one")
            self.say(f"swap the kind of '{path}'")

    def add(self) -> None:
        if found := self.present():
            some = self.rng.sample(found, self.rng.randint(1, len(found)))
            self.say("dvc add " + " ".join(some))
            self.project.dvc("add", *some, check=False)  # what Git keeps by now is refused

    def commit(self) -> None:
        git("add", "-A", cwd=self.project.root)
        if git("commit", "-qm", "x", cwd=self.project.root, check=False).rc == 0:
            self.commits += 1
        self.say("git commit -a")

    def forget(self) -> None:
        pointers = [p for p in FOLDERS + FILES if (self.project.root / f"{p}.dvc").exists()]
        if pointers and self.rng.random() < 0.6:
            path = self.rng.choice(pointers)
            (self.project.root / f"{path}.dvc").unlink()
            self.say(f"rm '{path}.dvc'")

    def lose(self) -> None:
        held = sorted(objects(self.project.cache))
        if self.rng.random() < 0.1:
            shutil.rmtree(self.project.root / ".dvc/cache", ignore_errors=True)
            self.say("rm -r .dvc/cache")
        elif held and self.rng.random() < 0.7:
            name = self.rng.choice([h for h in held if h.endswith(".dir")] or held)
            name = self.rng.choice([name, self.rng.choice(held)])
            (self.project.cache / name).unlink()
            self.say(f"rm .dvc/cache/{name}")

    def code(self) -> None:
        (self.project.root / "code.py").write_text(f"{self.rng.random()}")
        self.say("edit code.py")

    def ask(self) -> None:
        story = "\n".join(self.history)
        flags = [flag for flag in STATUS_FLAGS if self.rng.random() < 0.6]
        for args in (["--json", "--granular", "--unchanged"], flags):
            self.asked.same("data", "status", *args, story=story)
        shown = [
            f
            for f in ("--json", "--md", "--show-hash", "--hide-missing")
            if self.rng.random() < 0.4
        ]
        revs = [f"HEAD~{self.rng.randrange(self.commits)}" for _ in range(self.rng.randint(0, 2))]
        self.asked.same("diff", "--json", "--show-hash", story=story)
        self.asked.same("diff", *shown, *revs, story=story)


@pytest.fixture
def asked(tmp_path: Path, oracle: Oracle, dvc: Program) -> Asked:
    return Asked(make_project(tmp_path / "project", dvc), oracle, tmp_path / "sites")


@pytest.mark.parametrize(
    "seed", [*SEEDS, *(pytest.param(seed, marks=pytest.mark.long) for seed in LONG_SEEDS)]
)
def test_any_state_of_a_project_is_told_as_dvc_tells_it(seed: int, asked: Asked) -> None:
    Life(seed, asked).live()
