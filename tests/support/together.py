"""Several processes at work at once: what each is told to do, and what must be true afterwards.

Every actor has a target of its own, and all targets hold some of the same bytes, so that the
processes meet at the same objects. `ACTS` is the table; a new command is one more line.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.crash import (
    OBJECT_HOME,
    REMOTE_HOME,
    Picture,
    Running,
    Runs,
    World,
    digests_of,
    everything,
    lacking,
    md5,
    wrong_objects,
)

COMMON = {f"same/{n}": b"the same everywhere %d\n" % n * 50 for n in range(12)}


@dataclass(frozen=True, slots=True)
class Desk:
    """Where one process works: a project, as one user, in one environment."""

    world: World
    runs: Runs
    env: dict[str, str]
    umask: int | None = None

    def start(self, *args: str, fault: str = "", log: str = "") -> Running:
        return self.runs.start(
            *args, cwd=self.world.repo, fault=fault, log=log, env=self.env, umask=self.umask
        )

    def dvc(self, *args: str) -> None:
        done = self.start(*args).finish()
        assert done.rc == 0, str(done)


@dataclass(frozen=True, slots=True)
class Job:
    """One act on one target at one desk."""

    act: Act
    target: str
    desk: Desk

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(word.format(target=self.target) for word in self.act.words)


@dataclass(frozen=True, slots=True)
class Act:
    """words: of the command, "{target}" in them. state: what the target is in before, see `ready`.

    changed: its files were edited since. promises: what exit code 0 says of the target: it is in
    the "pointer", the "workspace", the "cache", the "remote".
    """

    name: str
    words: tuple[str, ...]
    state: str
    promises: tuple[str, ...]
    changed: bool = False
    takes_lock: bool = True


ACTS = {
    act.name: act
    for act in (
        Act("add", ("add", "{target}"), "new", ("pointer", "workspace", "cache")),
        Act("add, changed", ("add", "{target}"), "saved", ("pointer", "workspace", "cache"), True),
        Act("commit", ("commit", "-f", "{target}.dvc"), "saved", ("pointer", "cache"), True),
        Act("checkout", ("checkout", "{target}.dvc"), "in the cache", ("workspace", "cache")),
        Act("push", ("push", "{target}.dvc"), "saved", ("remote", "cache")),
        Act("fetch", ("fetch", "{target}.dvc"), "in the remote", ("cache", "remote")),
        Act("pull", ("pull", "{target}.dvc"), "in the remote", ("cache", "remote", "workspace")),
        Act("status", ("status", "{target}.dvc"), "saved", ("workspace",), takes_lock=False),
    )
}


def content(target: str, *, changed: bool = False) -> dict[str, bytes]:
    own = {f"own/{n}": f"{target} {n}\n".encode() * 60 for n in range(12)}
    if changed:
        own["own/3"] = f"{target}, edited\n".encode()
        own["new/x"] = f"{target}, new\n".encode()
    return own | COMMON


def write(desk: Desk, target: str, files: dict[str, bytes]) -> None:
    """As the user of the desk would: the folder above says whose they are."""
    root = desk.world.repo
    owner = root.stat()
    for path, data in files.items():
        file = root / target / path
        for folder in reversed([file.parent, *file.parent.parents]):
            if folder.is_relative_to(root) and not folder.exists():
                folder.mkdir()
                os.chown(folder, owner.st_uid, owner.st_gid)
                os.chmod(folder, owner.st_mode & 0o7777)
        if not file.exists() or file.read_bytes() != data:
            file.unlink(missing_ok=True)
            file.write_bytes(data)
            os.chown(file, owner.st_uid, owner.st_gid)
            file.chmod(0o664)


def make_ready(jobs: Sequence[Job], caches: Sequence[Path]) -> None:
    """Brings every target into the state that its act wants."""
    away = [job for job in jobs if job.act.state == "in the remote"]
    for job in away:
        write(job.desk, job.target, content(job.target))
        job.desk.dvc("add", "-q", job.target)
        job.desk.dvc("push", "-q", f"{job.target}.dvc")
        shutil.rmtree(job.desk.world.repo / job.target)
    if away:
        for cache in caches:
            for name in os.listdir(cache):
                shutil.rmtree(cache / name)
    for job in jobs:
        if job.act.state == "in the remote":
            continue
        write(job.desk, job.target, content(job.target))
        if job.act.state != "new":
            job.desk.dvc("add", "-q", job.target)
        if job.act.state == "in the cache":
            shutil.rmtree(job.desk.world.repo / job.target)
        if job.act.changed:
            write(job.desk, job.target, content(job.target, changed=True))


class Check:
    """Looks at one project's world after all processes have ended."""

    def __init__(self, world: World, cache: Path) -> None:
        self.world = world
        self._things = Picture(everything(world.base))
        here = Picture(everything(cache / "files/md5", OBJECT_HOME + "/"))
        self.stored = here.objects()
        self.there = self._things.objects(REMOTE_HOME)
        self.found: list[str] = []
        self.found += wrong_objects(self.stored, "cache")
        self.found += wrong_objects(self.there, "remote")
        for name, data in self.there.items():
            if name.endswith(".dir"):
                absent = {entry["md5"] for entry in json.loads(data)} - self.there.keys()
                self.found += [f"remote: {name} without its file {other}" for other in absent]

    def job(self, job: Job, rc: int) -> None:
        pointer = self._things.pointers().get(f"repo/{job.target}.dvc")
        if pointer is None:
            if rc == 0 or job.act.state != "new":
                self.found.append(f"{job.act.name}: no pointer, exit code {rc}")
            return
        if job.act.state != "in the remote" or rc == 0:
            self.found += lacking(job.target, pointer, self.stored)
        if rc:
            return
        wanted = content(job.target, changed=job.act.changed)
        for promise in job.act.promises:
            self.found += [
                f"{job.act.name}: {line}" for line in _CHECKS[promise](self, job, pointer)
            ]
        named = self._named(pointer, self.stored if job.act.name != "push" else self.there)
        if named != {path: md5(data) for path, data in wanted.items()}:
            self.found.append(f"{job.act.name}: {job.target} names {named}")

    def _named(self, pointer: bytes, stored: dict[str, bytes]) -> dict[str, str]:
        listed = stored.get(digests_of(pointer)[0])
        return {e["relpath"]: e["md5"] for e in json.loads(listed)} if listed else {}

    def _workspace(self, job: Job, pointer: bytes) -> Iterator[str]:
        for path, data in content(job.target, changed=job.act.changed).items():
            file = self.world.repo / job.target / path
            if not file.exists():
                yield f"{file} is not there"
            elif file.read_bytes() != data:
                yield f"{file} holds other bytes"

    def _cache(self, job: Job, pointer: bytes) -> Iterator[str]:
        yield from lacking(job.target, pointer, self.stored)

    def _remote(self, job: Job, pointer: bytes) -> Iterator[str]:
        yield from lacking(f"{job.target} in the remote", pointer, self.there)


_CHECKS: dict[str, Callable[[Check, Job, bytes], Iterator[str]]] = {
    "pointer": lambda check, job, pointer: iter(()),
    "workspace": Check._workspace,
    "cache": Check._cache,
    "remote": Check._remote,
}
