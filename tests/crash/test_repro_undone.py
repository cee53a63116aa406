"""undo of a `repro` that was killed: what it and its commands made goes, nothing newer does."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.crash.test_repro import KINDS, SCENES
from tests.crash.test_repro_together import SLOW, Much, Slow
from tests.support.crash import Picture, Runs, Trial, Verdict, picture, prepare, sample
from tests.support.project import Project
from tests.unit.test_proc import PATIENCE_S, is_alive, until

OPS = ".dvc/tmp/pannier/ops"


def contents(seen: Picture) -> dict[str, bytes | None]:
    """The workspace's files by path, through links into the cache."""
    return {path: seen.content(path) for path, t in seen.workspace.items() if t.kind != "dir"}


def witnesses(root: Path) -> list[int]:
    """Processes that wait for the end of a run's commands."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{root}/{OPS}/".encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def undone(trial: Trial, number: int) -> list[str] | None:
    """What was wrong after a kill and an undo; None where there was nothing to undo."""
    trial.at(f"kill@{number}")
    listed = trial.world.dvc("op", "log", "--json").json
    if not listed or listed[0]["ended"] != "interrupted":
        return None  # before its first change, or after its last
    until(lambda: not witnesses(trial.world.repo))
    done = trial.world.run("undo")
    found = [] if done.rc == 0 else [str(done)]
    now, before = contents(picture(trial.world)), contents(trial.before)
    found += [f"{path} did not come back" for path in before if now.get(path) != before[path]]
    return found + [f"{path} stayed" for path in now.keys() - before.keys()]


REPROS = [name for name, scene in SCENES.items() if scene.command[0] == "repro"]


@pytest.mark.parametrize("scene", REPROS)
def test_a_killed_repro_can_be_undone(scene: str, base: Path, runs: Runs) -> None:
    trial = prepare(SCENES[scene], base, runs, KINDS[REPROS.index(scene) % 3])
    verdict = Verdict()

    for number in sample(trial.log, 8, 1):
        found = undone(trial, number)
        verdict.add(trial.story(number), found or [])
        verdict.tried += found is not None

    assert verdict.tried
    assert [] == verdict.found


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scene", REPROS)
def test_a_repro_that_was_killed_anywhere_can_be_undone(
    scene: str, kind: str, base: Path, runs: Runs
) -> None:
    trial = prepare(SCENES[scene], base, runs, kind)
    verdict = Verdict()

    for number in range(1, trial.points + 1):
        verdict.add(trial.story(number), undone(trial, number) or [])

    assert [] == verdict.found


def killed_half_way(trial: Trial) -> bool:
    """Kills the command, after a folder made room if one does; False with nothing to undo."""
    room = [
        n for n, step in enumerate(trial.log, 1) if step[0] == "rename" and ".kept/" in step[-1]
    ]
    trial.at(f"kill@{max([trial.points // 2, *(at + 4 for at in room)])}")
    until(lambda: not witnesses(trial.world.repo))
    listed = trial.world.dvc("op", "log", "--json").json
    return bool(listed) and listed[0]["ended"] == "interrupted"


def undone_twice(trial: Trial, number: int) -> list[str]:
    """What was wrong after an undo that was killed and a second one."""
    assert killed_half_way(trial)
    trial.world.run("undo", fault=f"kill@{number}")
    newest = trial.world.dvc("op", "log", "--json").json[0]
    done = None
    if newest["command"] == ["repro"] or newest["ended"] == "interrupted":
        done = trial.world.run("undo")
    found = [] if done is None or done.rc == 0 else [str(done)]
    now, before = contents(picture(trial.world)), contents(trial.before)
    return found + [p for p in now.keys() | before.keys() if now.get(p) != before.get(p)]


def undone_anyhow(trial: Trial, base: Path, count: int | None) -> list[str]:
    """What was wrong after kills of an undo at so many of its changes; at all of them when None."""
    verdict = Verdict()
    is_begun = killed_half_way(trial)
    assert is_begun or count is None
    if is_begun:
        log = base / "undo-log"
        trial.world.run("undo", log=str(log))
        undo = [line.split("\t") for line in log.read_text("utf-8", "replace").splitlines()]
        for number in range(1, len(undo) + 1) if count is None else sample(undo, count, 1):
            verdict.add(f"undo, change {number}: {undo[number - 1]}", undone_twice(trial, number))
    return verdict.found


@pytest.mark.parametrize("scene", ["repro, all new", "repro, beside data"])
def test_an_undo_of_a_killed_repro_that_is_killed_too_goes_on(
    scene: str, base: Path, runs: Runs
) -> None:
    trial = prepare(SCENES[scene], base, runs, "copy")

    assert [] == undone_anyhow(trial, base, 5)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scene", REPROS)
def test_an_undo_of_a_killed_repro_that_is_killed_anywhere_goes_on(
    scene: str, kind: str, base: Path, runs: Runs
) -> None:
    assert [] == undone_anyhow(prepare(SCENES[scene], base, runs, kind), base, None)


class Killed:
    """A project whose `repro` was killed while the command of its second stage runs."""

    def __init__(self, slow: Slow, *args: str) -> None:
        self.slow, self.root, self.project = slow, slow.root, slow.project
        self.project.write("dvc.yaml", SLOW.replace("read line", "echo half > slow; read line"))
        self.project.write("slow", "only here\n")
        self.process = slow.start("repro", *args)
        until(lambda: self.root.joinpath("slow").exists())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def end_command(self) -> None:
        """The command makes the rest of its output, and ends."""
        self.slow.let_go()
        os.kill(self.slow.pids[1], signal.SIGKILL)
        until(lambda: not any(map(is_alive, self.slow.pids)))

    def data(self) -> dict[str, str]:
        names = ("first", "slow", "last", "dvc.lock")
        return {
            name: (self.root / name).read_text() for name in names if (self.root / name).exists()
        }


@pytest.fixture
def slow(project: Project) -> Iterator[Slow]:
    with closing(Slow(project)) as found:
        yield found


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_undo_takes_what_the_command_of_a_killed_repro_made_and_brings_it_again(
    jobs: str, slow: Slow
) -> None:
    killed = Killed(slow, "-j", jobs)
    killed.kill()
    killed.end_command()
    until(lambda: not witnesses(killed.root))
    made = killed.data()
    assert {"first": "1\n", "slow": "made\n"}.items() <= made.items()

    killed.project.dvc("undo")
    undone = killed.data()
    killed.project.dvc("undo")

    assert {"slow": "only here\n"} == undone
    assert made == killed.data()


def test_undo_of_a_killed_repro_waits_for_its_command(slow: Slow) -> None:
    killed = Killed(slow)
    killed.kill()
    before = killed.data()

    said = killed.project.dvc("undo", check=False)

    assert 1 == said.rc
    assert "(repro): it is still running: the command of 'slow', whose command" in said.stderr
    assert "Hint: wait for it, or end it, and repeat the command" in said.stderr
    assert before == killed.data()


def test_a_repro_that_runs_is_not_undone(slow: Slow) -> None:
    killed = Killed(slow)

    said = killed.project.dvc("undo", check=False)

    assert 1 == said.rc
    assert f"'slow', which process {killed.process.pid} runs" in said.stderr
    assert "half\n" == killed.data()["slow"]


def test_undo_of_a_killed_repro_leaves_what_was_edited_since(slow: Slow) -> None:
    killed = Killed(slow)
    killed.kill()
    killed.end_command()
    until(lambda: not witnesses(killed.root))
    killed.project.write("slow", "edited since\n")
    before = killed.data()

    said = killed.project.dvc("undo", check=False)

    assert 1 == said.rc
    assert "(repro): since then 'slow' changed" in said.stderr
    assert before == killed.data()


def moved_to_its_place(root: Path) -> None:
    shutil.rmtree(root / "slow")
    (root / "mine").rename(root / "slow")


def moved_to_its_place_and_added_to(root: Path) -> None:
    moved_to_its_place(root)
    (root / "slow/more").write_text("mine\n")


def moved_into_it(root: Path) -> None:
    (root / "mine").rename(root / "slow/below/mine")


def linked_into_it(root: Path) -> None:
    (root / "slow/below/link").symlink_to(root / "mine/deep/old")


@pytest.mark.parametrize(
    "came", [moved_to_its_place, moved_to_its_place_and_added_to, moved_into_it, linked_into_it]
)
def test_undo_of_a_killed_repro_leaves_older_files_that_came_to_its_output_since(
    came: Callable[[Path], None], slow: Slow
) -> None:
    root, project = slow.root, slow.project
    make = "mkdir -p slow/below; echo half > slow/below/half; read line"
    project.write("dvc.yaml", SLOW.replace("read line", make).replace("> slow\n", "> slow/made\n"))
    project.write("mine/deep/old", "mine\n")
    process = slow.start("repro")
    until(lambda: (root / "slow/below/half").exists())
    process.kill()
    process.wait(PATIENCE_S)
    slow.let_go()
    os.kill(slow.pids[1], signal.SIGKILL)
    until(lambda: not witnesses(root))
    (ended,) = (root / OPS).glob("*.ended")
    until(lambda: now_ns(root) > ended.stat().st_ctime_ns)
    came(root)
    before = mine(root)

    project.dvc("undo", check=False)

    assert before
    assert before == mine(root)


def now_ns(root: Path) -> int:
    """By the clock of the file system."""
    (root / "clock").touch()
    return (root / "clock").stat().st_ctime_ns


def mine(root: Path) -> list[Path]:
    files = [path for path in root.glob("slow/**/*") if path.is_file()]
    return sorted(path for path in files if path.read_text() == "mine\n")


def test_undo_says_that_nobody_saw_who_wrote_it_and_goes_on_when_that_is_gone(slow: Slow) -> None:
    """As after a power loss: the witness is gone, too."""
    killed = Killed(slow)
    (witness,) = witnesses(killed.root)
    os.kill(witness, signal.SIGKILL)
    killed.kill()
    killed.end_command()
    before = killed.data()

    said = killed.project.dvc("undo", check=False)

    assert 1 == said.rc
    assert "(repro): it was killed, and nobody saw who wrote 'slow': it, or som" in said.stderr
    assert "Hint: move that away and repeat the command" in said.stderr
    assert before == killed.data()
    (killed.root / "slow").rename(killed.root / "aside")
    killed.project.dvc("undo")
    assert {"slow": "only here\n"} == killed.data()


def test_a_repro_that_ends_in_order_leaves_no_witness(slow: Slow) -> None:
    killed = Killed(slow)
    assert 1 == len(witnesses(killed.root))

    killed.process.send_signal(signal.SIGTERM)
    killed.process.wait(PATIENCE_S)

    assert [] == witnesses(killed.root)
    assert [] == list((killed.root / OPS).glob("*.ended"))


def test_a_run_that_changed_nothing_leaves_no_entry(project: Project) -> None:
    project.write("dvc.yaml", "stages:\n  s:\n    cmd: exit 1\n    outs: [o: {cache: false}]\n")

    said = project.dvc("repro", check=False)

    assert 255 == said.rc
    assert [] == project.dvc("op", "log", "--json").json


def test_two_failed_runs_are_undone_one_after_the_other_also_of_large_outputs(
    project: Project,
) -> None:
    much = Much(project)
    much.fail()
    first = much.data()
    much.fail()

    project.dvc("undo")
    undone = much.data()
    project.dvc("undo", "1")

    assert first == undone
    assert {"d/old": 10} == much.data()
