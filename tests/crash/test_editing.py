"""Commands that edit what is tracked, stopped before or failing at each change of a file.

After every stop: nothing is lost, nothing is half written; and the command given again ends where
it would have ended, unless it had done all already.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.crash import (
    FIRST,
    Picture,
    Runs,
    Scene,
    Trial,
    Verdict,
    World,
    added,
    differences,
    everything,
    faults,
    litter,
    new_world,
    picture,
    prepare,
    sample,
    settled,
)
from tests.support.programs import our_program
from tests.support.terminal import agreed_on_terminal

KINDS = ("copy", "hardlink", "symlink")
PIPELINE = (
    b"# why\nstages:\n  one:\n    cmd: echo\n    outs:\n    - data\n  two:\n    cmd: echo\n"
    b"    outs:\n    - big.bin\n"
)


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


DRIVER = ("git-hook", "merge-driver", "--ancestor", "anc", "--our", "our", "--their", "their")
SCENES = {
    scene.name: scene
    for scene in (
        Scene("remove", ("remove", "big.bin.dvc", "data.dvc"), added),
        Scene("remove, data too", ("remove", "--outs", "big.bin.dvc", "data.dvc"), added),
        Scene("remove, a stage", ("remove", "--outs", "one"), _with_stages),
        Scene("remove, all stages", ("remove", "dvc.yaml"), _with_stages),
        Scene("move, a file", ("move", "big.bin", "data.bin"), added),
        Scene("move, a folder", ("move", "data", "other"), _with_place),
        Scene("move, a folder renamed", ("move", "data", "dates"), added),
        Scene("unprotect", ("unprotect", "big.bin", "data"), added),
        Scene("freeze", ("freeze", "data.dvc"), added),
        Scene("freeze, a stage", ("freeze", "two"), _with_stages),
        Scene("destroy", ("destroy", "-f"), added),
        Scene("cache migrate", ("cache", "migrate", "--dvc-files"), _old_objects),
        Scene("merge", DRIVER, _two_branches),
    )
}
TAKES_DATA = ("remove, data too", "remove, a stage")


def wrong(trial: Trial, after: Picture) -> list[str]:
    """What a stop at any point must not leave."""
    if trial.scene.name == "destroy":
        found = []
    else:
        found = faults(trial.before, after, trial.golden)
    if trial.scene.name.startswith("move"):
        found = [line for line in found if not _is_between(trial, after, line)]
    if trial.scene.name not in TAKES_DATA:
        there = {after.content(path) for path in after.workspace}
        found += [f"{p} is nowhere" for p, d in trial.before.data().items() if d not in there]
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


def try_faults(trial: Trial, action: str, points: list[int]) -> Verdict:
    verdict = Verdict()
    for number in points:
        done = trial.at(f"{action}@{number}")
        after = picture(trial.world)
        found = wrong(trial, after)
        if action == "kill" and done.rc != -9:
            found.append(f"was not killed: {done}")
        if "Traceback" in done.stderr or "unexpected error" in done.stderr:
            found.append(done.stderr)
        is_done = not differences(settled(trial.golden), settled(after))
        again = trial.again()
        if again.rc != 0 and not is_done:
            found.append(f"the next run: {again}")
        now = picture(trial.world)
        found += [f"then {line}" for line in differences(settled(trial.golden), settled(now))]
        if again.rc == 0:
            found += [f"then {path} is litter" for path in litter(now)]
        verdict.add(trial.story(number), found)
    return verdict


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scene", SCENES)
def test_a_kill_loses_nothing_and_the_next_run_does_the_rest(
    scene: str, kind: str, base: Path, runs: Runs
) -> None:
    trial = prepare(SCENES[scene], base, runs, kind)

    verdict = try_faults(trial, "kill", sample(trial.log, 4, KINDS.index(kind)))

    assert [] == verdict.found


@pytest.mark.parametrize("scene", SCENES)
def test_a_failing_call_loses_nothing_and_the_next_run_does_the_rest(
    scene: str, base: Path, runs: Runs
) -> None:
    trial = prepare(SCENES[scene], base, runs, "hardlink")

    verdict = try_faults(trial, "error", sample(trial.log, 4, 1))

    assert [] == verdict.found


@pytest.mark.long
@pytest.mark.parametrize("action", ["kill", "error"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scene", SCENES)
def test_a_stop_at_any_point_loses_nothing(
    scene: str, kind: str, action: str, base: Path, runs: Runs
) -> None:
    trial = prepare(SCENES[scene], base, runs, kind)

    verdict = try_faults(trial, action, list(range(1, trial.points + 1)))

    assert [] == verdict.found


def test_an_interrupted_unprotect_leaves_every_name(base: Path, runs: Runs) -> None:
    """DVC's removes the link before the copy has its name (W10)."""
    trial = prepare(SCENES["unprotect"], base, runs, "hardlink")
    missing = []
    for number in range(1, trial.points + 1, 3):
        trial.at(f"kill@{number}")
        missing += [(number, name) for name in FIRST if not (trial.world.repo / name).exists()]

    assert [] == missing


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", ["data", "big.bin"])
def test_unsaved_data_that_may_go_has_a_name_in_the_log_before_it_loses_its_own(
    target: str, kind: str, base: Path, runs: Runs
) -> None:
    """Promise 28, for `remove --outs` after a yes: killed anywhere, `undo` brings it all back."""
    world = new_world(base / "world", runs, kind)
    added(world)
    world.dvc("unprotect", target)
    path = world.repo / target
    edited = path / "a.txt" if path.is_dir() else path
    edited.write_bytes(b"never saved")
    before = picture(world).data()
    kept = world.base.with_name("kept")
    subprocess.run(["cp", "-a", world.base, kept], check=True)

    def removed(switch: str, value: str) -> int:
        shutil.rmtree(world.base)
        subprocess.run(["cp", "-a", kept, world.base], check=True)
        env = {"XDG_CACHE_HOME": str(world.base / "xdg"), switch: value}
        words = [our_program().path, "remove", "--outs", f"{target}.dvc"]
        return agreed_on_terminal(words, cwd=world.repo, env=env)

    log = base / "log"
    assert removed("PANNIER_OPLOG", str(log)) == 0
    assert not path.exists()
    steps = [line.split("\t") for line in log.read_text().splitlines()]
    told = []
    for number in sample(steps, 7, len(kind)):
        rc = removed("PANNIER_FAULT", f"kill@{number}")
        held = {thing.data for thing in everything(world.repo).values() if thing.kind == "file"}
        undone = world.run("undo")
        if not {*before.values()} <= held:
            told.append(f"{number}: something is nowhere after the kill, {rc}")
        if before != picture(world).data():
            told.append(f"{number}: {steps[number - 1]}: {rc}\n{undone}")

    assert [] == told
