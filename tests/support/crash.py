"""Stopping the program at its n-th change of a file, and an independent look at what is left.

A `World` is one folder with a project, a remote and the user's own cache folder. A `Scene` makes a
world ready and names the command to be tried; `Trial` puts the world back before each run. The
checker shares no code with the program: it reads pointers and objects for itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers.processes import end
from tests.support.programs import REPOSITORY, Completed, git

OBJECT_HOME = "repo/.dvc/cache/files/md5"
REMOTE_HOME = "remote/files/md5"
OPERATIONS = "repo/.dvc/tmp/pannier/ops/"
PRIVATE = ("repo/.git", "repo/.dvc/tmp", "repo/.dvc/cache", "remote", "xdg")
_HEX = re.compile(r"[0-9a-f]{32}(\.dir)?")
_SAME = re.compile(r"[0-9a-f]{2,}|\b\d+\b|[^/ ]+$")
_POINTER_DIGEST = re.compile(r"^- md5: (\S+)$", re.MULTILINE)


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class Runs:
    """One warm process that forks for every run (tests/support/crash_server.py).

    command: what that process is started by; by another user, see tests/support/second_user.py.
    """

    def __init__(self, command: Callable[[list[str]], list[str]] = list) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="crash-")
        os.chmod(self._folder.name, 0o777)
        self._server = subprocess.Popen(
            command([sys.executable, "-m", "tests.support.crash_server"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        assert self._answer() == {"ready": True}

    def __call__(
        self,
        *args: str,
        cwd: Path,
        fault: str = "",
        log: str = "",
        env: Mapping[str, str] | None = None,
        seconds: int = 0,
    ) -> Completed:
        return self.start(*args, cwd=cwd, fault=fault, log=log, env=env, seconds=seconds).finish()

    def start(
        self,
        *args: str,
        cwd: Path,
        fault: str = "",
        log: str = "",
        env: Mapping[str, str] | None = None,
        umask: int | None = None,
        seconds: int = 0,
    ) -> Running:
        """Starts one run and leaves it alone; one at a time.

        seconds: all that the run may take, with 1 GiB of memory; 0: as much as any.
        """
        out, err = (str(Path(self._folder.name, name)) for name in ("out", "err"))
        request = {
            "argv": args,
            "cwd": str(cwd),
            "env": {**os.environ, **(env or {})},
            "fault": fault,
            "log": log,
            "seconds": seconds,
            "umask": umask,
            "out": out,
            "err": err,
        }
        for path in (out, err):  # a run may be killed before it opens them
            Path(path).write_bytes(b"")
            os.chmod(path, 0o666)
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return Running(args, self._answer()["pid"], self._answer, Path(out), Path(err))

    def _answer(self) -> dict[str, Any]:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the process that runs the program ended; its error output is above"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        end(self._server)
        self._folder.cleanup()


@dataclass(slots=True)
class Running:
    """A run at work; it is the leader of a process group of its own."""

    args: tuple[str, ...]
    pid: int
    answer: Callable[[], dict[str, Any]]
    out: Path
    err: Path
    rc: int | None = None

    def is_stopped(self) -> bool:
        """Waits until it has stopped, being started with a fault "stop@n", or until it ended."""
        self.rc = self.answer().get("rc")
        return self.rc is None

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def finish(self) -> Completed:
        while self.rc is None:
            self.rc = self.answer().get("rc")
        said = [path.read_text("utf-8", "surrogateescape") for path in (self.out, self.err)]
        return Completed(("dvc", *self.args), self.rc, said[0], said[1])


@dataclass(frozen=True, slots=True)
class World:
    """A project in `base/repo`, a folder remote in `base/remote`, caches in `base/xdg`."""

    base: Path
    runs: Runs

    @property
    def repo(self) -> Path:
        return self.base / "repo"

    @property
    def remote(self) -> Path:
        return self.base / "remote"

    @property
    def store(self) -> Path:
        return self.base / OBJECT_HOME

    def run(self, *args: str, fault: str = "", log: str = "", seconds: int = 0) -> Completed:
        env = {"XDG_CACHE_HOME": str(self.base / "xdg")}
        return self.runs(*args, cwd=self.repo, fault=fault, log=log, env=env, seconds=seconds)

    def dvc(self, *args: str) -> Completed:
        done = self.run(*args)
        assert done.rc == 0, str(done)
        return done

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        target = self.repo / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_bytes(data)
        target.chmod(mode)

    def remove(self, *paths: str) -> None:
        for path in paths:
            target = self.base / path
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    def object(self, digest: str, home: str = OBJECT_HOME) -> Path:
        return self.base / home / digest[:2] / digest[2:]

    def links(self, kind: str) -> None:
        (self.repo / ".dvc/config").write_text(config(kind))


def config(kind: str) -> str:
    git_too = kind == "copy"
    return (
        f"[core]\n    remote = there\n    no_scm = {str(not git_too).lower()}\n"
        f"[cache]\n    type = {kind}\n"
        "['remote \"there\"']\n    url = ../../remote\n"
    )


def new_world(base: Path, runs: Runs, kind: str) -> World:
    """An empty project whose files are linked to the cache in a given way.

    With copies Git is asked and told too; in the others it would only cost time.
    """
    world = World(base, runs)
    for folder in (world.repo / ".dvc", world.remote):
        folder.mkdir(parents=True)
    git("init", "-q", "--template=", cwd=world.repo)
    (world.repo / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (world.repo / ".dvcignore").write_text("")
    world.links(kind)
    return world


# -- scenes ----


@dataclass(frozen=True, slots=True)
class Scene:
    """prepare: makes an empty world ready. command: what is then tried."""

    name: str
    command: tuple[str, ...]
    prepare: Callable[[World], None]


FIRST = {
    "big.bin": bytes(range(256)) * 1100,
    "data/a.txt": b"alpha\n",
    "data/b.txt": b"beta\n",
    "data/empty": b"",
    "data/run.sh": b"#!/bin/sh\n",
    "data/file-or-folder": b"a file\n",
    "data/folder-or-file/x": b"in a folder\n",
    "data/sub/same as a": b"alpha\n",
    "data/sub/b\u00e4r.txt": b"bear\n",
    "data/sub/deep/er/c.txt": b"gamma\n",
    "data/sub/deep/d.txt": b"delta\n",
    "data/gone/e.txt": b"epsilon\n",
}
MODES = {"data/run.sh": 0o755, "data/b.txt": 0o600}


def write_first(world: World) -> None:
    for path, data in FIRST.items():
        world.write(path, data, MODES.get(path, 0o644))


def write_second(world: World) -> None:
    """Changes, additions, removals, a file where a folder was and the reverse."""
    world.write("big.bin", bytes(reversed(range(256))) * 1200)
    world.write("data/a.txt", b"alpha, changed\n")
    world.write("data/sub/deep/d.txt", b"delta and more\n")
    world.remove("repo/data/gone", "repo/data/file-or-folder", "repo/data/folder-or-file")
    world.write("data/file-or-folder/y", b"now in a folder\n")
    world.write("data/folder-or-file", b"now a file\n")
    world.write("data/new/f.txt", b"zeta\n")
    world.write("data/sub/g.txt", b"eta\n")


def added(world: World) -> None:
    write_first(world)
    world.dvc("add", "-q", "big.bin", "data")


def _changed(world: World) -> None:
    added(world)
    write_second(world)


def _pointers(world: World) -> dict[str, bytes]:
    return {name: (world.repo / name).read_bytes() for name in ("big.bin.dvc", "data.dvc")}


def _put_back(world: World, pointers: dict[str, bytes]) -> None:
    for name, data in pointers.items():
        (world.repo / name).write_bytes(data)


def _second_then_first(world: World) -> None:
    """The workspace holds the second state, saved; the pointers ask for the first."""
    added(world)
    pointers = _pointers(world)
    write_second(world)
    world.dvc("add", "-q", "big.bin", "data")
    _put_back(world, pointers)


def _changed_and_added(world: World) -> None:
    _changed(world)
    world.dvc("add", "-q", "big.bin", "data")


def _changed_and_given_up(world: World) -> None:
    _changed(world)
    world.dvc("checkout", "-q", "--force")


def _emptied(world: World) -> None:
    added(world)
    world.remove("repo/big.bin", "repo/data")


def _half_emptied(world: World) -> None:
    added(world)
    world.remove("repo/data/sub", "repo/data/a.txt")


def _pointers_gone(world: World) -> None:
    added(world)
    world.remove("repo/big.bin.dvc", "repo/data.dvc")


def _other_links(world: World) -> None:
    added(world)
    kind = (world.repo / ".dvc/config").read_text()
    world.links("hardlink" if "type = copy" in kind else "copy")


def _pushed(world: World) -> None:
    added(world)
    world.dvc("push", "-q")


def _pushed_then_second(world: World) -> None:
    _pushed(world)
    write_second(world)
    world.dvc("add", "-q", "big.bin", "data")


def _only_remote(world: World) -> None:
    _pushed(world)
    world.remove("repo/.dvc/cache", "repo/big.bin", "repo/data")


def _second_here_first_there(world: World) -> None:
    """Pointers ask for the first state, which only the remote has; the second is saved here."""
    _pushed(world)
    pointers = _pointers(world)
    write_second(world)
    world.remove("repo/.dvc/cache")
    for path in ("a.txt", "sub/deep/d.txt"):
        assert (world.repo / "data" / path).exists()
    # A link of the old state leads nowhere without its cache; the user's bytes must be real ones.
    for path, data in FIRST.items():
        target = world.repo / path
        if target.is_symlink():
            target.unlink()
            target.write_bytes(data)
    world.dvc("add", "-q", "big.bin", "data")
    _put_back(world, pointers)


SCENES = {
    scene.name: scene
    for scene in (
        Scene("add, all new", ("add", "big.bin", "data"), write_first),
        Scene("add, changed", ("add", "big.bin", "data"), _changed),
        Scene("commit", ("commit", "-f"), _changed),
        Scene("checkout, nothing there", ("checkout",), _emptied),
        Scene("checkout, half there", ("checkout",), _half_emptied),
        Scene("checkout, another state", ("checkout",), _second_then_first),
        Scene("checkout, unused", ("checkout",), _pointers_gone),
        Scene("checkout, relink", ("checkout", "--relink"), _other_links),
        Scene("checkout, forced", ("checkout", "--force"), _changed),
        Scene("undo, of an add", ("undo",), _changed_and_added),
        Scene("undo, of a forced checkout", ("undo",), _changed_and_given_up),
        Scene("push, all new", ("push",), added),
        Scene("push, changed", ("push",), _pushed_then_second),
        Scene("fetch", ("fetch",), _only_remote),
        Scene("pull", ("pull",), _only_remote),
        Scene("pull, another state", ("pull",), _second_here_first_there),
        Scene("status", ("status",), _changed),
    )
}


# -- what is on disk ----


@dataclass(frozen=True, slots=True)
class Thing:
    """kind: "file", "dir", "link", "other". linked: the file has more than one name."""

    kind: str
    data: bytes = b""
    linked: bool = False

    def __repr__(self) -> str:
        return f"{self.kind}{' with links' if self.linked else ''} {self.data[:60]!r}"


def everything(root: Path, prefix: str = "") -> dict[str, Thing]:
    """All below a folder by path; nothing is followed."""
    found: dict[str, Thing] = {}
    try:
        entries = list(os.scandir(root))
    except FileNotFoundError:
        return found
    for entry in entries:
        path = prefix + entry.name
        if entry.is_symlink():
            found[path] = Thing("link", os.fsencode(os.readlink(entry.path)))
        elif entry.is_dir():
            found[path] = Thing("dir")
            found |= everything(Path(entry.path), path + "/")
        elif entry.is_file():
            with open(entry.path, "rb") as file:
                info = os.fstat(file.fileno())
                found[path] = Thing("file", file.read(), info.st_nlink > 1)
        else:
            found[path] = Thing("other", str(stat.S_IFMT(entry.stat().st_mode)).encode())
    return found


def up(path: str) -> Iterator[str]:
    """The folders that a path lies in."""
    while path := path.rpartition("/")[0]:
        yield path


def is_below(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(folder + "/") for folder in folders)


@dataclass(frozen=True, slots=True)
class Picture:
    """A world as it is on disk, taken apart."""

    things: dict[str, Thing]

    @property
    def workspace(self) -> dict[str, Thing]:
        """The project without Git's and DVC's private folders."""
        return {p: t for p, t in self.things.items() if not is_below(p, PRIVATE)}

    def objects(self, home: str = OBJECT_HOME) -> dict[str, bytes]:
        """Digest -> bytes, of what lies where an object lies."""
        found = {}
        for path, thing in self.things.items():
            if thing.kind == "file" and path.startswith(home + "/"):
                name = path[len(home) + 1 :].replace("/", "", 1)
                if _HEX.fullmatch(name):
                    found[name] = thing.data
        return found

    def kept(self) -> set[bytes]:
        """The bytes that the operation log holds for `undo`."""
        return {
            thing.data
            for path, thing in self.things.items()
            if thing.kind == "file" and path.startswith(OPERATIONS) and ".kept/" in path
        }

    def content(self, path: str) -> bytes | None:
        """A file's bytes, through a link into the cache."""
        thing = self.things.get(path)
        if thing is None or thing.kind == "dir":
            return None
        if thing.kind == "link":
            target = os.fsdecode(thing.data)
            at = target.find("/" + OBJECT_HOME + "/")
            return self.content(target[at + 1 :]) if at >= 0 else None
        return thing.data

    def pointers(self) -> dict[str, bytes]:
        return {
            p: t.data
            for p, t in self.workspace.items()
            if p.endswith(".dvc") and t.kind == "file" and p != "repo/.dvc"
        }

    def data(self) -> dict[str, bytes]:
        """The user's files: path -> bytes."""
        return {
            p: data
            for p in self.workspace
            if is_below(p, ("repo/big.bin", "repo/data")) and (data := self.content(p)) is not None
        }


def picture(world: World) -> Picture:
    return Picture(everything(world.base))


def digests_of(pointer: bytes) -> list[str]:
    return _POINTER_DIGEST.findall(pointer.decode())


# -- the checker ----


def wrong_objects(found: Mapping[str, bytes], where: str) -> Iterator[str]:
    for name, data in found.items():
        if md5(data) != name[:32]:
            yield f"{where}: {name} holds other bytes ({len(data)} of them)"


def lacking(pointer: str, data: bytes, stored: Mapping[str, bytes]) -> Iterator[str]:
    """What a pointer promises and the store does not hold."""
    names = digests_of(data)
    if not names:
        yield f"{pointer} names nothing: {data!r}"
    for name in names:
        if name not in stored:
            yield f"{pointer} names {name}, which is nowhere"
        elif name.endswith(".dir"):
            for entry in json.loads(stored[name]):
                if entry["md5"] not in stored:
                    yield f"{pointer} needs {entry['md5']} of {entry['relpath']}"


def faults(before: Picture, after: Picture, golden: Picture | None) -> list[str]:
    """What is wrong after an interrupted run. golden: the same run without interruption."""
    found: list[str] = []
    stored, there, kept = after.objects(), after.objects(REMOTE_HOME), after.kept()
    found += wrong_objects(stored, "cache")
    found += wrong_objects(there, "remote")
    pointers_before = before.pointers()
    for path in pointers_before:
        removed = golden is not None and path not in golden.pointers()
        if path not in after.pointers() and not removed:
            found.append(f"{path} is gone")
    for path, data in after.pointers().items():
        if data != pointers_before.get(path):
            found += lacking(path, data, stored)
    for name, data in before.objects().items():
        if stored.get(name) != data and md5(data) == name[:32]:
            found.append(f"object {name} is gone")
    for name in before.objects(REMOTE_HOME).keys() - there.keys():
        found.append(f"object {name} is gone from the remote")
    for name, data in there.items():
        if name.endswith(".dir"):
            absent = {entry["md5"] for entry in json.loads(data)} - there.keys()
            found += [f"remote: {name} came before its file {other}" for other in absent]
    for path, data in before.data().items():
        if after.content(path) != data and stored.get(md5(data)) != data and data not in kept:
            found.append(f"the bytes of {path} are lost")
    there_still = kept | set(stored.values()) | set(after.data().values())
    if before.kept() - there_still:
        found.append("bytes that were kept for undo are lost")
    if golden is not None:
        found += [f"{path} has no name" for path in _nameless(before, after, golden)]
        found += _odd(before, after, golden)
    return found


def _nameless(before: Picture, after: Picture, golden: Picture) -> Iterator[str]:
    """Files that are there before and after, and must be so at every instant (D3)."""
    for path in before.data().keys() & golden.data().keys():
        if path not in after.things:
            yield path


_OUTPUTS = ("repo/big.bin", "repo/data", "repo/made")
"""Of the scenes: a link to an object, or its bytes."""


def _odd(before: Picture, after: Picture, golden: Picture) -> Iterator[str]:
    """Names and bytes in the project that neither the old state nor the new one has."""
    old, new = before.workspace, golden.workspace
    for path, thing in after.workspace.items():
        if path not in old and path not in new:
            yield f"{path} is litter"
        elif thing.kind == "file" and not is_below(path, _OUTPUTS):
            whole = {t.data for t in (old.get(path), new.get(path)) if t}
            if thing.data not in whole and not _is_half_way(path, thing.data, whole):
                yield f"{path} is neither old nor new: {thing.data!r}"
        elif thing.kind in ("file", "link"):
            content = {p.content(path) for p in (before, golden)}
            if after.content(path) not in content:
                yield f"{path} holds bytes that are neither old nor new"


def _is_half_way(path: str, data: bytes, whole: set[bytes]) -> bool:
    """A command with several targets adds their lines to one `.gitignore` one after the other."""
    return path.endswith("/.gitignore") and any(other.startswith(data) for other in whole)


def litter(picture: Picture) -> list[str]:
    """Temporary things of ours, anywhere."""
    found = []
    for path, thing in picture.things.items():
        name = path.rpartition("/")[2]
        # A remote's staging folder may be another machine's: it is swept when it is a day old.
        if is_below(path, ("repo/.git", "remote")) or "/tmp-pannier-" in path:
            continue
        inside = path.rpartition("/")[0]
        if (
            "pannier-" in name
            or name.startswith(("wt-", "clock-"))
            or inside.endswith("files/md5/tmp")
            or (inside == "repo/.dvc/tmp/pannier" and name not in ("logs", "ops", "stages"))
            or (inside == "repo/.dvc/tmp" and name.startswith("rwlock.") and name != "rwlock.lock")
            or (inside.endswith("files/md5") and thing.kind != "dir" and name != "gc.lock")
        ):
            found.append(path)
    return found


def settled(picture: Picture) -> dict[str, Thing]:
    """Everything that must be the same after any number of interruptions.

    Empty folders are no data: an interrupted checkout may leave some, and nobody knows whose.
    """
    full = {parent for path, t in picture.things.items() if t.kind != "dir" for parent in up(path)}
    kept = {p: t for p, t in picture.workspace.items() if t.kind != "dir" or p in full}
    for home in (OBJECT_HOME, REMOTE_HOME):
        kept |= {f"{home}: {name}": Thing("file", d) for name, d in picture.objects(home).items()}
    return kept


def differences(left: Mapping[str, Thing], right: Mapping[str, Thing]) -> list[str]:
    return [
        f"{path}: {left.get(path, 'absent')} | {right.get(path, 'absent')}"
        for path in sorted(left.keys() | right.keys())
        if left.get(path) != right.get(path)
    ]


# -- trials ----


@dataclass(slots=True)
class Trial:
    """One scene, ready to be run again and again from the same state."""

    scene: Scene
    world: World
    kept: Path
    before: Picture
    golden: Picture
    log: list[list[str]]
    said: Completed

    @property
    def points(self) -> int:
        return len(self.log)

    def restore(self) -> World:
        shutil.rmtree(self.world.base)
        subprocess.run(["cp", "-a", self.kept, self.world.base], check=True, timeout=60)
        return self.world

    def at(self, fault: str) -> Completed:
        """Puts the world back and runs the command with a fault."""
        return self.restore().run(*self.scene.command, fault=fault)

    def again(self) -> Completed:
        return self.world.run(*self.scene.command)

    def story(self, number: int) -> str:
        """The change before which the program was stopped."""
        step = self.log[number - 1] if number <= self.points else ["the end"]
        return f"{self.scene.name}, change {number}: {' '.join(step)[:200]}"


def prepare(scene: Scene, base: Path, runs: Runs, kind: str) -> Trial:
    """Makes the scene's world, and one run without interruption to compare with."""
    world = new_world(base / "world", runs, kind)
    scene.prepare(world)
    kept = base / "kept"
    subprocess.run(["cp", "-a", world.base, kept], check=True, timeout=60)
    before = picture(world)
    log = base / "log"
    said = world.run(*scene.command, log=str(log))
    assert said.rc == 0, str(said)
    lines = log.read_text("utf-8", "surrogateescape").splitlines() if log.exists() else []
    return Trial(
        scene, world, kept, before, picture(world), [line.split("\t") for line in lines], said
    )


@dataclass(slots=True)
class Verdict:
    """What a sweep found: at which change, what."""

    found: list[str] = field(default_factory=list)
    tried: int = 0

    def add(self, where: str, what: list[str]) -> None:
        if what:
            self.found.append("\n    ".join([where, *what[:8]]))


def sample(log: list[list[str]], count: int, shift: int) -> list[int]:
    """Some change numbers: spread over those where something new begins or ends.

    shift: different shifts take different ones.
    """
    steps = [_SAME.sub("#", " ".join(step[:3])) for step in log]
    first = {step: number for number, step in reversed(list(enumerate(steps, 1)))}
    last = {step: number for number, step in enumerate(steps, 1)}
    marks = sorted({*first.values(), *last.values()})
    stride = max(1, len(marks) // count)
    return marks[shift % stride :: stride]
