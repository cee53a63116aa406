"""Reading a project where its data is: what is verified, asked for, and left untouched."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pannier import api
from pannier.core.digest import MD5
from pannier.core.errors import BadPath, CorruptObject, PannierError
from pannier.core.reading_errors import PathMissing
from pannier.disk.hashing import hash_bytes
from pannier.store import schemes
from tests.support import memory_transport
from tests.support.memory_transport import MemoryTransport, Place, place_of
from tests.support.project import Project, picture

MIB = 1 << 20
A, B, FILE = b"a\n", b"bb\n", b"file\n"
BIG = random.Random(2).randbytes(10 * MIB)
FAR = "s3://reading"


class PlainTransport(MemoryTransport):
    """One that cannot read parts."""

    read_range = None  # type: ignore[assignment]

    def __getattribute__(self, name: str) -> object:
        if name == "read_range":
            raise AttributeError(name)
        return super().__getattribute__(name)


@pytest.fixture
def far(project: Project, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A project whose data is at a remote alone: d/a, d/sub/b, file, and big of 10 MiB.

    The same is in the folder ../store.
    """
    place = place_of(FAR)
    place.objects.clear()
    d = [{"md5": put(place, data), "relpath": path} for path, data in (("a", A), ("sub/b", B))]
    listed = put(place, json.dumps(d).encode(), ".dir")
    outs = {"d": (listed, 5), "file": (put(place, FILE), 5), "big": (put(place, BIG), len(BIG))}
    for path, (hex, size) in outs.items():
        project.write(
            f"{path}.dvc", f"outs:\n- md5: '{hex}'\n  size: {size}\n  hash: md5\n  path: {path}\n"
        )
    use_remote(project, FAR)
    project.commit_all()
    for key, data in place.objects.items():
        project.write(f"../store/{key}", data)
    monkeypatch.setitem(schemes._TRANSPORTS, "s3", memory_transport.WHERE)
    place.forget()
    return place


def put(place: Place, data: bytes, suffix: str = "") -> str:
    hex = hash_bytes(data, MD5) + suffix
    place.objects[f"files/md5/{hex[:2]}/{hex[2:]}"] = data
    return hex


def use_remote(project: Project, url: str) -> None:
    config = f"[core]\n    remote = store\n['remote \"store\"']\n    url = {url}\n"
    project.write(".dvc/config", config)


def key_of(place: Place, data: bytes) -> str:
    return next(key for key, there in place.objects.items() if there == data)


# -- what is asked of the remote, and left on disk ----


def test_a_small_file_at_the_remote_is_one_request(far: Place) -> None:
    assert "file\n" == api.read("file")
    assert {"range": 1} == dict(far.requests)


def test_a_part_of_a_big_file_is_read_without_the_rest(far: Place) -> None:
    with api.open("big", mode="rb") as file:
        file.seek(-100, os.SEEK_END)
        assert BIG[-100:] == file.read()

    assert far.bytes_out <= MIB


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_in_the_cache_is_read_from_the_remote(
    far: Place, project: Project, make: Callable[[Path], None]
) -> None:
    place = project.root / ".dvc/cache" / key_of(far, FILE)
    place.parent.mkdir(parents=True)
    make(place)

    found = api.read("file", mode="rb")

    assert FILE == found


def test_reading_from_the_remote_leaves_nothing_on_disk(far: Place, project: Project) -> None:
    before = picture(project.root, leave_out=(".git",))

    api.read("file"), api.read("big", mode="rb"), api.get_url("file")

    after = picture(project.root, leave_out=(".git",))
    assert before == after


def test_lists_and_small_files_are_fetched_once_for_many_reads(far: Place) -> None:
    fs = api.DVCFileSystem()

    found = [fs.cat(path) for path in ("d/a", "d/sub/b", "d/a")]

    assert [b"a\n", b"bb\n", b"a\n"] == found
    assert {"read": 1, "range": 2} == dict(far.requests)


def test_a_remote_that_has_no_ranges_is_read_through_the_cache(
    far: Place, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = (__name__, "PlainTransport")
    monkeypatch.setitem(schemes._TRANSPORTS, "s3", where)

    assert "file\n" == api.read("file")
    assert BIG[MIB : MIB + 9] == api.DVCFileSystem().cat_file("big", MIB, MIB + 9)
    assert {"download": 2} == dict(far.requests)
    far.forget()
    assert "file\n" == api.read("file")
    assert {} == dict(far.requests)


def test_what_is_in_the_cache_is_not_asked_for(
    far: Place, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_remote(project, "../../store")
    project.dvc("fetch", "-q")
    use_remote(project, FAR)

    assert BIG == api.read("big", mode="rb")
    assert "a\n" == api.read("d/a", rev="HEAD")
    assert {} == dict(far.requests)


# -- what is verified ----


@pytest.mark.parametrize("data", [b"file\n", BIG])
def test_damaged_bytes_at_the_remote_are_not_handed_out(far: Place, data: bytes) -> None:
    far.objects[key_of(far, data)] = data[:-1] + b"X"
    name = "file" if len(data) < 10 else "big"

    with pytest.raises(CorruptObject):
        api.read(name, mode="rb")


@pytest.mark.parametrize("name", ["file", "big"])
def test_a_damaged_object_in_the_cache_is_passed_over_and_left_there(
    far: Place, project: Project, name: str
) -> None:
    good = api.read(name, mode="rb")
    key = key_of(far, good)
    damaged = project.write(f".dvc/cache/{key}", b"X" + good[1:])
    far.forget()

    assert good == api.read(name, mode="rb")
    assert far.requests["range"]
    assert b"X" + good[1:] == damaged.read_bytes()
    assert not (project.cache / "files/md5/quarantine").exists()


def test_a_big_object_in_the_cache_is_hashed_once(far: Place, project: Project) -> None:
    path = project.write(f".dvc/cache/{key_of(far, BIG)}", BIG)
    fs = api.DVCFileSystem()
    program = "import sys; from pannier import api; api.DVCFileSystem().cat_file('big', 0, 9)"
    trace = ["strace", "-f", "-e", "trace=readv", "-P", str(path), sys.executable, "-c", program]

    before = subprocess.run(trace, capture_output=True, text=True, check=True)
    again = subprocess.run(trace, capture_output=True, text=True, check=True)

    assert "readv(" in before.stderr  # as files are hashed
    assert "readv(" not in again.stderr
    assert BIG[:9] == fs.cat_file("big", 0, 9)
    assert {} == dict(far.requests)


def test_a_file_that_is_saved_is_verified_and_takes_its_place_whole(
    far: Place, tmp_path: Path
) -> None:
    far.objects[key_of(far, b"bb\n")] = b"XX\n"
    target = tmp_path / "out"
    fs = api.DVCFileSystem()

    with pytest.raises(CorruptObject):
        fs.get("d", str(target), recursive=True)

    assert {"a"} >= {path.name for path in target.rglob("*") if path.is_file()}


def test_a_file_is_saved_over_what_was_there_and_two_of_one_content_are_fetched_once(
    far: Place, project: Project, tmp_path: Path
) -> None:
    project.write("twin.dvc", (project.root / "file.dvc").read_text().replace("file", "twin"))
    for name in ("file", "twin"):
        (tmp_path / name).write_text("old and longer")

    api.DVCFileSystem().get(["file", "twin"], [str(tmp_path / "file"), str(tmp_path / "twin")])

    assert ["file\n", "file\n"] == [(tmp_path / n).read_text() for n in ("file", "twin")]
    assert {"file", "twin"} == {p.name for p in tmp_path.iterdir() if p.is_file()}
    assert 1 == far.requests["download"]


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../../out"])
def test_a_name_in_a_git_tree_that_is_a_path_is_refused(
    project: Project, tmp_path: Path, name: str
) -> None:
    """A tree from a stranger may hold any name; git itself does not check what it fetches."""
    blob = bytes.fromhex(project.git("rev-parse", "HEAD:.dvcignore").stdout.strip())
    rows = b"100644 " + name.encode() + b"\0" + blob
    hash_tree = ["git", "hash-object", "-t", "tree", "--literally", "-w", "--stdin"]
    tree = subprocess.run(hash_tree, input=rows, capture_output=True, check=True).stdout.decode()
    commit = project.git("commit-tree", tree.strip(), "-m", "evil").stdout.strip()
    target = tmp_path / "here" / "target"

    with pytest.raises(BadPath):
        api.DVCFileSystem(rev=commit).find("/")
    with pytest.raises(BadPath):
        api.DVCFileSystem(rev=commit).get("/", str(target), recursive=True)
    assert {"home", "project"} >= {path.name for path in tmp_path.iterdir()}


GET = """
import sys
from pannier import api
api.DVCFileSystem(rev="HEAD").get(["file", "code.py"], [f"{sys.argv[1]}/{n}" for n in "12"])
"""


def test_a_get_that_is_killed_or_fails_anywhere_leaves_each_file_old_or_whole(
    far: Place, project: Project, tmp_path: Path
) -> None:
    use_remote(project, "../../store")
    project.write("code.py", "1\n")
    project.commit_all()
    whole = {"1": FILE, "2": b"1\n"}
    folder = tmp_path / "here"
    ends = set()

    for step in range(1, 40):
        for action in ("error", "kill"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (folder / "1").write_bytes(b"old")
            command = [sys.executable, "-c", GET, str(folder)]
            env = {**os.environ, "PANNIER_FAULT": f"{action}@{step}"}
            ended = subprocess.run(command, env=env, cwd=project.root, capture_output=True)

            ends.add(ended.returncode)
            found = {n: (folder / n).read_bytes() for n in whole if (folder / n).exists()}
            assert found.items() <= {*whole.items(), ("1", b"old")}
            if action == "error":
                assert {*"12"} >= {path.name for path in folder.iterdir()}
        if ended.returncode == 0:
            break

    assert whole == found
    assert {0, 1, -9} == ends


# -- errors, threads, processes ----


def test_what_is_nowhere_says_what_could_be_done(far: Place) -> None:
    far.objects.clear()

    with pytest.raises(PathMissing) as caught:
        api.read("file")

    assert caught.value.hint == "run 'dvc push' where the data is"
    with pytest.raises(FileNotFoundError, match="No storage files available"):
        api.DVCFileSystem().open("file")


def test_settings_of_the_project_cannot_be_read_as_files(far: Place, project: Project) -> None:
    for path in (".dvc/config", "d/../.dvc/config", ".git/config"):
        with pytest.raises(PathMissing):
            api.read(path)


def test_several_threads_share_one_file_system(far: Place) -> None:
    fs = api.DVCFileSystem()
    found: list[bytes] = []

    def work() -> None:
        for _ in range(5):
            found.extend((fs.cat("d/a"), fs.cat("d/sub/b"), fs.cat_file("big", 5, 9)))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 90 == len(found)
    assert {b"a\n", b"bb\n", BIG[5:9]} == set(found)


def test_a_file_system_travels_to_another_process(far: Place, project: Project) -> None:
    use_remote(project, "../../store")
    fs = api.DVCFileSystem(str(project.root), rev="HEAD")
    assert b"a\n" == fs.cat("d/a")

    copy = pickle.loads(pickle.dumps(fs))

    assert b"a\n" == copy.cat("d/a")


FORKS = """
import os, sys
from pannier import api
fs = api.DVCFileSystem(rev="HEAD")
assert fs.cat("code.py") == b"1\\n"
pid = os.fork()
if pid == 0:
    assert fs.cat("d/a") == b"a\\n" and fs.cat("code.py") == b"1\\n"
    assert open(f"/proc/self/task/{os.getpid()}/children").read()  # a git of its own
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
assert fs.cat("other.py") == b"2\\n"
"""


def test_a_forked_process_reads_for_itself_and_leaves_its_parents_git_alone(
    far: Place, project: Project
) -> None:
    use_remote(project, "../../store")
    project.write("code.py", "1\n")
    project.write("other.py", "2\n")
    project.commit_all()

    subprocess.run([sys.executable, "-c", FORKS], check=True, cwd=project.root)


def test_nothing_is_printed(far: Place, capfd: pytest.CaptureFixture[str]) -> None:
    asked: list[Callable[[], object]] = [
        lambda: api.read("file"),
        lambda: api.read("nope"),
        lambda: api.read("file", repo="file:///nowhere"),
        lambda: api.params_show(),
        lambda: api.DVCFileSystem().find("/"),
    ]
    for ask in asked:
        try:
            ask()
        except PannierError:
            pass

    assert ("", "") == capfd.readouterr()
