"""The same random sequence of operations, done by real DVC and by our program side by side."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from hashlib import md5
from pathlib import Path

import pytest

from tests.support.oracle import Oracle
from tests.support.programs import Program, Runner, git
from tests.support.project import differences, make_project, objects
from tests.support.samples import LEGACY_FILES, LEGACY_FOLDER, write_legacy_playground
from tests.support.twins import Parted, Twins, make_twins

SEEDS = range(10)
LEGACY_SEEDS = range(3)
STEPS = 15
LONG_SEEDS = range(1000, 1300)
LONG_LEGACY_SEEDS = range(1000, 1060)
LONG_STEPS = 30

FILES = ["a.csv", "b.bin", "sub/c.csv", "späne.txt"]
FOLDERS = ["data", "sub/img", "run v1"]
MEMBERS = ["1.png", "2.png", "deep/3.png", "deep/er/4", "ünï.txt", "#5", "sp ace"]
CONTENTS = [
    b"",
    b"one\n",
    b"two\n",
    b"a\r\nb\r\n",
    b"\0\1\2" * 1000,
    b"long line " * 9000,
]


class Walk:
    """One random sequence. Every choice comes from the seed and from what DVC's side holds."""

    files = FILES
    folders = FOLDERS
    inside = MEMBERS

    def __init__(self, seed: int, twins: Twins) -> None:
        self.rng = random.Random(seed)
        self.twins = twins
        self.written = 0

    def start(self) -> None:
        self.twins.dvc("init")
        if kind := self.rng.choice(["", "", "copy", "hardlink", "symlink"]):
            self.twins.dvc("config", "cache.type", kind)
        if self.rng.random() < 0.2:
            self.twins.dvc("config", "core.autostage", "true")
        self.twins.dvc("remote", "add", "-d", "store", "{base}/remote")
        self.save()
        for _ in range(3):
            self.write()
        self.add_all()

    def step(self) -> None:
        choice: Callable[[], None] = self.rng.choices(
            [op for op, _ in self.operations()], [weight for _, weight in self.operations()]
        )[0]
        choice()

    def operations(self) -> list[tuple[Callable[[], None], int]]:
        return [
            (self.write, 10),
            (self.delete, 4),
            (self.rename, 3),
            (self.add, 10),
            (self.add_inside, 5),
            (self.commit, 5),
            (self.status, 8),
            (self.checkout, 9),
            (self.push, 6),
            (self.fetch, 6),
            (self.cloud, 4),
            (self.lose_cache, 2),
            (self.config, 3),
            (self.remote, 3),
            (self.save, 3),
            (self.branch, 4),
            (self.ignore, 1),
            (self.from_inside, 3),
            (self.many_targets, 3),
            (self.ask_small_things, 2),
            (self.lose_one_object, 2),
        ]

    # What is there

    @property
    def repo(self) -> Path:
        return self.twins.theirs.repo

    def present(self) -> list[str]:
        """Data that exists: single files and whole folders."""
        return [path for path in self.files + self.folders if os.path.lexists(self.repo / path)]

    def pointers(self) -> list[str]:
        return [p for p in self.files + self.folders if (self.repo / f"{p}.dvc").exists()]

    def members(self) -> list[str]:
        found = [f"{folder}/{member}" for folder in self.folders for member in self.inside]
        return [path for path in found if (self.repo / path).is_file()]

    def target(self) -> list[str]:
        """Nothing, a pointer, an output or a file inside one."""
        kinds = [[], self.pointers(), [f"{p}.dvc" for p in self.pointers()], self.members()]
        chosen = self.rng.choice(kinds)
        return [self.rng.choice(chosen)] if chosen else []

    # What changes files

    def write(self) -> None:
        """One new or changed file, always a new inode: links into the cache are not written to."""
        member = f"{self.rng.choice(self.folders)}/{self.rng.choice(self.inside)}"
        path = self.rng.choice([self.rng.choice(self.files), member, member])
        self.written += 1
        data = self.rng.choice([*CONTENTS, b"number %d\n" % self.written])
        # Of a file inside a folder nothing records the mode: what DVC makes of it is chance.
        executable = path in self.files and self.rng.random() < 0.2

        def change(base: Path) -> None:
            target = base / "repo" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            target.write_bytes(data)
            if executable:
                target.chmod(0o755)

        self.twins.touch(f"write {path} {data[:20]!r} {'+x' if executable else ''}", change)

    def delete(self) -> None:
        if found := self.present() + self.members():
            path = self.rng.choice(found)

            def change(base: Path) -> None:
                target = base / "repo" / path
                if target.is_dir() and not target.is_symlink():
                    shutil.rmtree(target)
                else:
                    target.unlink()

            self.twins.touch(f"rm -r '{path}'", change)

    def rename(self) -> None:
        if found := self.members():
            path = self.rng.choice(found)
            new = f"{path.split('/')[0] if path[:3] != 'sub' else 'sub/img'}/moved-{self.written}"
            self.written += 1
            self.twins.touch(
                f"mv '{path}' '{new}'", lambda b: os.rename(b / "repo" / path, b / "repo" / new)
            )

    def lose_cache(self) -> None:
        self.twins.dvc("push")
        self.twins.touch(
            "rm -r .dvc/cache",
            lambda b: shutil.rmtree(b / "repo" / ".dvc" / "cache", ignore_errors=True),
        )

    def lose_one_object(self) -> None:
        """One object less in the cache, after all of them are on the remote."""
        self.twins.dvc("push")
        if found := sorted(objects(self.repo / ".dvc/cache")):
            path = self.rng.choice(found)
            self.twins.touch(
                f"rm .dvc/cache/{path}", lambda b: os.unlink(b / "repo/.dvc/cache" / path)
            )

    def ignore(self) -> None:
        line = self.rng.choice(["*.tmp", "deep/er", "1.png", "#", "!2.png"])

        def change(base: Path) -> None:
            with open(base / "repo" / ".dvcignore", "a") as file:
                file.write(line + "\n")

        self.twins.touch(f"echo '{line}' >> .dvcignore", change)

    # Commands

    def add(self) -> None:
        if found := self.present():
            some = self.rng.sample(found, min(len(found), self.rng.choice([1, 1, 1, 2, 3])))
            self.twins.dvc("add", *self.rng.choice([[], [], [], ["--no-commit"]]), *some)
        else:
            self.twins.dvc("add", "nothing-here")

    def add_all(self) -> None:
        if found := self.present():
            self.twins.dvc("add", *found)

    def add_inside(self) -> None:
        inside = [m for m in self.members() if any(m.startswith(f"{p}/") for p in self.pointers())]
        if inside:
            self.twins.dvc("add", self.rng.choice(inside))
        else:
            self.add()

    def commit(self) -> None:
        self.twins.dvc("commit", "-f", *self.rng.choice([[], self.target()]))

    def status(self) -> None:
        self.twins.dvc("status", *self.rng.choice([[], ["--json"], ["--json"], ["-q"]]))

    def checkout(self) -> None:
        flags = self.rng.choice([[], [], ["-f"], ["-f"], ["--summary", "-f"], ["--relink", "-f"]])
        self.twins.dvc("checkout", *flags, *self.target())

    def push(self) -> None:
        self.twins.dvc("push", *self.target())

    def fetch(self) -> None:
        if self.rng.random() < 0.5:
            self.twins.dvc("fetch", *self.target())
        else:
            self.twins.dvc("pull", *self.rng.choice([[], ["-f"]]), *self.target())

    def cloud(self) -> None:
        self.twins.dvc("status", "-c", *self.rng.choice([[], ["--json"]]), *self.target())

    def config(self) -> None:
        self.twins.dvc(
            "config",
            *self.rng.choice(
                [
                    ["cache.type", "symlink"],
                    ["cache.type", "hardlink,copy"],
                    ["cache.type", "copy"],
                    ["--unset", "cache.type"],
                    ["core.autostage", "true"],
                    ["core.autostage", "false"],
                    ["core.checksum_jobs", "2"],
                    ["--list"],
                    ["--local", "core.analytics", "false"],
                    ["core.nothing", "1"],
                    ["core.analytics", "perhaps"],
                ]
            ),
        )

    def remote(self) -> None:
        self.twins.dvc(
            "remote",
            *self.rng.choice(
                [
                    ["list"],
                    ["default"],
                    ["add", "other", "../elsewhere"],
                    ["add", "-f", "other", "s3://bucket/path"],
                    ["modify", "store", "jobs", "2"],
                    ["modify", "--local", "store", "verify", "true"],
                    ["modify", "store", "nothing", "1"],
                    ["rename", "other", "third"],
                    ["remove", "third"],
                    ["remove", "other"],
                ]
            ),
        )

    def from_inside(self) -> None:
        """A command typed in a folder below the root."""
        folders = [p for p in ("sub", *self.folders) if (self.repo / p).is_dir()]
        if folders:
            command = self.rng.choice(
                [["status"], ["root"], ["checkout", "-f"], ["add", "../a.csv"], ["commit", "-f"]]
            )
            self.twins.dvc(*command, cwd=self.rng.choice(folders))

    def many_targets(self) -> None:
        """Whole folders of pointers, and patterns."""
        self.twins.dvc(
            *self.rng.choice(
                [
                    ["status", "-R", "sub", "--json"],
                    ["checkout", "-f", "-R", "sub"],
                    ["push", "-R", "sub"],
                    ["fetch", "-R", "."],
                    ["pull", "-f", "-R", "sub"],
                    ["add", "--glob", "*.csv"],
                    ["add", "--glob", "*/img"],
                    ["push", "--glob", "*a*.dvc"],
                    ["status", "--json", *[f"{p}.dvc" for p in self.pointers()][:2]],
                    ["checkout", "-f", *self.pointers()[:2]],
                    ["commit", "-f", *[f"{p}.dvc" for p in self.pointers()][:2]],
                    ["checkout", "nothing.dvc"],
                    ["add", "nothing"],
                    ["status", "nothing"],
                    ["push", "nothing"],
                ]
            )
        )

    def ask_small_things(self) -> None:
        self.twins.dvc(
            *self.rng.choice(
                [
                    ["root"],
                    ["cache", "dir"],
                    ["config", "core.remote"],
                    ["config", "-l", "--show-origin"],
                    ["status", "-a"],
                    ["status", "--nothing"],
                    ["checkout", "--allow-missing", "-f"],
                    ["fetch", "-r", "nobody"],
                    ["push", "-a"],
                    ["fetch", "-a", "-T"],
                    ["status", "-c", "-a", "--json"],
                ]
            )
        )

    # Git

    def save(self) -> None:
        self.twins.git("add", "-A")
        self.twins.git("commit", "-q", "--allow-empty", "-m", "work")

    def branch(self) -> None:
        self.save()
        name = self.rng.choice(["main", "b1", "b2"])
        exists = (self.repo / ".git/refs/heads" / name).exists()
        self.twins.git("checkout", "-q", *([] if exists else ["-b"]), name)
        self.twins.dvc("checkout", "-f")


class LegacyWalk(Walk):
    """The same in a project that DVC 2.x left: digests of text with CRLF, the old layout."""

    files = [*LEGACY_FILES, "a.csv"]
    folders = ["animals"]
    inside = [*LEGACY_FOLDER, "new.txt"]

    def start(self) -> None:
        self.twins.touch(
            "a project of DVC 2.x", lambda b: write_legacy_playground(b / "repo", b / "remote")
        )
        self.save()
        self.twins.dvc("pull")


def walk(
    seed: int, steps: int, base: Path, oracle: Runner, dvc: Runner, kind: type[Walk] = Walk
) -> None:
    there = kind(seed, make_twins(base, oracle, dvc))
    with suppress(Parted):
        there.start()
        for _ in range(steps):
            there.step()


@pytest.mark.parametrize("seed", SEEDS)
def test_both_programs_do_the_same(seed: int, tmp_path: Path, oracle: Oracle, dvc: Program) -> None:
    walk(seed, STEPS, tmp_path, oracle, dvc)


@pytest.mark.parametrize("seed", LEGACY_SEEDS)
def test_both_programs_do_the_same_with_an_old_project(
    seed: int, tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    walk(seed, STEPS, tmp_path, oracle, dvc, LegacyWalk)


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG_SEEDS)
def test_both_programs_do_the_same_for_long(
    seed: int, tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    walk(seed, LONG_STEPS, tmp_path, oracle, dvc)


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG_LEGACY_SEEDS)
def test_both_programs_do_the_same_with_an_old_project_for_long(
    seed: int, tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    walk(seed, LONG_STEPS, tmp_path, oracle, dvc, LegacyWalk)


def replace(path: Path, data: bytes) -> None:
    """New content in a new file: what may be a link into the cache is not written to."""
    path.unlink()
    path.write_bytes(data)


def test_an_old_pointer_stays_as_it_is_until_its_data_changes(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    """A `.dvc` file of DVC before 3.0, under `add` and `commit -f`."""
    twins = make_twins(tmp_path, oracle, dvc)
    twins.touch("a project of DVC 2.x", lambda b: write_legacy_playground(b / "repo", b / "remote"))
    twins.git("add", "-A")
    twins.git("commit", "-q", "-m", "old")
    twins.dvc("pull")

    for command in (["commit", "-f"], ["add"]):
        for path in ("data.csv", "animals"):
            twins.dvc(*command, path)
    assert [] == git("status", "--porcelain", cwd=twins.theirs.repo).lines

    twins.touch("change data.csv", lambda b: replace(b / "repo/data.csv", b"1,2\r\n"))
    twins.dvc("commit", "-f", "data.csv.dvc")

    assert "hash: md5" in (twins.ours.repo / "data.csv.dvc").read_text()


@pytest.mark.parametrize("kind", ["symlink", "hardlink", "copy"])
def test_a_link_to_an_object_of_the_old_form_goes_with_the_new_one(
    kind: str, tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    """Else it would lead to nothing once the old object is collected."""
    twins = make_twins(tmp_path, oracle, dvc)
    twins.touch("a project of DVC 2.x", lambda b: write_legacy_playground(b / "repo", b / "remote"))
    twins.dvc("config", "cache.type", "symlink")
    twins.dvc("pull")
    twins.dvc("config", "cache.type", kind)
    twins.touch("rm animals/dog.txt", lambda b: (b / "repo/animals/dog.txt").unlink())

    sides = (twins.theirs, twins.ours)
    for side in sides:
        side.run("add", "animals")
        side.run("gc", "-w", "-f")

    assert [] == differences(*(side.workspace() for side in sides))
    assert LEGACY_FOLDER["cat.txt"] == (twins.ours.repo / "animals/cat.txt").read_bytes()


def test_what_was_added_without_a_copy_stays_when_another_branch_does_not_track_it(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    twins = make_twins(tmp_path, oracle, dvc)
    twins.dvc("init")
    twins.touch("write a", lambda base: (base / "repo/a").write_bytes(b"1"))
    twins.dvc("add", "a")
    twins.git("add", "-A")
    twins.git("commit", "-q", "-m", "a")
    twins.git("checkout", "-q", "-b", "other")
    twins.touch("write b", lambda base: (base / "repo/b").write_bytes(b"1"))
    twins.dvc("add", "--no-commit", "b")
    twins.git("add", "-A")
    twins.git("commit", "-q", "-m", "b")
    twins.git("checkout", "-q", "-")

    twins.dvc("checkout", "-f")

    assert "1" == (twins.ours.repo / "b").read_text()


def test_links_to_a_cache_that_was_lost_are_told_and_filled_again(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    twins = make_twins(tmp_path, oracle, dvc)
    twins.dvc("init")
    twins.dvc("config", "cache.type", "symlink")
    twins.dvc("remote", "add", "-d", "store", "{base}/remote")
    twins.touch("write d/a", lambda base: (base / "repo/d").mkdir())
    twins.touch("write d/a", lambda base: (base / "repo/d/a").write_bytes(b"1"))
    twins.touch("write f", lambda base: (base / "repo/f").write_bytes(b"2"))
    twins.dvc("add", "d", "f")
    twins.dvc("push")
    twins.touch("rm -r .dvc/cache", lambda base: shutil.rmtree(base / "repo/.dvc/cache"))

    told = twins.dvc("status", "--json")
    twins.dvc("status")
    twins.dvc("pull")

    assert 2 == told.stdout.count("not in cache")
    assert b"1" == (twins.ours.repo / "d/a").read_bytes()


def test_what_is_named_of_a_tracked_directory_is_added_though_it_is_ignored(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    twins = make_twins(tmp_path, oracle, dvc)
    twins.dvc("init")
    twins.touch("mkdir d/sub", lambda base: (base / "repo/d/sub").mkdir(parents=True))
    for path in ("d/a.png", "d/b", "d/sub/c", "a.png"):
        twins.touch(f"write {path}", lambda base, path=path: (base / "repo" / path).write_text("1"))
    twins.touch("ignore", lambda b: (b / "repo/.dvcignore").write_text("*.png\nd/sub/\n"))
    twins.dvc("add", "d")

    alone = twins.dvc("add", "a.png")
    for path in ("d/a.png", "d/sub/c", "d/sub"):
        twins.dvc("add", path)

    assert 1 == alone.rc
    assert "nfiles: 2" in (twins.ours.repo / "d.dvc").read_text()


@pytest.mark.parametrize("command", [("add", "d", "f"), ("commit", "-f")])
def test_what_was_saved_before_gets_links_of_the_kind_that_is_configured_now(
    command: tuple[str, ...], tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    twins = make_twins(tmp_path, oracle, dvc)
    twins.dvc("init")
    twins.touch("mkdir d", lambda base: (base / "repo/d").mkdir())
    for path in ("d/a", "f"):
        twins.touch(f"write {path}", lambda base, path=path: (base / "repo" / path).write_text("1"))
    twins.dvc("add", "d", "f")
    twins.dvc(*command)  # what is in the store is remembered at the latest now

    for kind in ("symlink", "copy"):
        twins.dvc("config", "cache.type", kind)
        twins.dvc(*command)

        assert (kind == "symlink") == (twins.ours.repo / "d/a").is_symlink()


def test_a_link_becomes_a_file_where_only_hard_links_are_made(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    """Of an empty file none is made: it is a file of its own then."""
    twins = make_twins(tmp_path, oracle, dvc)
    twins.dvc("init")
    twins.dvc("config", "cache.type", "symlink")
    twins.touch("mkdir d", lambda base: (base / "repo/d").mkdir())
    for path, data in {"d/a": "1", "d/empty": "", "f": ""}.items():
        twins.touch(f"write {path}", lambda b, p=path, d=data: (b / "repo" / p).write_text(d))
    twins.dvc("add", "d", "f")
    twins.dvc("config", "cache.type", "hardlink")

    for path in ("d/empty", "d/a", "d", "f"):
        twins.dvc("add", path)

    repo = twins.ours.repo
    assert not any((repo / path).is_symlink() for path in ("d/a", "d/empty", "f"))
    assert [2, 1, 1] == [(repo / path).stat().st_nlink for path in ("d/a", "d/empty", "f")]


def test_a_link_to_what_is_gone_makes_way_for_what_is_wanted_there(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    twins = make_twins(tmp_path, oracle, dvc)
    twins.dvc("init")
    twins.dvc("config", "cache.type", "symlink")
    twins.touch("mkdir d", lambda base: (base / "repo/d").mkdir())
    for branch, files in (("one", {"d/a": "1", "d/b": "2"}), ("two", {"d/a": "3", "d/c": "4"})):
        twins.git("checkout", "-q", "-b", branch)
        for path in ("a", "b"):
            twins.touch(
                f"rm d/{path}", lambda b, p=path: (b / "repo/d" / p).unlink(missing_ok=True)
            )
        for path, data in files.items():
            twins.touch(f"write {path}", lambda b, p=path, d=data: (b / "repo" / p).write_text(d))
        twins.dvc("add", "d")
        twins.git("add", "-A")
        twins.git("commit", "-q", "-m", branch)
    for name in (md5(b"3").hexdigest(), md5(b"4").hexdigest()):
        path = f".dvc/cache/files/md5/{name[:2]}/{name[2:]}"
        twins.touch(f"rm {path}", lambda base, path=path: (base / "repo" / path).unlink())
    twins.git("checkout", "-q", "one")

    done = twins.dvc("checkout")

    assert 0 == done.rc
    assert {"a": "1", "b": "2"} == {
        p.name: p.read_text() for p in (twins.ours.repo / "d").iterdir()
    }


def test_links_are_made_anew_where_the_list_of_files_was_lost(
    tmp_path: Path, oracle: Oracle, dvc: Program
) -> None:
    twins = make_twins(tmp_path, oracle, dvc)
    twins.dvc("init")
    twins.touch("mkdir d", lambda base: (base / "repo/d").mkdir())
    twins.touch("write d/a", lambda base: (base / "repo/d/a").write_text("1"))
    twins.dvc("add", "d")
    twins.touch("rm -r d", lambda base: shutil.rmtree(base / "repo/d"))
    twins.dvc("checkout")  # what was made is remembered at once
    (found,) = [path for path in objects(twins.ours.repo / ".dvc/cache") if path.endswith(".dir")]
    twins.touch(f"rm .dvc/cache/{found}", lambda b: (b / "repo/.dvc/cache" / found).unlink())
    twins.dvc("config", "cache.type", "symlink")

    done = twins.dvc("checkout", "--relink")

    assert 0 == done.rc
    assert (twins.ours.repo / "d/a").is_symlink()


def test_links_to_nothing_are_no_files_that_could_be_added(tmp_path: Path, dvc: Program) -> None:
    project = make_project(tmp_path / "project", dvc)
    project.dvc("config", "cache.type", "symlink")
    project.write("d/a", "1")
    project.dvc("add", "d")
    shutil.rmtree(project.cache)
    before = (project.root / "d.dvc").read_bytes()

    answers = [project.dvc(*args, check=False) for args in (("add", "d"), ("commit", "-f"))]

    assert [1, 1] == [answer.rc for answer in answers]
    assert before == (project.root / "d.dvc").read_bytes()
    assert (project.root / "d/a").is_symlink()
