"""Scenes of tests/support/crash.py for all other commands that change files, and their checker.

One table: kills, failing calls and power losses are tried on all of it, and a new command joins by
a line. `repro`, `gc` and the verifying commands have rules, hence tests, of their own.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.crash import (
    FIRST,
    OBJECT_HOME,
    REMOTE_HOME,
    Picture,
    Scene,
    Trial,
    Verdict,
    World,
    added,
    differences,
    faults,
    lacking,
    litter,
    picture,
    settled,
)
from tests.support.programs import git

KINDS = ("copy", "hardlink", "symlink")
PIPELINE = (
    b"# why\nstages:\n  one:\n    cmd: echo\n    outs:\n    - data\n  two:\n    cmd: echo\n"
    b"    outs:\n    - big.bin\n"
)


@dataclass(frozen=True, slots=True)
class Way(Scene):
    """takes: it is asked to give up what stands in its way. leaves: what its litter is called.

    elsewhere: its objects are not in the cache but at the remote. ends: it is the project's end.
    """

    takes: bool = False
    leaves: str = ""
    elsewhere: bool = False
    ends: bool = False


# -- what comes from elsewhere ----


def _source(world: World) -> Path:
    """A Git repository beside the project, with the data of the first state."""
    source = world.base / "source"
    for path, data in FIRST.items():
        target = source / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    git("init", "-q", "--template=", cwd=source)
    _commit(source)
    return source


def _commit(source: Path) -> None:
    git("add", "-A", cwd=source)
    git("commit", "-qm", "state", cwd=source)


def _change(source: Path) -> None:
    (source / "data/a.txt").write_bytes(b"another\n")
    (source / "data/gone/e.txt").unlink()
    (source / "data/new.txt").write_bytes(b"new\n")
    _commit(source)


def _fresh(world: World) -> None:
    _source(world)


def _in_the_way(world: World) -> None:
    _source(world)
    world.write("data/a.txt", b"the user's own\n")
    world.write("data/mine.txt", b"and this\n")


def _imported(world: World) -> None:
    _source(world)
    world.dvc("import", "-q", "../source", "data")


def _old_import(world: World) -> None:
    _imported(world)
    _change(world.base / "source")


def _old_import_by_url(world: World) -> None:
    _source(world)
    world.dvc("import-url", "-q", "../source/data")
    _change(world.base / "source")


def _lost(world: World) -> None:
    _imported(world)
    world.remove("repo/.dvc/cache", "repo/data")


def _tracked_before(world: World) -> None:
    added(world)
    _change(_source(world))


def _database(world: World) -> None:
    with sqlite3.connect(world.base / "db.sqlite") as base:
        base.execute("create table u (id integer, k text)")
        base.executemany("insert into u values (?, ?)", [(n, "x" * n) for n in range(9)])
    base.close()
    world.dvc("config", "db.c1.url", f"sqlite:///{world.base}/db.sqlite")


BESIDE = "/.pannier-get-"
BRINGING = (
    Way("get, a file", ("get", "-f", "../source", "big.bin"), _fresh, leaves=BESIDE),
    Way(
        "get, into a folder that is there",
        ("get", "-f", "../source", "data"),
        _in_the_way,
        takes=True,
        leaves=BESIDE,
    ),
    Way("get-url", ("get-url", "-f", "../source/data"), _fresh, leaves=BESIDE),
    Way("import", ("import", "../source", "data"), _fresh),
    Way("import, over the user's", ("import", "-f", "../source", "data"), _in_the_way),
    Way("import, over what is tracked", ("import", "-f", "../source", "data"), _tracked_before),
    Way("import-url", ("import-url", "../source/big.bin"), _fresh),
    Way(
        "import-url, to remote",
        ("import-url", "--to-remote", "../source/data"),
        _fresh,
        elsewhere=True,
    ),
    Way("import-db", ("import-db", "--table", "u", "--conn", "c1", "-o", "data"), _database),
    Way("add, from elsewhere", ("add", "../source/big.bin", "-o", "big.bin"), _fresh),
    Way("add, a folder from elsewhere", ("add", "../source/data", "-o", "data"), _fresh),
    Way(
        "add, to remote",
        ("add", "../source/data", "--to-remote", "-o", "data"),
        _fresh,
        elsewhere=True,
    ),
    Way("update", ("update", "data.dvc"), _old_import),
    Way("update, of a URL", ("update", "data.dvc"), _old_import_by_url),
    Way("pull, of an import", ("pull",), _lost),
)


# -- what is tracked is edited ----


def _with_place(world: World) -> None:
    added(world)
    world.write("other/code.py", b"the user's own\n")


def _with_stages(world: World) -> None:
    added(world)
    world.remove("repo/data.dvc", "repo/big.bin.dvc")
    world.write("dvc.yaml", PIPELINE)
    world.dvc("commit", "-f")


def _old_objects(world: World) -> None:
    """A project of DVC 2: text with both line ends, and a folder."""

    def put(data: bytes, suffix: str = "") -> str:
        hashed = data if b"\0" in data else data.replace(b"\r\n", b"\n")
        name = hashlib.md5(hashed, usedforsecurity=False).hexdigest() + suffix
        world.write(f".dvc/cache/{name[:2]}/{name[2:]}", data, 0o444)
        return name

    names = {path: put(data) for path, data in {"c": b"a\r\nb\r\n", "p": b"p\n"}.items()}
    rows = ", ".join(f'{{"md5": "{name}", "relpath": "{p}"}}' for p, name in names.items())
    folder = put(f"[{rows}]".encode(), ".dir")
    world.write("big.bin", b"a\r\nb\r\n")
    world.write("data/c", b"a\r\nb\r\n")
    world.write("data/p", b"p\n")
    world.write("big.bin.dvc", f"outs:\n- md5: {names['c']}\n  path: big.bin\n".encode())
    world.write("data.dvc", f"outs:\n- md5: {folder}\n  path: data\n".encode())


def _another_kind(world: World) -> None:
    """Links of one kind are to become links of another, copies links."""
    added(world)
    was = (world.repo / ".dvc/config").read_text()
    world.links("hardlink" if "type = symlink" in was else "symlink")


def _two_branches(world: World) -> None:
    """The three versions of a pointer, as Git hands them to the merge driver."""
    added(world)
    world.write("anc", (world.repo / "data.dvc").read_bytes())
    for name, path in (("their", "data/a.txt"), ("our", "data/b.txt")):
        world.write("data.dvc", (world.repo / "anc").read_bytes())
        world.dvc("checkout", "-f", "data")
        world.write(path, name.encode())
        world.dvc("add", "-q", "data")
        world.write(name, (world.repo / "data.dvc").read_bytes())
    world.write("data.dvc", (world.repo / "our").read_bytes())


def _then(*lines: str) -> Callable[[World], None]:
    """The first state, added, and then some commands."""

    def prepare(world: World) -> None:
        added(world)
        for line in lines:
            world.dvc(*line.split())

    return prepare


DRIVER = ("git-hook", "merge-driver", "--ancestor", "anc", "--our", "our", "--their", "their")
EDITING = (
    Way("remove", ("remove", "big.bin.dvc", "data.dvc"), added),
    Way("remove, data too", ("remove", "--outs", "big.bin.dvc", "data.dvc"), added, takes=True),
    Way("remove, a stage", ("remove", "--outs", "one"), _with_stages, takes=True),
    Way("remove, all stages", ("remove", "dvc.yaml"), _with_stages),
    Way("move, a file", ("move", "big.bin", "data.bin"), added),
    Way("move, a folder", ("move", "data", "other"), _with_place),
    Way("move, a folder renamed", ("move", "data", "dates"), added),
    Way("unprotect", ("unprotect", "big.bin", "data"), added),
    Way("freeze", ("freeze", "data.dvc"), added),
    Way("freeze, a stage", ("freeze", "two"), _with_stages),
    Way("unfreeze", ("unfreeze", "data.dvc"), _then("freeze data.dvc")),
    Way("destroy", ("destroy", "-f"), added, ends=True),
    Way("checkout, another kind of link", ("checkout", "--relink"), _another_kind),
    Way("cache migrate", ("cache", "migrate", "--dvc-files"), _old_objects),
    Way("merge", DRIVER, _two_branches),
    Way("undo, of a move", ("undo",), _then("move big.bin data.bin")),
    Way("undo, of a remove", ("undo",), _then("remove --outs big.bin.dvc data.dvc")),
)


# -- settings and declarations ----


def _no_project(world: World) -> None:
    world.remove("repo/.dvc", "repo/.dvcignore")
    (world.repo / "code.py").write_bytes(b"the user's own\n")


def _with_dataset(world: World) -> None:
    _with_stages(world)
    world.write("listed/x", b"x")
    world.dvc("dataset", "add", "--url", "listed", "d")
    world.write("listed/y", b"y")


def _with_plot(world: World) -> None:
    added(world)
    text = b"# kept\nstages:\n  one:\n    cmd: x\n    plots:\n    - p.csv:\n        x: a\n"
    world.write("dvc.yaml", text)


def _two_remotes(world: World) -> None:
    added(world)
    world.dvc("push", "-q")
    world.dvc("remote", "add", "more", str(world.base / "more"))


def _with_git(world: World) -> None:
    added(world)
    settings = world.repo / ".dvc/config"
    settings.write_text(settings.read_text().replace("no_scm = true", "no_scm = false"))


def _settings(world: World) -> None:
    added(world)
    (world.repo / ".dvc/config.local").write_text("\n")  # which is made in any case


def _default_above(world: World) -> None:
    """What one level names is the default of another."""
    added(world)
    settings = world.repo / ".dvc/config"
    settings.write_text(settings.read_text().replace("    remote = there\n", ""))
    (world.repo / ".dvc/config.local").write_text("[core]\n    remote = there\n")


STAGE = "stage add -n three -d big.bin -o out/three.bin"
DECLARING = (
    Way("init", ("init", "--no-scm"), _no_project, leaves="repo/.dvc."),
    Way("config", ("config", "core.autostage", "false"), added),
    Way("config, our own", ("config", "pannier.jobs", "3"), added),
    Way("cache dir", ("cache", "dir", "--local", "../elsewhere"), added),
    Way("remote add", ("remote", "add", "-d", "more", "../elsewhere"), added),
    Way("remote modify", ("remote", "modify", "--local", "there", "jobs", "3"), added),
    Way("remote rename", ("remote", "rename", "there", "here"), _settings),
    Way("remote rename, two files", ("remote", "rename", "there", "here"), _default_above),
    Way("remote remove", ("remote", "remove", "there"), _settings),
    Way("remote remove, two files", ("remote", "remove", "there"), _default_above),
    Way("remote sync", ("remote", "sync", "there", "more"), _two_remotes, leaves="/tmp-pannier-"),
    Way("stage add", (*STAGE.split(), "cp big.bin out/three.bin"), _with_stages),
    Way("dataset add", ("dataset", "add", "--url", "other", "d"), _with_place),
    Way("dataset update", ("dataset", "update", "d"), _with_dataset),
    Way("plots modify", ("plots", "modify", "p.csv", "-y", "b"), _with_plot),
    Way("install", ("install",), _with_git),
)
WAYS = {way.name: way for way in (*BRINGING, *EDITING, *DECLARING)}


# -- what must hold ----

AFTER_POWER_LOSS = (" is litter", " holds bytes that are neither old nor new")


def unrecorded(found: Picture) -> list[str]:
    """What `dvc.lock` names and the cache does not have."""
    lock = found.things.get("repo/dvc.lock")
    if lock is None:
        return []
    stages = (yaml.safe_load(lock.data) or {}).get("stages", {})
    stored = found.objects()
    return [
        f"dvc.lock names {out['md5']}, which is nowhere"
        for stage in stages.values()
        for out in stage.get("outs", ())
        if out["md5"] not in stored
    ]


def wrong(trial: Trial, after: Picture, *, power_lost: bool = False) -> list[str]:
    """What a stop at any point must not leave.

    power_lost: then names of ours may lie about, and data that can be made again is not flushed.
    """
    way = trial.scene
    assert isinstance(way, Way)
    found = [] if way.ends else [*faults(trial.before, after, trial.golden), *unrecorded(after)]
    if power_lost:
        found = [line for line in found if not line.endswith(AFTER_POWER_LOSS)]
    if way.leaves:
        # Outside of projects there is no other place for it: it lies beside, and is swept.
        found = [line for line in found if way.leaves not in line]
    if way.takes:
        found = [line for line in found if not line.endswith("are lost")]
    if way.elsewhere:
        found = [line for line in found if "which is nowhere" not in line]
        there = after.objects(REMOTE_HOME)
        for path, data in after.pointers().items():
            found += [f"at the remote: {line}" for line in lacking(path, data, there)]
    if way.command[0] == "move" or way.name == "undo, of a move":
        found = [line for line in found if not _is_between(trial, after, line)]
    if not way.takes and way in EDITING:
        held = {after.content(path) for path in after.workspace} | after.kept()
        found += [f"{p} is nowhere" for p, d in trial.before.data().items() if d not in held]
    return found


def _is_between(trial: Trial, after: Picture, line: str) -> bool:
    """A moved file is ignored at both places until the old pointer is gone."""
    path = line.partition(" is neither old nor new")[0]
    if not path.endswith("/.gitignore"):
        return False
    then, now, later = (
        set(p.workspace[path].data.splitlines()) if path in p.workspace else set()
        for p in (trial.before, after, trial.golden)
    )
    return now == then | later


def all_settled(trial: Trial, found: Picture) -> dict[str, object]:
    way = trial.scene
    assert isinstance(way, Way)
    return {p: t for p, t in settled(found).items() if not way.leaves or way.leaves not in p}


def unkept(trial: Trial, after: Picture) -> list[str]:
    """What exit code 0 promised, and a power loss right after it took."""
    way = trial.scene
    assert isinstance(way, Way)
    found = []
    for home in (OBJECT_HOME, REMOTE_HOME):
        lost = trial.golden.objects(home).keys() - after.objects(home).keys()
        found += [f"{name} is not in {home}" for name in sorted(lost)]
    # Data can be made again from the cache, so it is not flushed; what is in no cache is.
    made = trial.golden.data().keys() if not way.leaves else set()
    young = made | trial.before.data().keys()
    for path, thing in trial.golden.workspace.items():
        flushed = thing.kind == "file" and path not in young
        if flushed and after.content(path) != thing.data:
            found.append(f"{path} is not what was written")
    gone = trial.before.pointers().keys() - trial.golden.pointers().keys()
    return found + [f"{path} is back" for path in gone if path in after.things]


def try_faults(trial: Trial, action: str, points: list[int]) -> Verdict:
    """Stops before, or fails, each of some changes; then the command is given again."""
    verdict = Verdict()
    golden = all_settled(trial, trial.golden)
    for number in points:
        done = trial.at(f"{action}@{number}")
        after = picture(trial.world)
        found = wrong(trial, after)
        if action == "kill" and done.rc != -9:
            found.append(f"was not killed: {done}")
        if "Traceback" in done.stderr or "unexpected error" in done.stderr:
            found.append(done.stderr)
        is_done = not differences(golden, all_settled(trial, after))
        if trial.scene.command == ("undo",) and is_done:
            continue  # once more, it would undo the undo
        again = trial.again()
        if again.rc != 0 and not is_done:
            found.append(f"the next run: {again}")
        now = picture(trial.world)
        found += [f"then {line}" for line in differences(golden, all_settled(trial, now))]
        if again.rc == 0:
            if trial.scene in DECLARING:  # settings need no lock; who takes it, sweeps
                trial.world.run("fetch", "-q")
                now = picture(trial.world)
            found += [f"then {path} is litter" for path in litter(now)]
        verdict.add(trial.story(number), found)
    return verdict
