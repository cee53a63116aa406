"""Two users of one machine (rows 19, 26, S7): one shared cache, one project; and a hostile one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.crash import (
    FIRST,
    Picture,
    Runs,
    World,
    config,
    everything,
    md5,
    new_world,
    picture,
    sample,
    write_first,
    wrong_objects,
)
from tests.support.programs import Completed
from tests.support.second_user import ANNA, BERT, GROUP, User, environment, give, why_not
from tests.support.together import Desk

pytestmark = pytest.mark.root
SECRET = b"the private key of anna\n"


@pytest.fixture(scope="session")
def anna_runs() -> Iterator[Runs]:
    yield from _runs_of(ANNA)


@pytest.fixture(scope="session")
def bert_runs() -> Iterator[Runs]:
    yield from _runs_of(BERT)


def _runs_of(user: User) -> Iterator[Runs]:
    if reason := why_not():
        pytest.skip(reason)
    started = Runs(user.command)
    yield started
    started.close()


class Two:
    """Anna and Bert, on one cache with `cache.shared = group`, in two projects or in one."""

    def __init__(self, base: Path, anna: Runs, bert: Runs, kind: str, *, one_project: bool) -> None:
        base.chmod(0o755)
        self.shared = base / "shared"
        self.shared.mkdir()
        os.chown(self.shared, 0, GROUP)
        self.shared.chmod(0o2775)
        self._kind = kind
        worlds = [self._world(base / "anna", anna)]
        worlds.append(worlds[0] if one_project else self._world(base / "bert", bert))
        umask = 0o002 if one_project else 0o022
        give(worlds[0].base, ANNA, 0o2775)
        if not one_project:
            give(worlds[1].base, BERT)
        homes = [environment(base / f"home-{user.number}", user) for user in (ANNA, BERT)]
        self.anna = Desk(worlds[0], anna, homes[0], umask)
        self.bert = Desk(worlds[1], bert, homes[1], umask)

    def _world(self, place: Path, runs: Runs) -> World:
        world = new_world(place, runs, self._kind)
        where = f"[cache]\n    dir = {self.shared}\n    shared = group\n"
        (world.repo / ".dvc/config").write_text(config(self._kind).replace("[cache]\n", where))
        return world

    @property
    def store(self) -> Path:
        return self.shared / "files/md5"

    def object(self, name: str) -> Path:
        return self.store / name[:2] / name[2:]

    def stored(self) -> dict[str, bytes]:
        return Picture(everything(self.store, "repo/.dvc/cache/files/md5/")).objects()


def run(desk: Desk, *args: str, fault: str = "", log: str = "") -> Completed:
    return desk.start(*args, fault=fault, log=log).finish()


def write(desk: Desk, user: User, path: str, data: bytes, mode: int = 0o664) -> None:
    desk.world.write(path, data, mode)
    os.chown(desk.world.repo / path, user.number, GROUP)


def told(done: Completed) -> list[str]:
    """What is wrong with a run that shall fail with one clear sentence."""
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    if done.rc <= 0 or len(errors) != 1 or "Traceback" in done.stderr or "unexpected" in errors[0]:
        return [str(done)]
    return []


@pytest.fixture
def two(base: Path, anna_runs: Runs, bert_runs: Runs) -> Two:
    return Two(base, anna_runs, bert_runs, "copy", one_project=False)


# -- in peace ----


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_what_one_user_added_the_other_can_check_out(
    mode: int, kind: str, base: Path, anna_runs: Runs, bert_runs: Runs
) -> None:
    """Also a file that only its owner could read: `cache.shared` is there to share it."""
    two = Two(base, anna_runs, bert_runs, kind, one_project=False)
    write(two.anna, ANNA, "x.bin", b"from anna", mode)
    added = run(two.anna, "add", "x.bin")
    shutil.copy(two.anna.world.repo / "x.bin.dvc", two.bert.world.repo / "x.bin.dvc")

    brought = run(two.bert, "checkout", "x.bin.dvc")

    assert (0, 0) == (added.rc, brought.rc), f"{added}\n{brought}"
    assert (two.bert.world.repo / "x.bin").read_bytes() == b"from anna"
    assert two.object(md5(b"from anna")).stat().st_mode & 0o007 == (0o004 if mode == 0o644 else 0)


EDITS = {
    "remove": ("remove", "x.bin.dvc"),
    "remove, data too": ("remove", "--outs", "x.bin.dvc"),
    "move": ("move", "x.bin", "y.bin"),
    "unprotect": ("unprotect", "x.bin"),
    "freeze": ("freeze", "x.bin.dvc"),
    "destroy": ("destroy", "-f"),
}


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_by_one_leaves_the_cache_of_both_as_it_is(
    edit: str, kind: str, base: Path, anna_runs: Runs, bert_runs: Runs
) -> None:
    two = Two(base, anna_runs, bert_runs, kind, one_project=False)
    write(two.anna, ANNA, "x.bin", b"from anna")
    run(two.anna, "add", "x.bin")
    shutil.copy(two.anna.world.repo / "x.bin.dvc", two.bert.world.repo / "x.bin.dvc")
    run(two.bert, "checkout", "x.bin.dvc")
    before = everything(two.shared)

    done = run(two.bert, *EDITS[edit])

    assert done.rc == 0, str(done)
    assert before == everything(two.shared)
    assert b"from anna" == (two.anna.world.repo / "x.bin").read_bytes()
    name = "y.bin" if edit == "move" else "x.bin"
    there = two.bert.world.repo / name
    assert (edit != "remove, data too") == there.exists()
    if edit in ("unprotect", "destroy"):
        assert (BERT.number, False) == (there.stat().st_uid, there.is_symlink())
        assert there.stat().st_mode & 0o200


@pytest.mark.parametrize("owner", ["anna", "bert"])
def test_old_objects_in_a_common_cache_are_migrated_by_whoever_asks(two: Two, owner: str) -> None:
    """Objects of DVC 2; those of others cannot be given a second name, so they are copied."""
    data = b"old text\n"
    old = two.shared / md5(data)[:2] / md5(data)[2:]
    old.parent.mkdir()
    old.write_bytes(data)
    old.chmod(0o444)
    for path, mode in ((old.parent, 0o2775), (old, 0o444)):
        os.chown(path, (ANNA if owner == "anna" else BERT).number, GROUP)
        path.chmod(mode)
    write(two.bert, BERT, "x.bin.dvc", f"outs:\n- md5: {md5(data)}\n  path: x.bin\n".encode())

    done = run(two.bert, "cache", "migrate", "--dvc-files")
    brought = run(two.bert, "checkout")

    assert (0, 0) == (done.rc, brought.rc), f"{done}\n{brought}"
    assert data == two.object(md5(data)).read_bytes() == old.read_bytes()
    assert data == (two.bert.world.repo / "x.bin").read_bytes()
    folder = two.object(md5(data)).parent.stat()
    assert (GROUP, 0o2775) == (folder.st_gid, folder.st_mode & 0o7777)


def test_an_object_that_the_other_may_not_read_is_told_not_trusted(two: Two) -> None:
    write(two.anna, ANNA, "x.bin", b"from anna")
    run(two.anna, "add", "x.bin")
    two.object(md5(b"from anna")).chmod(0o400)
    write(two.bert, BERT, "y.bin", b"from anna")

    done = run(two.bert, "add", "y.bin")

    assert [] == told(done)
    assert not (two.bert.world.repo / "y.bin.dvc").exists()


@pytest.mark.parametrize("what", ["mine", "mine/x.bin.dvc", "mine/dvc.yaml", "mine/dvc.lock"])
def test_gc_takes_nothing_while_pointers_may_not_be_read(what: str, two: Two) -> None:
    """Row 19: of a folder, of a file."""
    world = two.anna.world
    (world.repo / ".dvc/pannier.toml").write_text("gc_grace = 0\n")
    write(two.anna, ANNA, "mine/x.bin", b"from anna")
    write(two.anna, ANNA, "mine/dvc.yaml", b"stages:\n  s:\n    cmd: echo s > s\n    outs: [s]\n")
    give(world.repo / "mine", ANNA)
    assert 0 == run(two.anna, "add", "-q", "mine/x.bin").rc
    assert 0 == run(two.anna, "repro", "-q", "mine/dvc.yaml").rc
    before = two.stored()
    os.chown(world.repo / what, 0, 0)
    (world.repo / what).chmod(0o700)

    done = run(two.anna, "gc", "-w", "-f", "--now")

    assert [] == told(done)
    assert what in done.stderr
    assert {b"from anna", b"s\n"} == set(before.values())
    assert before == two.stored()


def test_nobody_meets_a_folder_of_the_cache_before_the_group_may_write_to_it(two: Two) -> None:
    """One user is stopped at each change that makes or opens a folder; the other adds the same."""
    for desk, user in ((two.anna, ANNA), (two.bert, BERT)):
        write(desk, user, "first", b"first")
        assert run(desk, "add", "-q", "first").rc == 0
    found = []
    for number in range(1, 40):
        data = b"round %d" % number
        for desk, user in ((two.anna, ANNA), (two.bert, BERT)):
            write(desk, user, f"f{number}", data)
        shutil.rmtree(two.object(md5(data)).parent, ignore_errors=True)
        one = two.anna.start("add", f"f{number}", fault=f"stop@{number}")
        stopped = one.is_stopped()
        other = run(two.bert, "add", f"f{number}")
        if stopped:
            one.go_on()
        done = one.finish()
        if (done.rc, other.rc) != (0, 0):
            found.append(f"{number}: {done}\n{other}")
        if not stopped:
            break

    assert [] == found
    assert [] == list(wrong_objects(two.stored(), "cache"))


COMMANDS = {
    "add": ("add", "big.bin", "data"),
    "checkout": ("checkout",),
    "pull": ("pull",),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_killed_run_of_one_user_is_in_nobodys_way(
    command: str, base: Path, anna_runs: Runs, bert_runs: Runs
) -> None:
    """Both in one project: the other gives the command again."""
    found = []
    points = [0]
    for number in points:
        place = base / f"try{number}"
        place.mkdir()
        base.chmod(0o755)
        two = Two(place, anna_runs, bert_runs, "copy", one_project=True)
        for path, data in FIRST.items():
            write(two.anna, ANNA, path, data)
        give(two.anna.world.repo, ANNA, 0o2775)
        if command != "add":
            assert run(two.anna, "add", "-q", "big.bin", "data").rc == 0
            assert run(two.anna, "push", "-q").rc == 0
            two.anna.world.remove("repo/big.bin", "repo/data")
        if command == "pull":
            shutil.rmtree(two.store)
        before = picture(two.anna.world)
        if number == 0:
            log = place / "log"
            log.touch()
            log.chmod(0o666)
            assert run(two.anna, *COMMANDS[command], log=str(log)).rc == 0
            steps = [line.split("\t") for line in log.read_text().splitlines()]
            points += sample(steps, 8, 1)
            continue
        run(two.anna, *COMMANDS[command], fault=f"kill@{number}")
        again = run(two.bert, *COMMANDS[command])
        after = picture(two.anna.world)
        if again.rc:
            found.append(f"killed at change {number}, then {again}")
        found += list(wrong_objects(two.stored(), "cache"))
        for path, data in FIRST.items():
            if after.content(f"repo/{path}") != data:
                found.append(f"killed at change {number}, then {path} is not there")
        assert before.pointers().keys() <= after.pointers().keys()

    assert [] == found


# -- a hostile member of the group ----


def with_a_home(two: Two) -> Path:
    """A folder of Anna's with something dear in it, and its look to compare with."""
    home = two.anna.world.base / "dear"
    (home / "sub").mkdir(parents=True)
    for name in ("0", "1", "a", "sub/0"):
        (home / name).write_bytes(SECRET)
    (home / "0000").mkdir()
    give(home, ANNA)
    home.chmod(0o700)
    return home


def look(folder: Path) -> dict[str, object]:
    return {path: (thing.kind, thing.data) for path, thing in everything(folder).items()}


def plant_link(two: Two, home: Path, name: str) -> None:
    target = two.object(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(home / "a")


def plant_pipe(two: Two, home: Path, name: str) -> None:
    target = two.object(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    os.mkfifo(target, 0o666)


def plant_folder(two: Two, home: Path, name: str) -> None:
    target = two.object(name)
    target.unlink(missing_ok=True)
    (target / "x").mkdir(parents=True)


def plant_bytes(two: Two, home: Path, name: str) -> None:
    target = two.object(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.write_bytes(b"hostile bytes")
    target.chmod(0o444)


PLANTS: dict[str, Callable[[Two, Path, str], None]] = {
    "a link": plant_link,
    "a pipe": plant_pipe,
    "a folder": plant_folder,
    "other bytes": plant_bytes,
}


@pytest.mark.parametrize("manifest", [False, True], ids=["file", "list"])
@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("command", ["checkout", "push", "add data", "commit -f", "status"])
def test_what_somebody_planted_in_the_place_of_an_object_is_not_used(
    command: str, plant: str, manifest: bool, two: Two
) -> None:
    home = with_a_home(two)
    write_first(two.anna.world)
    give(two.anna.world.repo, ANNA)
    assert run(two.anna, "add", "-q", "data").rc == 0
    pointer = (two.anna.world.repo / "data.dvc").read_text()
    name = pointer.partition("md5: ")[2].split()[0] if manifest else md5(FIRST["data/a.txt"])
    if command == "checkout":
        two.anna.world.remove("repo/data")
    for path in two.shared.rglob("*"):
        os.chown(path, BERT.number, GROUP, follow_symlinks=False)
    PLANTS[plant](two, home, name)
    before = look(home)

    done = run(two.anna, *command.split())

    assert before == look(home)
    assert "Traceback" not in done.stderr, str(done)
    assert "unexpected error" not in done.stderr, str(done)
    given = picture(two.anna.world)
    assert [] == [p for p, d in given.data().items() if FIRST.get(p.removeprefix("repo/")) != d]
    if command in ("checkout", "push"):
        assert done.rc != 0
    if plant == "a folder" and command == "push" and not manifest:
        assert f"Missing cache files:\nmd5: {name}\n" in done.stderr  # a folder is no object
        assert name not in given.objects("remote/files/md5")
    elif plant == "a folder" and done.rc:
        assert [] == told(done)  # it is Bert's, and cannot be moved away
    elif command.startswith("add"):
        assert done.rc == 0, str(done)
        assert two.stored()[md5(FIRST["data/a.txt"])] == FIRST["data/a.txt"]
    assert SECRET not in given.objects("remote/files/md5").values()


@pytest.mark.parametrize("name", ["tmp", "quarantine", "{prefix}"])
def test_no_link_in_the_place_of_a_folder_of_the_cache_is_followed(name: str, two: Two) -> None:
    home = with_a_home(two)
    write(two.anna, ANNA, "x.bin", b"from anna")
    where = two.store / name.replace("{prefix}", md5(b"from anna")[:2])
    where.parent.mkdir(parents=True)
    for folder in (where.parent, where.parent.parent):
        os.chown(folder, BERT.number, GROUP)
        folder.chmod(0o2775)
    where.symlink_to(home)
    mark = "12345678-4194999-12345678"
    (home / mark).mkdir()
    (home / mark / "0").write_bytes(SECRET)
    before = look(home)

    done = run(two.anna, "add", "x.bin")

    assert before == look(home)
    assert done.rc == 0 if name == "quarantine" else [] == told(done)


def test_a_staging_folder_that_becomes_a_link_deletes_nothing_behind_it(two: Two) -> None:
    """At each change of Anna's run Bert puts a link to her home in the place of what is hers."""
    home = with_a_home(two)
    before = look(home)
    found = []
    for number in range(1, 60):
        write(two.anna, ANNA, f"f{number}", b"round %d" % number)
        one = two.anna.start("add", f"f{number}", fault=f"stop@{number}")
        if not one.is_stopped():
            break
        swapped = 0
        for folder in list((two.store / "tmp").iterdir()) if (two.store / "tmp").is_dir() else []:
            # As the owner of `tmp` may, whatever its mode is.
            folder.rename(two.shared / f"taken{number}-{folder.name}")
            folder.symlink_to(home)
            swapped += 1
        one.go_on()
        done = one.finish()
        now = look(home)
        lost = [path for path in before if now.get(path) != before[path]]
        found += [f"{number}: {path} is gone" for path in lost]
        if swapped and "Traceback" in done.stderr:
            found.append(str(done))
        for left in (two.store / "tmp").iterdir() if (two.store / "tmp").is_dir() else ():
            if left.is_symlink():
                left.unlink()

    assert [] == found


def test_a_leftover_whose_folder_becomes_a_link_deletes_nothing_behind_it(two: Two) -> None:
    """The sweep is stopped before each of its deletions, and the folder is exchanged."""
    home = with_a_home(two)
    write(two.anna, ANNA, "first", b"first")
    assert run(two.anna, "add", "-q", "first").rc == 0
    before = look(home)
    tmp = two.store / "tmp"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    for number in range(1, 12):
        left = tmp / f"{boot}-4194999-{number:08x}"
        (left / "sub").mkdir(parents=True)
        for name in ("0", "1", "sub/0"):
            (left / name).write_bytes(b"left over")
        give(left, ANNA)
        write(two.anna, ANNA, f"f{number}", b"round %d" % number)
        one = two.anna.start("add", f"f{number}", fault=f"stop@{number}")
        stopped = one.is_stopped()
        if left.exists():
            left.rename(two.shared / f"taken{number}")
            left.symlink_to(home)
        if stopped:
            one.go_on()
        one.finish()

        assert before == look(home)

        if left.is_symlink():
            left.unlink()


def test_a_stat_cache_that_somebody_else_owns_is_neither_believed_nor_written(two: Two) -> None:
    """S7. Bert's record says that the file holds other bytes."""
    write(two.anna, ANNA, "x.bin", b"what anna wrote")
    assert run(two.anna, "add", "-q", "--no-commit", "x.bin").rc == 0
    caches = Path(two.anna.env["XDG_CACHE_HOME"])
    (state,) = caches.rglob("state.db")
    (pointer := two.anna.world.repo / "x.bin.dvc").unlink()
    poison = state.read_bytes().replace(
        bytes.fromhex(md5(b"what anna wrote")), bytes.fromhex(md5(b"what bert says"))
    )
    state.write_bytes(poison)
    give(state.parent, BERT)
    state.parent.chmod(0o777)
    before = look(state.parent)

    done = run(two.anna, "add", "x.bin")

    assert done.rc == 0, str(done)
    assert md5(b"what anna wrote") in pointer.read_text()
    assert before == look(state.parent)


def test_no_pickle_is_opened(two: Two) -> None:
    """S6 and S7: in the places where DVC keeps and reads them."""
    fired = two.shared / "fired"
    pickle = b"cposix\nsystem\n(Vtouch %s\ntR." % os.fsencode(fired)
    places = [
        two.anna.world.repo / ".dvc/tmp/repro.dat",
        two.anna.world.repo / ".dvc/tmp/btime",
        two.anna.world.repo / ".dvc/tmp/links/cache.db",
        Path(two.anna.env["DVC_SITE_CACHE_DIR"]) / "repo/0/index/data/cache.db",
    ]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(pickle)
    give(two.anna.world.repo, ANNA)
    write(two.anna, ANNA, "x.bin", b"from anna")

    done = [run(two.anna, *words) for words in (("add", "x.bin"), ("status",), ("push",))]

    assert [0, 0, 0] == [one.rc for one in done], str(done)
    assert not fired.exists()
