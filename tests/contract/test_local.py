"""The folder transport where it differs from others: crashes, umask, leftovers, real DVC."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pannier.core.errors import AccessDenied, NoSpace, NotThere, TransportError, Unreachable
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import Entry, Transport
from tests.contract.places import KEYS_OUTSIDE, Folder, by_key, failure, nothing, refusals
from tests.support.oracle import Oracle

SIZES = {"files/md5/00/a": 10, "files/md5/01/b": 0, "runs/c": 5 << 20}
OBJECTS = {key: key.encode()[:1] * size for key, size in SIZES.items()}

UPLOAD = """
import sys
from pannier.store.schemes import open_transport
from pannier.store.remote_config import RemoteConfig

root, source, *keys = sys.argv[1:]
transport = open_transport(RemoteConfig("far", root))
items = [(f"{source}/{number}", key, "") for number, key in enumerate(keys)]
for result in transport.upload_many(items, 4, lambda _: None):
    print(result.key, type(result.error).__name__, result.error, flush=True)
transport.flush()
transport.close()
print("done")
"""


@pytest.fixture
def place(folder_place: Folder) -> Folder:
    return folder_place


@pytest.fixture
def transport(place: Folder) -> Iterator[Transport]:
    opened = place.transport()
    yield opened
    opened.close()


@pytest.fixture
def sources(local: Path) -> Path:
    for number, data in enumerate(OBJECTS.values()):
        (local / str(number)).write_bytes(data)
    return local


def items(sources: Path) -> list[tuple[str, str, str]]:
    return [(f"{sources}/{number}", key, "") for number, key in enumerate(OBJECTS)]


def upload(
    place: Folder, sources: Path, *before: str, **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, "-c", UPLOAD, place.root, sources, *OBJECTS],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )


def _is_object(key: str) -> bool:
    return "/tmp-pannier-" not in key


def points(place: Folder, sources: Path) -> range:
    """The numbers of all changes of files that an upload makes."""
    log = place.root.with_name("log")
    upload(place, sources, PANNIER_OPLOG=str(log))
    shutil.rmtree(place.root)
    return range(1, len(log.read_text().splitlines()) + 1)


def broken(place: Folder) -> dict[str, bytes | None]:
    """Names that hold something else than they should, staged files left out."""
    found = {key: place.look(key) for key in filter(_is_object, place.keys())}
    return {key: data for key, data in found.items() if data != OBJECTS[key]}


# -- roots ----


def test_a_folder_that_does_not_exist_is_an_empty_remote(place: Folder) -> None:
    transport = place.transport()

    assert [] == list(transport.list(""))
    assert transport.stat("a") is None
    transport.close()
    assert not place.root.exists()


def test_a_missing_folder_is_made_with_its_parents(tmp_path: Path, sources: Path) -> None:
    place = Folder(tmp_path / "not/yet/there")
    transport = place.transport()

    list(transport.upload_many(items(sources), 4, nothing))
    transport.flush()
    transport.close()

    assert set(OBJECTS) == place.keys()


def test_a_download_from_a_missing_folder_asks_for_the_mount(place: Folder, local: Path) -> None:
    transport = place.transport()

    (result,) = transport.download_many([("a", f"{local}/x", "")], 1, nothing)
    read = failure(lambda: transport.read("a"))

    for error in (result.error, read):
        assert isinstance(error, NotThere)
        assert f"the folder '{place.root}' of the remote does not exist" in str(error)
        assert "mounted" in str(error.hint)


def test_a_file_in_the_place_of_the_folder_is_a_mistake(place: Folder) -> None:
    place.root.write_text("I am a file")
    transport = place.transport()

    for error in (
        failure(lambda: transport.stat("a/b")),
        failure(lambda: list(transport.list(""))),
    ):
        assert "is not a folder" in str(error)


def test_a_file_url_is_a_folder_too(place: Folder) -> None:
    place.plant("a", b"x")

    transport = open_transport(RemoteConfig("far", f"file://{place.root}"))

    assert [Entry("a", 1)] == list(transport.list(""))


@pytest.mark.parametrize("key", KEYS_OUTSIDE)
def test_a_key_never_leads_out_of_the_folder(
    place: Folder, transport: Transport, local: Path, key: str
) -> None:
    found = refusals(transport, local, key)

    assert {TransportError} == {type(error) for error in found}
    assert set() == place.keys()


# -- what it leaves ----


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_objects_are_read_only_whatever_the_umask(place: Folder, sources: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        transport = place.transport()
        list(transport.upload_many(items(sources), 1, nothing))
        transport.close()
    finally:
        os.umask(old)

    modes = {(place.root / key).stat().st_mode & 0o7777 for key in OBJECTS}
    assert {0o444} == modes
    assert 0o777 & ~umask == (place.root / "files/md5").stat().st_mode & 0o777


def test_nothing_but_objects_is_left(place: Folder, sources: Path) -> None:
    transport = place.transport()

    list(transport.upload_many(items(sources), 1, nothing))
    transport.close()

    assert set(OBJECTS) == place.keys()
    assert {"00", "01"} == {path.name for path in (place.root / "files/md5").iterdir()}


def test_leftovers_of_a_day_ago_are_swept_and_younger_ones_kept(
    place: Folder, sources: Path
) -> None:
    day = 24 * 3600
    ages = {"tmp-pannier-1-old": day + 60, "tmp-pannier-2-new": 60, "tmp": 9 * day}
    for name, age in ages.items():
        place.plant(f"files/md5/{name}/0", b"staged")
        for path in (f"{name}/0", name):
            then = time.time() - age
            os.utime(place.root / "files/md5" / path, (then, then))

    transport = place.transport()
    list(transport.upload_many(items(sources), 1, nothing))
    transport.close()

    left = {path.name for path in (place.root / "files/md5").iterdir()}
    assert {"00", "01", "tmp", "tmp-pannier-2-new"} == left


def test_a_big_file_under_way_for_days_is_not_swept(place: Folder, sources: Path) -> None:
    place.plant("files/md5/tmp-pannier-1-x/0", b"still growing")
    long_ago = time.time() - 5 * 24 * 3600
    os.utime(place.root / "files/md5/tmp-pannier-1-x", (long_ago, long_ago))

    transport = place.transport()
    list(transport.upload_many(items(sources), 1, nothing))
    transport.close()

    assert b"still growing" == place.look("files/md5/tmp-pannier-1-x/0")


def test_staged_files_are_not_listed(place: Folder, transport: Transport) -> None:
    place.plant("files/md5/tmp-pannier-1-x/0", b"staged")
    place.plant("files/md5/ab/c", b"x")

    assert ["files/md5/ab/c"] == [entry.key for entry in transport.list("")]
    assert ["files/md5/ab/c"] == [entry.key for entry in transport.list("files/md5/")]


def test_real_dvc_looks_past_staged_files(place: Folder, tmp_path: Path, oracle: Oracle) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    subprocess.run(["git", "init", "-q", repository], check=True)
    oracle("init", "-q", cwd=repository, check=True)
    oracle("remote", "add", "-q", "-d", "far", str(place.root), cwd=repository, check=True)
    (repository / "data").write_text("data")
    oracle("add", "data", cwd=repository, check=True)
    oracle("push", cwd=repository, check=True)
    place.plant("files/md5/tmp-pannier-1-x/0", b"staged")

    status = oracle("status", "-c", cwd=repository, check=True)
    oracle("gc", "-w", "-c", "-f", cwd=repository, check=True)

    assert "in sync" in status.stdout
    assert b"staged" == place.look("files/md5/tmp-pannier-1-x/0")
    assert 2 == len(place.keys())


# -- crashes ----


def test_bytes_are_flushed_before_they_get_a_name(
    place: Folder, sources: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"

    done = upload(place, sources, PANNIER_OPLOG=str(log))

    assert done.stdout.endswith("done\n"), done.stderr
    steps = [line.split("\t") for line in log.read_text().splitlines()]
    written: set[str] = set()
    flushed: set[str] = set()
    for name, *args in steps:
        if name == "create":
            written.add(args[0])
        elif name == "syncfs":
            flushed |= written
        elif name == "fsync":
            flushed.add(args[0])
        elif name == "publish":
            assert args[0] in flushed
    named = {args[1] for name, *args in steps if name == "publish"}
    assert {f"{place.root}/{key}" for key in OBJECTS} == named
    last = max(number for number, step in enumerate(steps) if step[0] == "publish")
    synced = {args[0] for name, *args in steps[last:] if name == "fsyncdir"}
    assert {os.path.dirname(path) for path in named} <= synced


def test_a_kill_at_any_point_leaves_whole_objects_or_none(place: Folder, sources: Path) -> None:
    for point in points(place, sources):
        done = upload(place, sources, PANNIER_FAULT=f"kill@{point}")

        assert "" == done.stdout or "done" not in done.stdout
        assert {} == broken(place)
        shutil.rmtree(place.root, ignore_errors=True)


@pytest.mark.parametrize("fault", ["error", "errors"])
def test_a_full_disk_at_any_point_is_told_and_leaves_no_torn_object(
    place: Folder, sources: Path, fault: str
) -> None:
    for point in points(place, sources):
        done = upload(place, sources, PANNIER_FAULT=f"{fault}@{point}:ENOSPC")

        assert {} == broken(place)
        assert "NoSpace" in done.stdout + done.stderr or set(OBJECTS) <= place.keys()
        shutil.rmtree(place.root, ignore_errors=True)


def test_without_hard_links_and_exclusive_renames_it_works_the_same(
    place: Folder, sources: Path
) -> None:
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=link,linkat,renameat2"]
    strace += ["-e", "inject=link,linkat:error=EPERM", "-e", "inject=renameat2:error=EINVAL"]

    done = upload(place, sources, *strace)

    assert done.stdout.endswith("done\n"), done.stderr
    assert {} == broken(place)
    assert set(OBJECTS) == place.keys()


@pytest.mark.parametrize(
    ("code", "kind"), [("EACCES", AccessDenied), ("ENOSPC", NoSpace), ("ESTALE", Unreachable)]
)
def test_what_the_folders_disk_refuses_is_told_for_every_item(
    place: Folder, sources: Path, code: str, kind: type[Exception]
) -> None:
    done = upload(place, sources, PANNIER_FAULT=f"errors@1:{code}")

    lines = done.stdout.splitlines()[:-1]
    assert len(OBJECTS) == len(lines)
    for line in lines:
        assert f" {kind.__name__} '{place.root}" in line


def test_a_folder_that_cannot_be_made_stops_nothing_that_goes_elsewhere(
    place: Folder, transport: Transport, sources: Path
) -> None:
    (place.root / "files/md5").mkdir(parents=True)
    (place.root / "files/md5/01").write_bytes(b"a file in its place")
    items = [(f"{sources}/{number}", key, "") for number, key in enumerate(OBJECTS)]

    results = by_key(transport.upload_many(items, 4, nothing))
    transport.flush()

    assert {"files/md5/01/b"} == {key for key, result in results.items() if result.error}
    assert f"{place.root}/files/md5/01'" in str(results["files/md5/01/b"].error)
    assert set(OBJECTS) - {"files/md5/01/b"} | {"files/md5/01"} == place.keys()


NO_FILES = {
    "pipe": os.mkfifo,
    "link to a pipe": lambda path: (os.mkfifo(f"{path}.pipe"), os.symlink(f"{path}.pipe", path)),
    "link to zeros": lambda path: os.symlink("/dev/zero", path),
    "link to a terminal": lambda path: os.symlink("/dev/tty", path),
    "socket": lambda path: socket.socket(socket.AF_UNIX).bind(os.path.relpath(path)),
}


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_under_a_name_is_told_at_once(
    kind: str, place: Folder, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own: before, a pipe was waited for, and a device read without end."""
    folder = place.root / "files/md5/ab"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)  # a socket's path may have 108 bytes
    NO_FILES[kind](f"{folder}/c.dir")

    done = subprocess.run(
        [sys.executable, "-c", READ, str(place.root), str(local / "got")],
        capture_output=True,
        text=True,
        timeout=20,
    )

    told = f"'{folder}/c.dir' is no regular file"
    assert ["None", told, "NotThere"] == done.stdout.splitlines(), done.stderr
    assert not (local / "got").exists()


READ = """
import resource, sys
from pannier.core.errors import NotThere
from pannier.store.schemes import open_transport
from pannier.store.remote_config import RemoteConfig

resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
transport = open_transport(RemoteConfig("far", sys.argv[1]))
key = "files/md5/ab/c.dir"
print(transport.stat(key))
try:
    transport.read(key)
except NotThere as error:
    print(error.message)
for result in transport.download_many([(key, sys.argv[2], "")], 1, lambda _: None):
    print(type(result.error).__name__)
"""
