"""Two and four processes at once, in one project and on one shared cache, as one user and as two.

Rows 17 and 18. In one project the processes wait for the lock, which the test holds until all are
there; on one cache every process is stopped before a chosen change, and all go on together.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.crash import Runs, World, config, new_world
from tests.support.programs import Completed
from tests.support.second_user import ANNA, BERT, GROUP, User, environment, give, why_not
from tests.support.together import ACTS, Act, Check, Desk, Job, make_ready, write

PAIRS = list(itertools.combinations_with_replacement(ACTS.values(), 2))
SOME = [PAIRS[n] for n in range(1, len(PAIRS), 7)]
FOUR = [
    tuple(ACTS[name] for name in names)
    for names in (
        ("add", "commit", "push", "pull"),
        ("add", "add", "fetch", "checkout"),
        ("pull", "pull", "status", "add, changed"),
    )
]
KINDS = ("copy", "hardlink", "symlink")
SHARED_UMASK = 0o002


@pytest.fixture(scope="session")
def crew(runs: Runs) -> Iterator[list[Runs]]:
    """Four processes that run the program as one user."""
    more = [Runs() for _ in range(3)]
    yield [runs, *more]
    for one in more:
        one.close()


@pytest.fixture(scope="session")
def users() -> Iterator[list[tuple[User, Runs]]]:
    """Two users of one group, with two processes each."""
    if reason := why_not():
        pytest.skip(reason)
    started = [(user, Runs(user.command)) for user in (ANNA, BERT, ANNA, BERT)]
    yield started
    for _, one in started:
        one.close()


def names(acts: Sequence[Act]) -> str:
    return " | ".join(act.name for act in acts)


def all_right(jobs: Sequence[Job], ended: Sequence[Completed], cache: Path | None) -> list[str]:
    """What is wrong after the jobs, each of which must have succeeded."""
    found = [str(done) for done in ended if done.rc != 0]
    checks: dict[Path, Check] = {}
    for job, done in zip(jobs, ended, strict=True):
        world = job.desk.world
        check = checks.get(world.base)
        if check is None:
            check = checks[world.base] = Check(world, cache or world.repo / ".dvc/cache")
        check.job(job, done.rc)
    return found + [line for check in checks.values() for line in check.found]


# -- in one project ----


def in_one_project(desks: Sequence[Desk], acts: Sequence[Act]) -> list[str]:
    jobs = [
        Job(act, f"target{n}", desk) for n, (act, desk) in enumerate(zip(acts, desks, strict=False))
    ]
    world = desks[0].world
    make_ready(jobs, [world.repo / ".dvc/cache"])
    write(desks[0], "first", {"x": b"x"})
    desks[0].dvc("add", "-q", "first")  # whoever takes the lock first makes its file
    with open(world.repo / ".dvc/tmp/lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        started = [job.desk.start("--wait-for-lock", *job.words) for job in jobs]
    ended = [one.finish() for one in started]
    return all_right(jobs, ended, None)


def project_for_all(base: Path, kind: str, crew: Sequence[Runs]) -> list[Desk]:
    world = new_world(base / "world", crew[0], kind)
    return [Desk(world, one, {"XDG_CACHE_HOME": str(base / "xdg")}) for one in crew]


def project_of_two_users(base: Path, users: Sequence[tuple[User, Runs]]) -> list[Desk]:
    base.chmod(0o755)
    world = new_world(base / "world", users[0][1], "copy")
    text = config("copy").replace("[cache]\n", "[cache]\n    shared = group\n")
    (world.repo / ".dvc/config").write_text(text)
    give(world.base, ANNA, 0o2775)
    return [
        Desk(world, one, environment(base / f"home-{user.number}", user), SHARED_UMASK)
        for user, one in users
    ]


@pytest.mark.parametrize("acts", [*SOME, *FOUR], ids=names)
def test_processes_in_one_project_all_do_their_work(
    acts: Sequence[Act], base: Path, crew: list[Runs]
) -> None:
    found = in_one_project(project_for_all(base, "copy", crew), acts)

    assert [] == found


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("acts", PAIRS, ids=names)
def test_any_two_processes_in_one_project_do_their_work(
    acts: Sequence[Act], kind: str, base: Path, crew: list[Runs]
) -> None:
    found = in_one_project(project_for_all(base, kind, crew), acts)

    assert [] == found


@pytest.mark.root
@pytest.mark.parametrize("acts", [SOME[0], SOME[-1], *FOUR], ids=names)
def test_two_users_in_one_project_do_their_work(
    acts: Sequence[Act], base: Path, users: list[tuple[User, Runs]]
) -> None:
    found = in_one_project(project_of_two_users(base, users), acts)

    assert [] == found


@pytest.mark.long
@pytest.mark.root
@pytest.mark.parametrize("acts", [(a, b) for a in ACTS.values() for b in ACTS.values()], ids=names)
def test_any_two_users_in_one_project_do_their_work(
    acts: Sequence[Act], base: Path, users: list[tuple[User, Runs]]
) -> None:
    found = in_one_project(project_of_two_users(base, users), acts)

    assert [] == found


# -- on one cache ----


def on_one_cache(
    make: Callable[[Path], list[Desk]], acts: Sequence[Act], base: Path, moments: int, seed: str
) -> list[str]:
    """Tries the acts several times; each time all of them meet before another change."""
    chance = random.Random(seed)
    counts: list[int] = []
    found: list[str] = []
    base.chmod(0o755)
    for number in range(moments + 1):
        place = base / f"try{number}"
        place.mkdir()
        place.chmod(0o755)
        desks = make(place)
        cache = place / "shared"
        jobs = [
            Job(act, f"target{n}", desk)
            for n, (act, desk) in enumerate(zip(acts, desks, strict=False))
        ]
        make_ready(jobs, [cache])
        if not counts:
            # The first time one after the other, to count the changes.
            logs = [place / f"log{n}" for n in range(len(jobs))]
            for log in logs:
                log.touch()
                log.chmod(0o666)
            ended = [
                job.desk.start(*job.words, log=str(log)).finish()
                for job, log in zip(jobs, logs, strict=True)
            ]
            counts = [max(1, len(log.read_bytes().splitlines())) for log in logs]
        else:
            share = chance.random()
            started = [
                job.desk.start(*job.words, fault=f"stop@{1 + int(share * count)}")
                for job, count in zip(jobs, counts, strict=True)
            ]
            for one in [one for one in started if one.is_stopped()]:
                one.go_on()
            ended = [one.finish() for one in started]
        what = all_right(jobs, ended, cache)
        if what:
            found.append("\n    ".join([f"{names(acts)}, try {number}:", *what[:8]]))
    return found


def projects(kind: str, crew: Sequence[Runs]) -> Callable[[Path], list[Desk]]:
    """A project for each process, one cache and one remote for all."""

    def make(place: Path) -> list[Desk]:
        (place / "shared").mkdir()
        return [
            Desk(
                _on_shared_cache(place, f"w{n}", one, kind),
                one,
                {"XDG_CACHE_HOME": f"{place}/x{n}"},
            )
            for n, one in enumerate(crew)
        ]

    return make


def _on_shared_cache(place: Path, name: str, runs: Runs, kind: str, more: str = "") -> World:
    world = new_world(place / name, runs, kind)
    text = config(kind).replace("[cache]\n", f"[cache]\n    dir = {place}/shared\n{more}")
    (world.repo / ".dvc/config").write_text(text)
    return world


def projects_of_users(
    kind: str, users: Sequence[tuple[User, Runs]]
) -> Callable[[Path], list[Desk]]:
    """A project and a remote for each process, one `cache.shared = group` for all."""

    def make(place: Path) -> list[Desk]:
        shared = place / "shared"
        shared.mkdir()
        os.chown(shared, 0, GROUP)
        shared.chmod(0o2775)
        desks = []
        for n, (user, one) in enumerate(users):
            world = _on_shared_cache(place, f"w{n}", one, kind, "    shared = group\n")
            give(world.base, user)
            desks.append(Desk(world, one, environment(place / f"home{n}", user), 0o022))
        return desks

    return make


@pytest.mark.parametrize("acts", [*SOME, *FOUR], ids=names)
def test_projects_on_one_cache_do_not_harm_each_other(
    acts: Sequence[Act], base: Path, crew: list[Runs]
) -> None:
    kind = KINDS[len(names(acts)) % 3]

    found = on_one_cache(projects(kind, crew[: len(acts)]), acts, base, 2, names(acts))

    assert [] == found


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("acts", [*PAIRS, *FOUR], ids=names)
def test_any_projects_on_one_cache_do_not_harm_each_other(
    acts: Sequence[Act], kind: str, base: Path, crew: list[Runs]
) -> None:
    found = on_one_cache(projects(kind, crew[: len(acts)]), acts, base, 8, names(acts) + kind)

    assert [] == found


@pytest.mark.root
@pytest.mark.parametrize("acts", [SOME[0], SOME[-1], *FOUR], ids=names)
def test_two_users_on_one_cache_do_not_harm_each_other(
    acts: Sequence[Act], base: Path, users: list[tuple[User, Runs]]
) -> None:
    found = on_one_cache(projects_of_users("copy", users[: len(acts)]), acts, base, 2, names(acts))

    assert [] == found


@pytest.mark.long
@pytest.mark.root
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("acts", [(a, b) for a in ACTS.values() for b in ACTS.values()], ids=names)
def test_any_two_users_on_one_cache_do_not_harm_each_other(
    acts: Sequence[Act], kind: str, base: Path, users: list[tuple[User, Runs]]
) -> None:
    found = on_one_cache(projects_of_users(kind, users[:2]), acts, base, 6, names(acts) + kind)

    assert [] == found
