"""gc and verify on a remote that is no folder: a transport in memory, every request counted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pannier.core.errors import AccessDenied, PannierError, TransferFailed, TransportError
from pannier.core.events import Silent
from pannier.ops.add import AddOptions, add
from pannier.ops.gc import GcOptions, gc
from pannier.ops.sync import SyncOptions, push
from pannier.ops.verify import VerifyOptions, verify_remote
from pannier.project.project import Project
from pannier.project.roots import Scope
from pannier.store import schemes
from tests.support import memory_transport
from tests.support.crash import md5
from tests.support.memory_transport import Place, place_of
from tests.support.opened import open_new, reopened, write_files

GC = GcOptions(Scope(), cloud=True)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Two outputs, pushed; one of them was given up since."""
    monkeypatch.setitem(schemes._TRANSPORTS, "s3", memory_transport.WHERE)
    root = tmp_path / "p"
    made = open_new(root, f"[core]\n    remote = m\n['remote \"m\"']\n    url = s3:/{tmp_path}\n")
    write_files(root, {"d/a": "a", "d/b": "b", "old/c": "c", "old/d": "d"})
    add(made, ["d", "old"], AddOptions(), Silent())
    push(made, [], SyncOptions(), Silent())
    made.close()
    (root / "old.dvc").unlink()
    return reopened(root)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return place_of(f"s3:/{tmp_path}")


def names_of(place: Place) -> set[str]:
    keys = (key.removeprefix("files/md5/") for key in place.objects)
    return {key.replace("/", "") for key in keys if not key.startswith("quarantine/")}


def test_gc_deletes_lists_before_files_and_nothing_that_is_in_use(
    project: Project, place: Place
) -> None:
    report = gc(project, GC, Silent())

    assert {md5(b"a"), md5(b"b")} < names_of(place)
    assert 3 == len(names_of(place))
    assert [3, 0, 3, 0] == [removed.count for removed in report.removed]
    deleted = [key for kind, key in place.log if kind == "delete"]
    assert deleted[0].endswith(".dir")
    assert 3 == len(deleted)


def test_a_list_that_cannot_be_deleted_keeps_its_files(project: Project, place: Place) -> None:
    key = next(key for key in place.objects if key.endswith(".dir") and _holds(place, key, b"c"))
    place.faults["delete", key] = [TransportError("no")] * 9

    with pytest.raises(TransferFailed):
        gc(project, GC, Silent())

    assert {md5(b"c"), md5(b"d")} < names_of(place)


def _holds(place: Place, key: str, data: bytes) -> bool:
    return md5(data).encode() in place.objects[key]


def test_a_remote_that_forbids_to_delete_is_an_error(project: Project, place: Place) -> None:
    key = next(key for key in place.objects if key.endswith(".dir") and _holds(place, key, b"c"))
    place.faults["delete", key] = [AccessDenied("no")]

    with pytest.raises(AccessDenied):
        gc(project, GC, Silent())


def test_a_list_that_nobody_has_keeps_the_remote_whole(project: Project, place: Place) -> None:
    for key in [key for key in place.objects if key.endswith(".dir")]:
        del place.objects[key]
    shutil.rmtree(project.cache_dir)
    before = dict(place.objects)

    with pytest.raises(PannierError, match="these lists of files cannot be read"):
        gc(project, GcOptions(Scope(skip_failed=True), cloud=True), Silent())

    assert before == place.objects


def test_damage_is_found_put_aside_and_mended(project: Project, place: Place) -> None:
    good = dict(place.objects)
    wrong = [f"files/md5/{name[:2]}/{name[2:]}" for name in (md5(b"a"), md5(b"c"))]
    for key in wrong:
        place.objects[key] = b"x"

    found = verify_remote(project, VerifyOptions(), Silent())
    kept = [key for key in place.objects if key.startswith("files/md5/quarantine/")]
    mended = verify_remote(project, VerifyOptions(repair=True), Silent())

    assert {md5(b"a"), md5(b"c")} == {finding.name for finding in found.left}
    assert 2 == len(kept)
    assert [b"x", b"x"] == [place.objects[key] for key in kept]
    assert [] == mended.left
    assert good.items() <= place.objects.items()


def test_each_object_is_downloaded_once(project: Project, place: Place) -> None:
    place.requests.clear()

    report = verify_remote(project, VerifyOptions(), Silent())

    assert 6 == report.checked == place.requests["download"]
    assert 2 >= place.requests["read"]


def test_damage_that_cannot_be_moved_is_still_told(project: Project, place: Place) -> None:
    name = md5(b"a")
    key = f"files/md5/{name[:2]}/{name[2:]}"
    place.objects[key] = b"x"
    place.faults["delete", key] = [TransportError("read only")]

    report = verify_remote(project, VerifyOptions(repair=True), Silent())

    assert [name] == [finding.name for finding in report.left]
    assert report.left[0].in_place
