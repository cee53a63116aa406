"""push, fetch and the comparison with a remote, called as functions."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pannier.core.digest import MD5
from pannier.core.errors import NoRemote, TransferFailed, TransportError
from pannier.ops.add import AddOptions, add
from pannier.ops.sync import SyncOptions, SyncReport, cloud_status, fetch, push
from pannier.store import schemes
from pannier.store.remote import Remote
from tests.support import memory_transport
from tests.support.memory_transport import Place, place_of
from tests.support.opened import Told, open_new, reopened, write_files

ONE, TWO = "c4ca4238a0b923820dcc509a6f75849b", "c81e728d9d4c2f636f067f89cc14862c"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the files 1 and 2, and the file 1, added; the remote is in memory."""
    monkeypatch.setitem(schemes._TRANSPORTS, "s3", memory_transport.WHERE)
    project = open_new(
        tmp_path / "p",
        f"[core]\n    remote = m\n['remote \"m\"']\n    url = s3:/{tmp_path}\n",
    )
    write_files(tmp_path / "p", {"f": "1", "d/a": "1", "d/s/b": "2"})
    add(project, ["f", "d"], AddOptions(), Told())
    project.close()
    return tmp_path / "p"


@pytest.fixture
def place(root: Path) -> Place:
    return place_of(f"s3:/{root.parent}")


def run_push(root: Path, *targets: str) -> SyncReport:
    return push(reopened(root), targets, SyncOptions(), Told())


def run_fetch(root: Path, *targets: str) -> SyncReport:
    return fetch(reopened(root), targets, SyncOptions(), Told())


def changes(root: Path) -> dict[str, str]:
    return cloud_status(reopened(root), [], SyncOptions(), Told()).changes


def manifest_of(root: Path) -> str:
    return next(name for name in reopened(root).store.listing() if name.endswith(".dir"))


def lose(root: Path, name: str) -> None:
    os.unlink(reopened(root).store.path(name))


def test_what_was_pushed_can_be_fetched_into_an_empty_cache(root: Path) -> None:
    names = set(reopened(root).store.listing())
    run_push(root)
    shutil.rmtree(root / ".dvc/cache")

    report = run_fetch(root)

    assert 3 == report.transferred
    assert names == set(reopened(root).store.listing())
    assert set() == reopened(root).store.verify(sorted(names))


def test_a_remote_object_of_the_wrong_size_is_sent_again(root: Path, place: Place) -> None:
    run_push(root)
    place.objects[Remote.key(MD5, ONE)] = b""

    assert 1 == run_push(root).transferred
    assert b"1" == place.objects[Remote.key(MD5, ONE)]


def test_a_manifest_at_the_remote_proves_nothing_of_its_files(root: Path, place: Place) -> None:
    run_push(root)
    del place.objects[Remote.key(MD5, TWO)]

    assert 1 == run_push(root).transferred
    assert b"2" == place.objects[Remote.key(MD5, TWO)]


def test_what_is_nowhere_is_told_and_its_directory_is_not_sent(root: Path, place: Place) -> None:
    manifest = manifest_of(root)
    lose(root, TWO)

    report = run_push(root)

    assert [(MD5, TWO)] == [missing[:2] for missing in report.missing]
    assert [Remote.key(MD5, ONE)] == list(place.objects)
    assert reopened(root).store.has(manifest)


def test_an_upload_that_fails_is_an_error_with_its_reason(root: Path, place: Place) -> None:
    place.faults["upload", Remote.key(MD5, TWO)] = [TransportError("refused")]

    with pytest.raises(TransferFailed) as caught:
        run_push(root)

    assert (1, [(TWO, "refused")]) == (caught.value.count, caught.value.failures)
    assert Remote.key(MD5, manifest_of(root)) not in place.objects


def test_a_download_that_fails_is_an_error_and_the_rest_arrives(root: Path, place: Place) -> None:
    run_push(root)
    shutil.rmtree(root / ".dvc/cache")
    place.objects[Remote.key(MD5, TWO)] = b"!"

    with pytest.raises(TransferFailed):
        run_fetch(root)

    store = reopened(root).store
    assert (True, False) == (store.has(ONE), store.has(TWO))


def test_what_the_remote_lacks_is_told_and_the_rest_is_fetched(root: Path, place: Place) -> None:
    run_push(root)
    shutil.rmtree(root / ".dvc/cache")
    del place.objects[Remote.key(MD5, TWO)]

    report = run_fetch(root)

    assert [TWO] == [name for _, name, _ in report.missing]
    assert reopened(root).store.has(ONE)


def test_a_damaged_manifest_at_the_remote_is_refused(root: Path, place: Place) -> None:
    run_push(root)
    manifest = manifest_of(root)
    shutil.rmtree(root / ".dvc/cache")
    place.objects[Remote.key(MD5, manifest)] = b"[]"

    with pytest.raises(TransferFailed):
        run_fetch(root, "d")
    assert not reopened(root).store.has(manifest)


def test_outputs_may_have_a_remote_of_their_own(root: Path, place: Place, tmp_path: Path) -> None:
    with open(root / ".dvc/config", "a") as config:
        config.write(f"['remote \"other\"']\n    url = s3:/{tmp_path}/other\n")
    with open(root / "f.dvc", "a") as pointer:
        pointer.write("  remote: other\n")

    run_push(root)

    assert [Remote.key(MD5, ONE)] == list(place_of(f"s3:/{tmp_path}/other").objects)
    assert 3 == len(place.objects)


def test_what_is_not_to_be_pushed_is_not(root: Path, place: Place) -> None:
    for pointer in ("f.dvc", "d.dvc"):
        with open(root / pointer, "a") as file:
            file.write("  push: false\n")

    assert 0 == run_push(root).transferred
    assert {} == place.objects


def test_without_a_remote_a_push_is_an_error_and_a_complete_cache_needs_none(root: Path) -> None:
    (root / ".dvc/config").write_text("")

    with pytest.raises(NoRemote):
        run_push(root)
    assert 0 == run_fetch(root).transferred


def test_the_comparison_tells_where_what_is(root: Path, place: Place) -> None:
    assert {"new"} == set(changes(root).values())
    run_push(root)
    assert {} == changes(root)
    lose(root, TWO)
    assert ["deleted"] == list(changes(root).values())
    del place.objects[Remote.key(MD5, TWO)]
    assert ["missing"] == list(changes(root).values())
