"""What a command sweeps up at its start: the scratch of the dead, never of those at work."""

from __future__ import annotations

import os
from pathlib import Path

from pannier.project.workspace import scratch_folder, sweep
from tests.support.opened import open_new

DEAD = 2**22 + 1  # no pid of Linux is so big


def test_scratch_of_a_process_at_work_stays_and_of_a_dead_one_goes(tmp_path: Path) -> None:
    project = open_new(tmp_path)
    dead = Path(project.scratch, f"wt-{DEAD}-abcdef01")
    dead.mkdir(parents=True)
    with scratch_folder(project, "x") as mine:
        theirs = Path(mine).with_name(f"wt-{os.getppid()}-abcdef01")
        theirs.mkdir()
        sweep(project)

        assert not dead.exists()
        assert theirs.exists()


def test_scratch_of_a_process_in_another_container_stays(tmp_path: Path) -> None:
    """It has another number there than it has here, but it holds its folder."""
    project = open_new(tmp_path)
    with scratch_folder(project, "x") as mine:
        theirs = Path(mine).with_name(f"wt-{DEAD}-abcdef02")
        os.rename(mine, theirs)
        sweep(project)

        assert theirs.exists()

    sweep(project)
    assert not theirs.exists()
