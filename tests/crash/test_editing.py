"""What commands that edit what is tracked must leave at every instant, beyond test_ways.py."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.crash import (
    FIRST,
    Runs,
    added,
    everything,
    new_world,
    picture,
    prepare,
    sample,
)
from tests.support.crash_scenes import KINDS, WAYS
from tests.support.programs import our_program
from tests.support.terminal import agreed_on_terminal


def test_an_interrupted_unprotect_leaves_every_name(base: Path, runs: Runs) -> None:
    """DVC's removes the link before the copy has its name (W10)."""
    trial = prepare(WAYS["unprotect"], base, runs, "hardlink")
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
