"""Commands that bring data from elsewhere, stopped before or failing at each change of a file.

After every stop: nothing is lost, nothing is half written; and the command given again ends where
it would have ended, unless it had done all already.
"""

from __future__ import annotations

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
    faults,
    litter,
    picture,
    prepare,
    sample,
    settled,
)
from tests.support.programs import git

KINDS = ("copy", "hardlink", "symlink")


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


SCENES = {
    scene.name: scene
    for scene in (
        Scene("get, a file", ("get", "-f", "../source", "big.bin"), _fresh),
        Scene("get, into a folder that is there", ("get", "-f", "../source", "data"), _in_the_way),
        Scene("get-url", ("get-url", "-f", "../source/data"), _fresh),
        Scene("import", ("import", "../source", "data"), _fresh),
        Scene("import, over the user's", ("import", "-f", "../source", "data"), _in_the_way),
        Scene(
            "import, over what is tracked", ("import", "-f", "../source", "data"), _tracked_before
        ),
        Scene("import-url", ("import-url", "../source/big.bin"), _fresh),
        Scene("import-url, to remote", ("import-url", "--to-remote", "../source/data"), _fresh),
        Scene("update", ("update", "data.dvc"), _old_import),
        Scene("update, of a URL", ("update", "data.dvc"), _old_import_by_url),
        Scene("pull, of an import", ("pull",), _lost),
    )
}
TAKES_DATA = ("get, into a folder that is there",)  # which is what --force is for


def wrong(trial: Trial, after: Picture) -> list[str]:
    """What a stop at any point must not leave."""
    found = faults(trial.before, after, trial.golden)
    # Outside of projects there is no other place for it: it lies beside, and is swept.
    found = [line for line in found if "/.pannier-get-" not in line]
    if trial.scene.name in TAKES_DATA:
        found = [line for line in found if not line.endswith("are lost")]
    if "--to-remote" in trial.scene.command:
        found = [line for line in found if "which is nowhere" not in line]
    return found


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
        is_done = not differences(_settled(trial.golden), _settled(after))
        again = trial.again()
        if again.rc != 0 and not is_done:
            found.append(f"the next run: {again}")
        now = picture(trial.world)
        found += [f"then {line}" for line in differences(_settled(trial.golden), _settled(now))]
        if again.rc == 0:
            found += [f"then {path} is litter" for path in litter(now)]
        verdict.add(trial.story(number), found)
    return verdict


def _settled(found: Picture) -> dict[str, object]:
    return {p: t for p, t in settled(found).items() if "/.pannier-get-" not in p}


@pytest.mark.parametrize("scene", SCENES)
def test_a_kill_loses_nothing_and_the_next_run_does_the_rest(
    scene: str, base: Path, runs: Runs
) -> None:
    kind = list(SCENES).index(scene) % len(KINDS)
    trial = prepare(SCENES[scene], base, runs, KINDS[kind])

    verdict = try_faults(trial, "kill", sample(trial.log, 6, kind))

    assert [] == verdict.found


@pytest.mark.parametrize("scene", SCENES)
def test_a_failing_call_loses_nothing_and_the_next_run_does_the_rest(
    scene: str, base: Path, runs: Runs
) -> None:
    trial = prepare(SCENES[scene], base, runs, "copy")

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
