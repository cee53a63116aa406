"""What a transfer asks of a remote, counted by the transport: requests and bytes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pannier.core.events import Silent
from pannier.ops.add import AddOptions, add
from pannier.ops.sync import SyncOptions, cloud_status, fetch, push
from pannier.project.project import Project
from pannier.store import schemes
from tests.support import memory_transport
from tests.support.memory_transport import Place, place_of
from tests.support.opened import open_new, reopened, write_files


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], Project]:
    """Makes a project whose remote counts, and adds data to it."""
    # The settings accept only kinds of remotes that DVC knows, so it goes by the name of one.
    monkeypatch.setitem(schemes._TRANSPORTS, "s3", memory_transport.WHERE)

    def new(files: dict[str, str]) -> Project:
        project = open_new(
            tmp_path / "p",
            f"[core]\n    remote = m\n['remote \"m\"']\n    url = s3:/{tmp_path}\n",
        )
        write_files(tmp_path / "p", files)
        add(project, sorted({path.split("/")[0] for path in files}), AddOptions(), Silent())
        return project

    return new


@pytest.fixture
def remote(tmp_path: Path) -> Place:
    return place_of(f"s3:/{tmp_path}")


def many(count: int) -> dict[str, str]:
    return {f"d/{number % 7}/{number}": f"content {number}" for number in range(count)}


def size_of(project: Project) -> int:
    folder = Path(project.store.root)
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def without_cache(project: Project) -> Project:
    shutil.rmtree(project.cache_dir)
    return reopened(Path(project.root))


@pytest.mark.parametrize("count", [1, 40, 600])
def test_a_push_uploads_each_object_once_and_asks_little_else(
    make: Callable[[dict[str, str]], Project], remote: Place, count: int
) -> None:
    project = make(many(count))

    report = push(project, [], SyncOptions(), Silent())

    assert count + 1 == report.transferred == remote.requests["upload"]
    asked = remote.requests["stat"] + remote.requests["list"]
    assert asked <= min(count + 1, 257) + 1
    assert remote.requests["read"] == remote.requests["download"] == 0
    assert size_of(project) == remote.bytes_in


def test_equal_files_travel_once(make: Callable[[dict[str, str]], Project], remote: Place) -> None:
    project = make({f"d/{number}": "the same" for number in range(50)})

    push(project, [], SyncOptions(), Silent())

    assert 2 == remote.requests["upload"]


@pytest.mark.parametrize("count", [40, 600])
def test_a_second_push_only_looks(
    make: Callable[[dict[str, str]], Project], remote: Place, count: int
) -> None:
    project = make(many(count))
    push(project, [], SyncOptions(), Silent())
    remote.forget()

    report = push(reopened(Path(project.root)), [], SyncOptions(), Silent())

    assert 0 == report.transferred
    assert {"stat", "list"} >= set(remote.requests)
    assert remote.requests.total() <= min(count + 1, 257) + 1
    assert (0, 0) == (remote.bytes_in, remote.bytes_out)


def test_after_one_change_two_objects_travel(
    make: Callable[[dict[str, str]], Project], remote: Place, tmp_path: Path
) -> None:
    project = make(many(300))
    push(project, [], SyncOptions(), Silent())
    remote.forget()
    write_files(tmp_path / "p", {"d/0/0": "changed"})
    project = reopened(tmp_path / "p")
    add(project, ["d"], AddOptions(), Silent())

    push(project, [], SyncOptions(), Silent())

    assert 2 == remote.requests["upload"]


@pytest.mark.parametrize("count", [1, 40, 600])
def test_a_fetch_downloads_each_object_once_and_no_byte_more(
    make: Callable[[dict[str, str]], Project], remote: Place, count: int
) -> None:
    project = make(many(count))
    push(project, [], SyncOptions(), Silent())
    total = remote.bytes_in
    project = without_cache(project)
    remote.forget()

    report = fetch(project, [], SyncOptions(), Silent())

    assert count + 1 == report.transferred
    assert (count, 1) == (remote.requests["download"], remote.requests["read"])
    assert remote.requests["stat"] + remote.requests["list"] <= min(count, 256) + 1
    assert (total, 0) == (remote.bytes_out, remote.bytes_in)


def test_a_fetch_of_a_part_brings_that_part_only(
    make: Callable[[dict[str, str]], Project], remote: Place
) -> None:
    files = many(70)
    project = make(files)
    push(project, [], SyncOptions(), Silent())
    project = without_cache(project)
    remote.forget()

    fetch(project, ["d/3"], SyncOptions(), Silent())

    wanted = [text for path, text in files.items() if path.startswith("d/3/")]
    manifest = len(next(data for key, data in remote.objects.items() if key.endswith(".dir")))
    assert len(wanted) == remote.requests["download"]
    assert manifest + sum(map(len, wanted)) == remote.bytes_out


def test_a_fetch_of_one_file_brings_one_file(
    make: Callable[[dict[str, str]], Project], remote: Place
) -> None:
    project = make(many(70))
    push(project, [], SyncOptions(), Silent())
    project = without_cache(project)
    remote.forget()

    fetch(project, ["d/3/10"], SyncOptions(), Silent())

    assert (1, 1) == (remote.requests["download"], remote.requests["stat"])


def test_a_fetch_with_nothing_missing_asks_nobody(
    make: Callable[[dict[str, str]], Project], remote: Place
) -> None:
    project = make(many(70))

    fetch(reopened(Path(project.root)), [], SyncOptions(), Silent())

    assert 0 == remote.requests.total()


def test_a_comparison_with_the_remote_moves_nothing(
    make: Callable[[dict[str, str]], Project], remote: Place
) -> None:
    project = make(many(70))

    cloud_status(project, [], SyncOptions(), Silent())

    assert {"stat", "list"} >= set(remote.requests)
    assert (0, 0) == (remote.bytes_in, remote.bytes_out)
