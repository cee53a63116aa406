"""Commands that edit what is tracked, where a repository wants to reach out of the project (D6)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile.commands import ON_TRACKED, Command
from tests.support.crash import World, everything, md5
from tests.support.hostile import EVIL, harm, outside, point_at, put_manifest, report

PIPELINE = "stages:\n  one:\n    cmd: x\n    outs:\n    - {path}:\n        cache: false\n"


def _list(*paths: str) -> Callable[[World], None]:
    return lambda world: point_at(world, put_manifest(world, *paths))


def _digest(digest: str) -> Callable[[World], None]:
    return lambda world: point_at(world, digest)


def _output(path: str, extra: str = "") -> Callable[[World], None]:
    return lambda world: point_at(world, md5(EVIL), path, extra)


def _pipeline(path: str) -> Callable[[World], None]:
    def make(world: World) -> None:
        (world.repo / "dvc.yaml").write_text(PIPELINE.format(path=path))

    return make


def _link(place: str, target: str, of: Callable[[World], None]) -> Callable[[World], None]:
    def make(world: World) -> None:
        of(world)
        link = world.repo / place
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(Path(target) if target.startswith("/") else world.base / target)

    return make


def _link_in_data(world: World) -> None:
    point_at(world, put_manifest(world, "sub/precious.txt", "fine.txt"))
    (world.repo / "data").mkdir()
    (world.repo / "data/fine.txt").write_bytes(EVIL)
    (world.repo / "data/sub").symlink_to(world.base / "canary/folder")


def _legacy_link(world: World) -> None:
    """An object of DVC 2 that is a link to what a user keeps elsewhere."""
    (world.repo / "x.dvc").write_text(f"outs:\n- md5: {'ab' * 16}\n  path: data\n")
    old = world.repo / ".dvc/cache/ab"
    old.mkdir(parents=True)
    (old / ("ab" * 15)).symlink_to(world.base / "canary/secret.txt")


def _pipe(world: World) -> None:
    point_at(world, md5(EVIL))
    os.mkfifo(world.repo / "data")


THINGS: dict[str, Callable[[World], None]] = {
    "a list that climbs out": _list("fine.txt", "../../canary/secret.txt"),
    "a list with Git's folder": _list("fine.txt", "../.git/config"),
    "a list that contradicts itself": _list("a", "a/b"),
    "a digest that is a path": _digest("../../../../../canary/secret.txt"),
    "an output outside": _output("../canary/secret.txt"),
    "an output of Git": _output(".git/config"),
    "an output of DVC": _output(".dvc/config"),
    "a working folder outside": _output("secret.txt", "wdir: ../canary\n"),
    "a stage's output outside": _pipeline("../canary/secret.txt"),
    "a stage's output of Git": _pipeline(".git/config"),
    "an output behind a link": _link("link", "canary", _output("link/secret.txt")),
    "a stage's output behind a link": _link("link", "canary", _pipeline("link/secret.txt")),
    "an output that is a link to a file": _link("data", "canary/secret.txt", _output("data")),
    "an output that is a link to a folder": _link("data", "canary", _list("secret.txt")),
    "a link in a folder of data": _link_in_data,
    "a link in the new place": _link("other", "canary/folder", _output("data")),
    "a pointer that is a link": _link("x.dvc", "canary/secret.txt", _output("data")),
    "a pipeline that is a device": _link("dvc.yaml", "/dev/zero", _output("data")),
    "a .gitignore that is a link": _link(".gitignore", "canary/secret.txt", _output("data")),
    "an old object that is a link": _legacy_link,
    "a pipe for data": _pipe,
}


@pytest.mark.parametrize("command", ON_TRACKED, ids=str)
def test_an_edit_reaches_nothing_outside(command: Command, world: World) -> None:
    """Each thing in a fresh copy of the project, also where the data lies beside the pointer."""
    world.write("code.py", b"the user's own\n")
    kept = world.base.with_name("kept")
    subprocess.run(["cp", "-a", world.base, kept], check=True)
    told = []
    for name, make in THINGS.items():
        shutil.rmtree(world.base)
        subprocess.run(["cp", "-a", kept, world.base], check=True)
        make(world)
        before = outside(world)
        found = harm(world, before, [command])
        if b"the user's own\n" != (world.repo / "code.py").read_bytes():
            found.append("a file of the user's own was changed")
        told += [f"{name}: {line}" for line in found]

    assert not told, report(told)


def test_destroy_leaves_what_a_link_in_its_own_folder_leads_to(world: World) -> None:
    for place in ("tmp/x", "cache/files/md5/ab", "plots"):
        link = world.repo / ".dvc" / place
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(world.base / "canary/folder")
    before = everything(world.base / "canary")

    done = world.run("destroy", "--force")

    assert done.rc == 0, str(done)
    assert before == everything(world.base / "canary")
    assert not (world.repo / ".dvc").exists()
