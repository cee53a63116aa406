"""What is no data in the folder of an output makes room for its command, and `undo` brings it back:
nothing is lost, nothing newer is overwritten."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pannier.disk import trees
from tests.support.crash_disks import needs_root
from tests.support.programs import Completed, git
from tests.support.project import Project, picture

OPS = ".dvc/tmp/pannier/ops"
MINE = "ref: refs/heads/mine\n"
STAGE = """\
stages:
  s:
    cmd: {cmd}
    deps: [in]
    outs: [d]
"""
MAKE = "mkdir d && mkdir d/sub && cp in d/a && cp in d/sub/b"


def runs(project: Project, cmd: str) -> None:
    project.write("dvc.yaml", STAGE.format(cmd=cmd))


def ran(project: Project, cmd: str = MAKE) -> Project:
    """A stage that ran once, and is to run again."""
    runs(project, cmd)
    project.write(".dvcignore", "*.tmp\n")
    project.write("in", "first\n")
    project.dvc("repro", "-q")
    project.write("in", "second\n")
    return project


def files(project: Project) -> dict[str, str]:
    root = project.root
    found = (path for path in (root / "d").rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_text("latin-1") for path in found}


FIRST = {"d/a": "first\n", "d/sub/b": "first\n"}
SECOND = {"d/a": "second\n", "d/sub/b": "second\n"}


def a_repository(folder: Path) -> None:
    git("init", "-q", cwd=folder)
    (folder / "mine").write_text("mine\n")
    git("add", "mine", cwd=folder)
    git("commit", "-qm", "mine", cwd=folder)
    (folder / "mine").unlink()


def an_ignored_file(folder: Path) -> None:
    (folder / "sub/x.tmp").write_text("mine\n")


def a_project(folder: Path) -> None:
    (folder / "sub/.dvc").mkdir()
    (folder / "sub/.dvc/config").write_text("[core]\n")


def a_link_to_a_folder(folder: Path) -> None:
    (folder / "sub/link").symlink_to("/")


def a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "sub/pipe")


def a_socket(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(folder / "sub/s"))


Put = Callable[[Path], None]


def names(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in (root / "d").rglob("*")}


@pytest.mark.parametrize(
    "put", [a_repository, an_ignored_file, a_project, a_link_to_a_folder, a_pipe, a_socket]
)
def test_what_is_no_data_makes_room_for_a_command_and_comes_back_by_undo(
    put: Put, project: Project
) -> None:
    ran(project)
    put(project.root / "d")
    before = names(project.root)

    said = project.dvc("repro")
    after = names(project.root)
    project.dvc("undo")

    assert {"d/a", "d/sub", "d/sub/b"} == after
    assert "'d' holds what is no data (" in said.stderr
    assert "it makes room, and 'dvc undo 2' brings it back" in said.stderr
    assert before == names(project.root)
    assert FIRST == {path: text for path, text in files(project).items() if path in FIRST}


def test_a_run_that_is_spared_by_the_run_cache_makes_room_for_data_too(project: Project) -> None:
    ran(project)
    project.dvc("repro")
    project.write("in", "first\n")
    a_pipe(project.root / "d")

    said = project.dvc("repro")
    made = names(project.root)
    project.dvc("undo")

    assert "'d' holds what is no data ('d/sub/pipe'); it makes room" in said.stderr
    assert {"d/a", "d/sub", "d/sub/b"} == made
    assert {"d/a", "d/sub", "d/sub/b", "d/sub/pipe"} == names(project.root)
    assert SECOND == files(project)


def test_work_in_a_repository_below_an_output_comes_back_whole(project: Project) -> None:
    ran(project)
    a_repository(project.root / "d")
    project.dvc("repro")

    project.dvc("undo")

    assert "mine\n" == git("show", "HEAD:mine", cwd=project.root / "d").stdout


def test_a_folder_with_data_alone_makes_room_without_a_word(project: Project) -> None:
    ran(project)

    said = project.dvc("repro")

    assert "no data" not in said.stderr
    assert SECOND == files(project)


CLONE = "mkdir d && mkdir d/.git && cp in d/.git/HEAD && cp in d/a"


def cloned(project: Project) -> Completed:
    """A stage that makes a `.git` ran, a person worked in that, and it ran again."""
    ran(project, CLONE)
    project.write("d/.git/HEAD", MINE)
    return project.dvc("repro")


def test_undo_leaves_what_is_newer_and_says_where_the_older_is(project: Project) -> None:
    cloned(project)

    said = project.dvc("undo")

    assert {"d/a": "first\n", "d/.git/HEAD": "second\n"} == files(project)
    place = f"{OPS}/2.kept/0"
    assert f"in the place of 'd/.git/HEAD': what was there stays in '{place}'" in said.stderr
    assert MINE == (project.root / place / ".git/HEAD").read_text()


def test_what_had_no_place_comes_back_once_that_is_free(project: Project) -> None:
    cloned(project)
    project.dvc("undo")
    shutil.rmtree(project.root / "d/.git")

    said = project.dvc("undo", "2")

    assert {"d/a": "first\n", "d/.git/HEAD": MINE} == files(project)
    assert "A       d/.git/\nUndid 2 (repro).\n" == said.stdout
    assert not (project.root / OPS / "2.kept/0").exists()


def test_folders_that_stand_in_both_places_become_one(project: Project) -> None:
    ran(project, f"{MAKE} && echo newer > d/sub/x.tmp")
    project.write("d/sub/x.tmp", "older\n")
    project.write("d/sub/y.tmp", "mine\n")
    project.write("d/z.tmp", "mine\n")
    project.dvc("repro")

    said = project.dvc("undo")

    kept = {"d/sub/x.tmp": "newer\n", "d/sub/y.tmp": "mine\n", "d/z.tmp": "mine\n"}
    assert FIRST | kept == files(project)
    assert {"A       d/sub/y.tmp", "A       d/z.tmp"} <= set(said.stdout.splitlines())
    assert "something else is in the place of 'd/sub/x.tmp'" in said.stderr
    assert "older\n" == (project.root / OPS / "2.kept/0/sub/x.tmp").read_text()


def test_a_dry_undo_says_what_would_come_back(project: Project) -> None:
    ran(project)
    project.write("d/z.tmp", "mine\n")
    project.dvc("repro")
    before = picture(project.root, leave_out=(".git", ".dvc/tmp/lock"))

    said = project.dvc("undo", "--dry")

    assert "A       d/z.tmp" in said.stdout.splitlines()
    assert before == picture(project.root, leave_out=(".git", ".dvc/tmp/lock"))


def test_the_second_undo_brings_the_data_again_and_leaves_the_rest(project: Project) -> None:
    ran(project)
    project.write("d/.git/HEAD", MINE)
    project.dvc("repro")
    project.dvc("undo")

    project.dvc("undo")

    assert SECOND | {"d/.git/HEAD": MINE} == files(project)


def test_what_came_back_makes_room_for_the_next_run_too(project: Project) -> None:
    ran(project)
    project.write("d/.git/HEAD", MINE)
    for _ in range(2):
        project.dvc("repro")
        project.dvc("undo")

    assert FIRST | {"d/.git/HEAD": MINE} == files(project)


def test_of_two_attempts_the_first_one_found_what_comes_back(project: Project) -> None:
    ran(project)
    project.write("d/.git/HEAD", MINE)
    again = "mkdir d/.git && echo attempt > d/.git/HEAD && test -e once || { touch once; exit 1; }"
    project.write("dvc.yaml", STAGE.format(cmd=f"'{MAKE} && {again}'") + "    meta: {retries: 1}\n")
    project.dvc("repro")
    shutil.rmtree(project.root / "d/.git")

    project.dvc("undo")

    assert FIRST | {"d/.git/HEAD": MINE} == files(project)
    assert (project.root / OPS / "2.kept").is_dir()


def test_undo_of_a_run_that_failed_brings_it_back(project: Project) -> None:
    ran(project)
    project.write("d/.git/HEAD", MINE)
    runs(project, "mkdir d && exit 1")
    assert 255 == project.dvc("repro", check=False).rc

    project.dvc("undo")

    assert FIRST | {"d/.git/HEAD": MINE} == files(project)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_output_that_persists_keeps_all_that_is_in_it(jobs: str, project: Project) -> None:
    ran(project, "mkdir -p d && cp in d/a")
    project.write("dvc.yaml", STAGE.format(cmd="cp in d/a").replace("[d]", "[d: {persist: true}]"))
    project.write("d/.git/HEAD", MINE)

    project.dvc("repro", "-j", jobs)

    assert {"d/a": "second\n", "d/.git/HEAD": MINE} == files(project)


def test_an_empty_folder_that_was_left_out_makes_room(project: Project) -> None:
    ran(project)
    (project.root / "d/sub/empty.tmp").mkdir()

    project.dvc("repro")

    assert SECOND == files(project)


# -- where it cannot be kept it stays ----


STAYING = "mkdir -p d/sub && cp in d/a && cp in d/sub/b"


def stays(project: Project, why: str) -> None:
    """The command runs, what is no data is where it was, and the user hears why."""
    said = project.dvc("repro")

    assert SECOND | {"d/.git/HEAD": MINE} == files(project)
    line = f"'d' holds what is no data ('.git'); it stays there: {why}"
    assert line in said.stderr


def test_without_a_log_it_stays(project: Project) -> None:
    ran(project, STAYING)
    project.write("d/.git/HEAD", MINE)
    project.dvc("config", "pannier.undo_days", "0")

    stays(project, "nothing is kept for 'dvc undo' here ('pannier.undo_days' is 0)")


def test_with_a_log_that_is_not_used_it_stays(project: Project, tmp_path: Path) -> None:
    ran(project, STAYING)
    project.write("d/.git/HEAD", MINE)
    ops = project.root / OPS
    ops.rename(tmp_path / "ops")
    ops.symlink_to(tmp_path / "ops")

    stays(project, f"'{ops}': Too many levels of symbolic links")


def test_a_folder_that_holds_the_cache_stays(project: Project) -> None:
    project.dvc("config", "cache.dir", str(project.root / "d/cache.tmp"))
    ran(project, STAYING)
    project.write("d/.git/HEAD", MINE)

    said = project.dvc("repro")

    assert ": the cache is in it" in said.stderr
    assert (project.root / "d/cache.tmp").is_dir()


@pytest.fixture
def mount() -> Iterator[Callable[[Path], None]]:
    """Puts a disk of its own in the place of a folder."""
    mounted = []

    def put(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True, timeout=60)
        mounted.append(folder)

    yield put
    for folder in reversed(mounted):
        subprocess.run(["umount", "-l", folder], check=True, timeout=60)


@pytest.mark.root
@needs_root
@pytest.mark.parametrize("place", ["d", "d/.git"])
def test_a_folder_that_a_disk_is_mounted_in_stays(
    place: str, project: Project, mount: Callable[[Path], None]
) -> None:
    """Else the log would empty that disk one day."""
    ran(project, STAYING)
    mount(project.root / place)
    for path, text in (FIRST | {"d/.git/HEAD": MINE}).items():
        project.write(path, text)

    stays(project, "another file system is mounted there")


@pytest.mark.root
@needs_root
def test_with_a_log_on_another_disk_it_stays(
    project: Project, mount: Callable[[Path], None]
) -> None:
    ran(project, STAYING)
    project.write("d/.git/HEAD", MINE)
    mount(project.root / ".dvc/tmp")

    stays(project, "'.dvc/tmp' is on another file system")


# -- what the log holds, and for how long ----


def test_the_log_says_how_much_room_it_takes(project: Project) -> None:
    ran(project)
    project.write("d/.git/objects/x", "x" * 1000)
    project.write("d/.dvc/y", "y" * 100)
    project.dvc("repro")

    newest = project.dvc("op", "log", "--json").json[0]

    assert 1100 == newest["kept_bytes"]
    assert ["d"] == newest["outputs"]


def make_old(project: Project, number: int) -> None:
    old = time.time() - 15 * 86400
    os.utime(project.root / OPS / str(number), (old, old))


def test_what_made_room_goes_with_its_entry(project: Project) -> None:
    ran(project)
    project.write("d/.git/HEAD", MINE)
    project.dvc("repro")
    make_old(project, 2)
    project.dvc("config", "core.autostage", "true")  # the newest is never removed

    project.dvc("config", "-u", "core.autostage")

    assert not list((project.root / OPS).glob("2*"))


@pytest.mark.root
@needs_root
def test_folders_that_nobody_may_write_to_are_removed_and_what_is_not_ours_stays(
    tmp_path: Path,
) -> None:
    for path in ("top/mine/closed/f", "top/theirs/f"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("x")
    for path in tmp_path.rglob("*"):
        os.chown(path, 61001, 61001)
    os.chown(tmp_path, 61001, 61001)
    os.chown(tmp_path / "top/theirs", 0, 0)
    os.chmod(tmp_path / "top/mine/closed", 0)
    child = os.fork()
    if not child:
        os.chdir(tmp_path)
        os.setresuid(61001, 61001, 61001)
        trees.remove_filled("top")
        os._exit(0)
    assert 0 == os.waitpid(child, 0)[1]

    assert {"top", "top/theirs", "top/theirs/f"} == {
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")
    }
