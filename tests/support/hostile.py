"""A project as a stranger might have made it, and the canaries around it.

Beside every project stands a folder that is compared before and after, with a secret in it that
must not come in, and a name that only a program run by a trap would make.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tests.hostile.commands import ON_DATA, Command
from tests.support.crash import (
    REMOTE_HOME,
    Runs,
    Thing,
    World,
    everything,
    md5,
    new_world,
)
from tests.support.programs import Completed

SECRET = b"a secret outside of the project\n"
EVIL = b"[core]\n\tfsmonitor = touch ../canary/ran; true\n"
FAULTS = ("Traceback", "unexpected error", "object has no attribute", "NoneType")
"""Words that show a fault of ours in place of a sentence."""


def hostile_world(base: Path, runs: Runs, kind: str = "copy") -> World:
    """An empty project with an object of the attacker's, and a canary folder beside it."""
    made = new_world(base, runs, kind)
    canary = base / "canary"
    (canary / "folder").mkdir(parents=True)
    (canary / "secret.txt").write_bytes(SECRET)
    (canary / "folder/precious.txt").write_bytes(b"precious\n")
    put(made, EVIL)
    return made


def put(world: World, data: bytes, suffix: str = "") -> str:
    """An object of the attacker's, in cache and remote."""
    name = md5(data) + suffix
    for home in (world.store, world.base / REMOTE_HOME):
        path = home / name[:2] / name[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return name


def put_manifest(world: World, *paths: str) -> str:
    rows = [{"md5": md5(EVIL), "relpath": path} for path in paths]
    return put(world, json.dumps(rows).encode(), ".dir")


def point_at(world: World, digest: str, path: str = "data", extra: str = "") -> None:
    (world.repo / "x.dvc").write_text(
        f"outs:\n- md5: {digest}\n  hash: md5\n  path: {path}\n{extra}"
    )


def outside(world: World) -> dict[str, Thing]:
    """All that no command on data may change."""
    return {
        path: thing
        for folder in ("canary", "repo/.git")
        for path, thing in everything(world.base / folder, folder + "/").items()
        if not path.startswith("repo/.git/info")
    }


def faults_in(done: Completed) -> list[str]:
    """What shows a fault of ours in an output: a command that fails says why, in a sentence."""
    found = [word for word in FAULTS if word in done.stderr]
    if done.rc < 0:
        found.append(f"exit code {done.rc}")
    if done.rc and not done.stderr.strip() and not done.stdout.strip():
        found.append("fails without a word")
    return [f"{done}: {word}" for word in found]


def harm(
    world: World, before: dict[str, Thing], commands: Iterable[Command] = ON_DATA
) -> list[str]:
    """Runs commands; tells what changed outside, what leaked in, who crashed."""
    told = [line for command in commands for line in faults_in(world.run(*command.words))]
    after = outside(world)
    told += [
        f"{path}: {before.get(path, 'absent')} is now {after.get(path, 'absent')}"
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]
    told += [
        f"{path} holds the secret"
        for path, thing in everything(world.repo, "repo/").items()
        if thing.kind == "file" and SECRET in thing.data
    ]
    return told


def report(told: list[str], most: int = 6) -> str:
    """A short text for a failed test: pytest's own comparison of long lists takes minutes."""
    more = [f"... and {len(told) - most} more"] if len(told) > most else []
    return "\n".join([line[:2000] for line in told[:most]] + more)
