"""The operation log and kills: what --force gave up is found again, and undo goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.crash import SCENES, Picture, Runs, Trial, Verdict, picture, prepare, sample

KINDS = ("copy", "hardlink", "symlink")


def unsaved(trial: Trial) -> set[bytes]:
    """The bytes of the user that are no object when the scene begins."""
    return set(trial.before.data().values()) - set(trial.before.objects().values())


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_killed_forced_checkout_gave_up_is_kept_also_when_it_is_given_again(
    kind: str, base: Path, runs: Runs
) -> None:
    trial = prepare(SCENES["checkout, forced"], base, runs, kind)
    verdict = Verdict()

    for number in sample(trial.log, 8, KINDS.index(kind)):
        trial.at(f"kill@{number}")
        trial.again()
        lost = unsaved(trial) - picture(trial.world).kept()
        verdict.add(trial.story(number), [f"{data!r} is lost" for data in lost])

    assert unsaved(trial)
    assert [] == verdict.found


def contents(seen: Picture) -> dict[str, bytes | None]:
    """The workspace's files by path, through links into the cache."""
    return {path: seen.content(path) for path, t in seen.workspace.items() if t.kind != "dir"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scene", ["checkout, forced", "add, changed", "commit"])
def test_a_killed_command_can_be_undone(scene: str, kind: str, base: Path, runs: Runs) -> None:
    trial = prepare(SCENES[scene], base, runs, kind)
    verdict = Verdict()

    for number in sample(trial.log, 6, KINDS.index(kind)):
        trial.at(f"kill@{number}")
        listed = trial.world.dvc("op", "log", "--json").json
        if not listed or listed[0]["ended"] != "interrupted":
            continue  # before its first change, or after its last
        done = trial.world.run("undo")
        found = [] if done.rc == 0 else [str(done)]
        now, before = contents(picture(trial.world)), contents(trial.before)
        found += [f"{path} did not come back" for path in before if now.get(path) != before[path]]
        found += [f"{path} stayed" for path in now.keys() - before.keys()]
        verdict.add(trial.story(number), found)
        verdict.tried += 1

    assert verdict.tried
    assert [] == verdict.found
