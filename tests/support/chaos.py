"""Random work, random harm: a model of what must never be lost, and the table of what can happen.

Every round is drawn from a generator of its own, seeded by the run's seed and the round's number:
a seed gives the same choice of operations again, whatever the timing of kills made of them.

`COMMANDS` is the table of our program's commands; a new one joins by one line. `HARMS` is what is
done to a running command, `EVENTS` what happens between commands.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.crash import (
    Running,
    Runs,
    config,
    digests_of,
    md5,
    new_world,
    wrong_objects,
)
from tests.support.oracle import Oracle
from tests.support.programs import Completed

TARGETS = ("t0", "t1", "t2", "t3", "file.bin")
PROJECTS = ("one", "two")
KINDS = ("copy", "hardlink", "symlink")
POOL = [b"shared bytes %d\n" % n * (1 + n * 37 % 300) for n in range(40)]
"""Contents that many files have, so that runs meet at the same objects."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command line of ours. "{t}": a target, "{other}": another.

    weight: how often, compared with the others. gives_up: what is nobody's to recover afterwards:
    "" nothing; "workspace": unsaved edits of the target; "unreferenced": objects that no pointer
    of any project names now; "target": all that only this target's pointer names.
    dvc: real DVC may be asked to do it as well.
    """

    words: tuple[str, ...]
    weight: int
    gives_up: str = ""
    dvc: bool = False


COMMANDS = (
    Command(("add", "{t}"), 9, dvc=True),
    Command(("add", "{t}", "{other}"), 3),
    Command(("commit", "-f"), 3, dvc=True),
    Command(("checkout",), 4, dvc=True),
    Command(("checkout", "{t}.dvc"), 3),
    Command(("checkout", "--force", "{t}.dvc"), 2, gives_up="workspace"),
    Command(("checkout", "--relink"), 1),
    Command(("push",), 6, dvc=True),
    Command(("push", "{t}.dvc"), 2),
    Command(("fetch",), 3, dvc=True),
    Command(("pull",), 4),
    Command(("status",), 2, dvc=True),
    Command(("status", "-c"), 1),
)


@dataclass(slots=True)
class Job:
    """One command in one project, and what is to be done to it."""

    command: Command
    project: str
    words: tuple[str, ...]
    targets: tuple[str, ...]
    harm: str
    amount: float
    fault: str = ""

    def __str__(self) -> str:
        return f"{self.project}: {' '.join(self.words)} [{self.harm or 'left alone'}]"


HARMS = ("", "", "", "kill", "kill", "term", "int", "kill@", "term@", "error@EIO", "errors@ENOSPC")
"""A signal at a random instant; the same, or a failure, at a random change."""


class Chaos:
    """Two projects on one cache and one remote, and what is known of them."""

    def __init__(
        self,
        base: Path,
        crew: Sequence[Runs],
        oracle: Oracle | None,
        seed: str,
        *,
        small: bool,
    ) -> None:
        """small: base is a tmpfs that can be made full."""
        self.base, self.seed, self._crew, self._oracle = base, seed, crew, oracle
        self._small = small
        self.chance = random.Random(seed)
        self.kind = self.chance.choice(KINDS)
        self.worlds = {}
        for name in PROJECTS:
            world = new_world(base / name, crew[0], self.kind)
            text = config(self.kind).replace("[cache]\n", f"[cache]\n    dir = {base}/cache\n")
            text = text.replace("url = ../../remote", f"url = {base}/remote")
            text = text.replace("no_scm = false", "no_scm = true")
            (world.repo / ".dvc/config").write_text(text)
            self.worlds[name] = world
        (base / "remote").mkdir()
        self.kept: dict[str, str] = {}
        """Digest of what was successfully added -> when."""
        self.mine: dict[Path, bytes] = {}
        """The user's files, as they must be found: in place, or saved."""
        self.history: dict[tuple[str, str], list[bytes]] = {}
        self.told: list[str] = []
        self.found: list[str] = []
        self.ends = {"done": 0, "refused": 0, "killed": 0, "by DVC": 0}
        """How the commands ended, for whoever wonders whether anything was tried."""
        self._seen: dict[str, tuple[object, bytes]] = {}

    # -- a round ----

    def round(self, number: int) -> None:
        self.chance = random.Random(f"{self.seed} {number}")
        self.told = [f"round {number}"]
        for _ in range(self.chance.randrange(4)):
            event = self.chance.choice(EVENTS)
            event(self)
        by_dvc = self._oracle is not None and self.chance.random() < 0.12
        at_once = 1 if by_dvc else self.chance.choice((1, 1, 1, 2, 4))
        jobs = [self._draw(dvc=by_dvc) for _ in range(at_once)]
        damage = None if by_dvc else self.chance.choice((None, None, None, "damage"))
        full = self._small and not by_dvc and self.chance.random() < 0.15
        room_kib = self.chance.choice((0, 4, 16, 64, 256, 700))
        self._look()  # before the damage: a symlink to a damaged object is not what the user had
        if damage:
            self._damage()
        self.told += [f"{job}{' by DVC' if by_dvc else ''}" for job in jobs]
        pointers = self._pointers()
        if by_dvc:
            ended = [self._run_dvc(jobs[0])]
        else:
            with self._full(room_kib) if full else contextlib.nullcontext():
                ended = self._run(jobs)
        self._judge(jobs, ended, pointers, by_dvc=by_dvc)
        self._heal()

    def _draw(self, *, dvc: bool) -> Job:
        commands = [command for command in COMMANDS if command.dvc or not dvc]
        weights = [command.weight for command in commands]
        command = self.chance.choices(commands, weights)[0]
        t, other = self.chance.sample(TARGETS, 2)
        words = tuple(word.format(t=t, other=other) for word in command.words)
        named = [
            n for n, sign in ((t, "{t}"), (other, "{other}")) if sign in "".join(command.words)
        ]
        job = Job(
            command,
            self.chance.choice(PROJECTS),
            words,
            tuple(named) or TARGETS,
            self.chance.choice(HARMS),
            self.chance.random(),
        )
        if "@" in job.harm:
            action, _, code = job.harm.partition("@")
            place = 1 + int(job.amount**2 * 160)
            job.fault = f"{action}@{place}" + (f":{code}" if code else "")
        return job

    def _run(self, jobs: Sequence[Job]) -> list[Completed]:
        started: list[Running] = []
        timers: list[threading.Timer] = []
        for job, runs in zip(jobs, self._crew, strict=False):
            env = {"XDG_CACHE_HOME": str(self.base / f"xdg-{job.project}")}
            one = runs.start(
                *job.words, cwd=self.worlds[job.project].repo, fault=job.fault, env=env
            )
            started.append(one)
            if job.harm in ("kill", "term", "int"):
                number = getattr(signal, f"SIG{job.harm.upper()}")
                timer = threading.Timer(job.amount**2 * 0.3, _send, (one.pid, number))
                timers.append(timer)
                timer.start()
        ended = [one.finish() for one in started]
        for timer in timers:
            timer.cancel()
            timer.join()
        return ended

    def _run_dvc(self, job: Job) -> Completed:
        assert self._oracle is not None
        env = {
            "DVC_SITE_CACHE_DIR": str(self.base / "site"),
            "DVC_GLOBAL_CONFIG_DIR": str(self.base / "global"),
        }
        return self._oracle(*job.words, cwd=self.worlds[job.project].repo, env=env)

    @contextlib.contextmanager
    def _full(self, room_kib: int) -> Iterator[None]:
        self.told.append(f"only {room_kib} KiB are free")
        used = os.statvfs(self.base)
        kib = (used.f_blocks - used.f_bfree) * used.f_frsize // 1024
        _resize(self.base, f"{kib + room_kib}k")
        try:
            yield
        finally:
            _resize(self.base, f"{DISK_MIB}m")

    # -- looking ----

    def _objects(self, home: str) -> dict[str, bytes]:
        """Digest -> bytes; a file whose stats are as they were is not read again."""
        found = {}
        root = self.base / home / "files/md5"
        for prefix in os.listdir(root) if root.is_dir() else ():
            if len(prefix) != 2:
                continue
            for entry in os.scandir(root / prefix):
                stat = entry.stat(follow_symlinks=False)
                key = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
                known = self._seen.get(entry.path)
                if known is None or known[0] != key:
                    known = self._seen[entry.path] = key, Path(entry.path).read_bytes()
                found[prefix + entry.name] = known[1]
        return found

    def _good(self) -> dict[str, bytes]:
        """All that can be recovered."""
        return {
            name: data
            for home in ("remote", "cache")
            for name, data in self._objects(home).items()
            if md5(data) == name[:32]
        }

    def _pointers(self) -> dict[tuple[str, str], bytes]:
        return {
            (name, path.name.removesuffix(".dvc")): path.read_bytes()
            for name, world in self.worlds.items()
            for path in world.repo.glob("*.dvc")
            if path.is_file()
        }

    def _files(self, name: str, target: str) -> dict[Path, bytes]:
        root = self.worlds[name].repo / target
        paths = [root] if not root.is_dir() else [p for p in root.rglob("*") if not p.is_dir()]
        return {path: path.read_bytes() for path in paths if path.exists()}

    def _look(self) -> None:
        self.mine = {
            path: data
            for name in PROJECTS
            for target in TARGETS
            for path, data in self._files(name, target).items()
        }

    # -- judging ----

    def _judge(
        self,
        jobs: Sequence[Job],
        ended: Sequence[Completed],
        before: dict[tuple[str, str], bytes],
        *,
        by_dvc: bool,
    ) -> None:
        found: list[str] = []
        for done in ended:
            end = "done" if done.rc == 0 else "killed" if done.rc < 0 else "refused"
            self.ends["by DVC" if by_dvc else end] += 1
        harmed = {path for path, _ in self._harmed}
        good = self._good()
        for home in ("cache", "remote"):
            for line in wrong_objects(self._objects(home), home):
                name = line.split()[1]
                if not any(path.name == name[2:] for path in harmed):
                    found.append(line)
        found += [
            f"{name}, added in {when}, is nowhere"
            for name, when in self.kept.items()
            if name not in good
        ]
        after = self._pointers()
        for key in before.keys() - after.keys():
            if not any("target" == job.command.gives_up for job in jobs):
                found.append(f"the pointer of {key} is gone")
        cache = self._objects("cache")
        for key, data in after.items():
            if data != before.get(key):
                found += [f"{key}: {line}" for line in _lacking(data, cache | good, good)]
        if not by_dvc:
            given_up = {
                (job.project, target)
                for job in jobs
                if job.command.gives_up in ("workspace", "target")
                for target in job.targets
            }
            for path, data in self.mine.items():
                name, target = path.relative_to(self.base).parts[0::2][:2]
                if (name, target) in given_up or md5(data) in good:
                    continue
                if not path.exists() or path.read_bytes() != data:
                    found.append(f"the bytes of {path} are lost")
        for job, done in zip(jobs, ended, strict=True):
            found += self._promised(job, done, jobs, after, by_dvc=by_dvc)
        self._remember(jobs, after, good, cache)
        if found:
            said = [str(done) for done in ended]
            self.found.append("\n    ".join([*self.told, *found[:12], *said]))

    def _promised(
        self,
        job: Job,
        done: Completed,
        jobs: Sequence[Job],
        after: dict[tuple[str, str], bytes],
        *,
        by_dvc: bool,
    ) -> Iterator[str]:
        """What its exit code says and is not so."""
        if by_dvc:
            return
        early = "crash_server.py" in done.stderr and done.stderr.endswith("KeyboardInterrupt\n")
        if ("Traceback" in done.stderr or "unexpected error" in done.stderr) and not early:
            yield f"no sentence for a user: {done.stderr}"
        if done.rc < 0 and not job.harm:
            yield f"ended by signal {-done.rc}"
        if done.rc != 0 or any(other is not job and other.project == job.project for other in jobs):
            return
        verb = job.words[0]
        here, there, good = self._objects("cache"), self._objects("remote"), self._good()
        if len(jobs) > 1:  # somebody else may put what is damaged aside, after it was looked at
            damaged = {path.parent.name + path.name: data for path, data in self._harmed}
            here, there = here | damaged, there | damaged
        for target in job.targets:
            data = after.get((job.project, target))
            if data is None:
                if verb == "add":
                    yield f"{job}: no pointer"
                continue
            # A checkout of what is in place already, as DVC's, does not ask the cache.
            if verb in ("add", "commit", "fetch", "pull"):
                yield from (f"{job}: {line}" for line in _lacking(data, here, good))
            if verb == "push":
                yield from (f"{job}, remote: {line}" for line in _lacking(data, there, good))
            if verb in ("add", "pull", "checkout"):
                yield from (f"{job}: {line}" for line in self._unlike(job.project, target, data))

    def _unlike(self, name: str, target: str, pointer: bytes) -> Iterator[str]:
        """How the workspace differs from what a pointer says."""
        good = self._good()
        digest = digests_of(pointer)[0]
        root = self.worlds[name].repo / target
        if digest.endswith(".dir"):
            listed = json.loads(good[digest])
            wanted = {root / entry["relpath"]: entry["md5"] for entry in listed}
        else:
            wanted = {root: digest}
        there = {path: md5(data) for path, data in self._files(name, target).items()}
        if there != wanted:
            odd = sorted(set(there.items()) ^ set(wanted.items()))[:4]
            yield f"the workspace differs from {target}.dvc: {odd}"

    def _remember(
        self,
        jobs: Sequence[Job],
        after: dict[tuple[str, str], bytes],
        good: dict[str, bytes],
        cache: dict[str, bytes],
    ) -> None:
        """A pointer that was written is the program's word for all that it names."""
        if any(job.command.gives_up in ("unreferenced", "target") for job in jobs):
            self.history = {key: [data] for key, data in after.items()}
            self.kept = {}
        for key, data in after.items():
            past = self.history.setdefault(key, [])
            if data not in past:
                past.append(data)
            for name in _named(data, good):
                if name in good:
                    self.kept.setdefault(name, self.told[0])

    # -- damage ----

    _harmed: tuple[tuple[Path, bytes], ...] = ()

    def _damage(self) -> None:
        """Damages objects here whose bytes the other place has, until the round ends."""
        home, other = self.chance.sample(("cache", "remote"), 2)
        count, how = self.chance.randrange(1, 4), self.chance.choice(("flip", "cut", "empty"))
        self.told.append(f"{count} objects of the {home} are damaged: {how}")
        there = self._objects(other)
        names = sorted(self._objects(home).keys() & there.keys())
        harmed = []
        for name in self.chance.sample(names, min(count, len(names))):
            path = self.base / home / "files/md5" / name[:2] / name[2:]
            data = path.read_bytes()
            wrong = {"flip": bytes([*data[:-1], data[-1] ^ 1]) if data else b"x", "cut": data[:-1]}
            info = path.stat()
            aside = path.with_name("damaged")
            aside.write_bytes(wrong.get(how, b""))
            aside.chmod(0o444)
            os.utime(aside, ns=(info.st_atime_ns, info.st_mtime_ns))
            aside.rename(path)  # a new file: links to the old one keep their bytes
            harmed.append((path, data))
        self._harmed = tuple(harmed)

    def _heal(self) -> None:
        """What is still damaged gets its bytes back: real DVC would hand it on."""
        for path, data in self._harmed:
            if path.exists() and path.read_bytes() != data:
                path.unlink()
                path.write_bytes(data)
                path.chmod(0o444)
        self._harmed = ()

    # -- the end ----

    def recover(self) -> None:
        """Every pointer there ever was is brought back in a new project, by the program."""
        self.told = ["the end"]
        good = self._good()
        self.found += [
            f"{name}, added in {when}, is nowhere"
            for name, when in self.kept.items()
            if name not in good
        ]
        world = new_world(self.base / "new", self._crew[0], "copy")
        text = config("copy").replace("[cache]\n", f"[cache]\n    dir = {self.base}/cache\n")
        text = text.replace("url = ../../remote", f"url = {self.base}/remote")
        (world.repo / ".dvc/config").write_text(text.replace("no_scm = false", "no_scm = true"))
        self.worlds["new"] = world
        wanted = [(t, d) for (_, t), past in sorted(self.history.items()) for d in past[-6:]]
        for number, (target, pointer) in enumerate(wanted):
            data = pointer.replace(b"path: " + target.encode(), b"path: x%d" % number)
            (world.repo / f"x{number}.dvc").write_bytes(data)
        done = world.run("pull")
        if done.rc:
            self.found.append(str(done))
        for number, (_, pointer) in enumerate(wanted):
            self.found += self._unlike("new", f"x{number}", pointer)


DISK_MIB = 256


def _resize(place: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", place], check=True, timeout=60)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _named(pointer: bytes, good: dict[str, bytes]) -> Iterator[str]:
    for name in digests_of(pointer):
        yield name
        if name.endswith(".dir") and name in good:
            for entry in json.loads(good[name]):
                yield entry["md5"]


def _lacking(pointer: bytes, stored: dict[str, bytes], good: dict[str, bytes]) -> Iterator[str]:
    """What a pointer names that is not stored; its lists are read from what is undamaged."""
    if not digests_of(pointer):
        yield f"it names nothing: {pointer!r}"
    for name in _named(pointer, good):
        if name not in stored:
            yield f"{name} is not there"


# -- what happens between commands ----


def _write(path: Path, data: bytes) -> None:
    """As an editor does: a new file under the old name."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    for folder in reversed(path.parents):
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            folder.unlink()
        folder.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def _some_bytes(chance: random.Random) -> bytes:
    if chance.random() < 0.4:
        return chance.choice(POOL)
    return chance.randbytes(chance.choice((0, 10, 1000, 5000, 70_000, 300_000)))


def edit(chaos: Chaos) -> None:
    chance = chaos.chance
    name, target = chance.choice(PROJECTS), chance.choice(TARGETS)
    root = chaos.worlds[name].repo / target
    count = chance.choice((1, 1, 2, 5, 20))
    chaos.told.append(f"{name}: {count} files of {target} are written")
    if target == "file.bin":
        _write(root, _some_bytes(chance))
        return
    for _ in range(count):
        path = root / chance.choice(("a", "b", "sub/c", "sub/d", "e")) / str(chance.randrange(12))
        if chance.random() < 0.05:
            path = path.parent
        _write(path, _some_bytes(chance))


def take_away(chaos: Chaos) -> None:
    """The user deletes something in the workspace."""
    name, target = chaos.chance.choice(PROJECTS), chaos.chance.choice(TARGETS)
    whole = chaos.chance.random() < 0.6
    part = chaos.chance.choice(("a", "b", "sub", "e"))
    path = chaos.worlds[name].repo / target
    path = path if whole or target == "file.bin" else path / part
    chaos.told.append(f"{name}: {path.name} is deleted")
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()


def another_version(chaos: Chaos) -> None:
    """As `git checkout` does it: a pointer of the past, or of the other project."""
    name, target = chaos.chance.choice(PROJECTS), chaos.chance.choice(TARGETS)
    source = chaos.chance.choice(PROJECTS)
    at = chaos.chance.random()
    past = chaos.history.get((source, target))
    chaos.told.append(f"{name}: an older {target}.dvc of {source}")
    if past:
        _write(chaos.worlds[name].repo / f"{target}.dvc", past[int(at * len(past))])


def lose_a_store(chaos: Chaos) -> None:
    """Of one place all is lost that the other has."""
    home, other = chaos.chance.sample(("cache", "remote"), 2)
    share = chaos.chance.choice((0.1, 0.5, 1.0))
    chaos.told.append(f"{share} of the {home} is lost")
    there = {name for name, data in chaos._objects(other).items() if md5(data) == name[:32]}
    if chaos.kind == "symlink" and home == "cache":
        return  # the workspace would go with it
    for name in sorted(chaos._objects(home)):
        if name in there and chaos.chance.random() < share:
            (chaos.base / home / "files/md5" / name[:2] / name[2:]).unlink()


def forget(chaos: Chaos) -> None:
    """What is remembered about files' stats is lost."""
    name = chaos.chance.choice(PROJECTS)
    chaos.told.append(f"{name}: the stat cache is lost")
    shutil.rmtree(chaos.base / f"xdg-{name}", ignore_errors=True)


EVENTS: tuple[Callable[[Chaos], None], ...] = (
    *(edit,) * 6,
    *(take_away,) * 2,
    *(another_version,) * 2,
    lose_a_store,
    forget,
)
