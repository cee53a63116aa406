"""All other commands that change files, stopped before or failing at each change of a file.

After every stop: nothing is lost, nothing is half written; and the command given again ends where
it would have ended, unless it had done all already.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pannier.cli.table import COMMANDS, LOCK, LOGGED
from tests.crash import test_gc, test_repro
from tests.support.crash import SCENES, Runs, World, picture, prepare, sample
from tests.support.crash_scenes import KINDS, WAYS, try_faults

NAMES = list(WAYS)


@pytest.mark.parametrize("way", WAYS)
def test_a_kill_loses_nothing_and_the_next_run_does_the_rest(
    way: str, base: Path, runs: Runs
) -> None:
    kind = NAMES.index(way) % len(KINDS)
    trial = prepare(WAYS[way], base, runs, KINDS[kind])

    verdict = try_faults(trial, "kill", sample(trial.log, 6, kind))

    assert [] == verdict.found


@pytest.mark.parametrize("way", WAYS)
def test_a_failing_call_loses_nothing_and_the_next_run_does_the_rest(
    way: str, base: Path, runs: Runs
) -> None:
    kind = (NAMES.index(way) + 1) % len(KINDS)
    trial = prepare(WAYS[way], base, runs, KINDS[kind])

    verdict = try_faults(trial, "error", sample(trial.log, 4, 1))

    assert [] == verdict.found


@pytest.mark.long
@pytest.mark.parametrize("action", ["kill", "error"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_a_stop_at_any_point_loses_nothing(
    way: str, kind: str, action: str, base: Path, runs: Runs
) -> None:
    trial = prepare(WAYS[way], base, runs, kind)

    verdict = try_faults(trial, action, list(range(1, trial.points + 1)))

    assert [] == verdict.found


def _cut(world: World) -> None:
    (world.repo / "data/a.txt").write_bytes(b"")


def _more_there(world: World) -> None:
    (world.repo / "data/mine.txt").write_bytes(b"the user's own")


def _other_source(world: World) -> None:
    source = world.base / "source/data/a.txt"
    source.write_bytes(bytes(source.stat().st_size))


def _less_source(world: World) -> None:
    (world.base / "source/data/a.txt").unlink()


@pytest.mark.parametrize("happens", [_cut, _more_there, _other_source, _less_source])
def test_what_a_killed_add_brought_is_not_believed(
    happens: Callable[[World], None], base: Path, runs: Runs
) -> None:
    trial = prepare(WAYS["add, a folder from elsewhere"], base, runs, "copy")
    (place,) = (
        number
        for number, line in enumerate(trial.log, 1)
        if line[0] == "publish" and line[2].endswith("/repo/data")
    )
    trial.at(f"kill@{place + 1}")
    happens(trial.world)
    then = picture(trial.world).data()

    again = trial.again()
    now = picture(trial.world)
    forced = trial.world.run(*trial.scene.command, "--force")

    assert again.rc != 0
    assert "already exists locally" in again.stderr
    assert then == now.data()
    assert {} == now.pointers()
    assert forced.rc == 0, str(forced)


def test_every_command_that_changes_files_is_stopped_somewhere() -> None:
    changing = {name for name, command in COMMANDS.items() if command.needs & (LOCK | LOGGED)}
    tables = (SCENES, WAYS, test_gc.SCENES, test_repro.SCENES)
    tried = {scene.command[0] for scenes in tables for scene in scenes.values()}

    assert set() == (changing | {"get", "get-url", "init"}) - tried
