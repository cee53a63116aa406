"""Store: content-addressed objects on this machine."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from pathlib import Path

import pytest

from pannier.core.errors import CorruptObject, MissingObject
from pannier.core.manifest import Manifest
from pannier.store.objects import Store
from pannier.store.publishing import put_bytes
from pannier.store.statcache import StatCache
from tests.support.opened import make_read_only_file


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "cache" / "files" / "md5"), StatCache(None))


def put(store: Store, data: bytes, name: str = "") -> str:
    name = name or md5(data)
    make_read_only_file(Path(store.path(name)), data)
    return name


def quarantined(store: Store) -> list[str]:
    folder = Path(store.root) / "quarantine"
    return sorted(path.name.split(".")[0] for path in folder.iterdir()) if folder.is_dir() else []


def test_an_object_lies_below_its_first_two_digits(store: Store) -> None:
    assert f"{store.root}/ab/cdef" == store.path("abcdef")
    assert f"{store.root}/ab" == store.folder("abcdef")


@pytest.mark.parametrize("others", [0, 2000])
def test_present_tells_what_is_there_by_asking_and_by_listing(store: Store, others: int) -> None:
    here = {put(store, b"%d" % number) for number in range(20)}
    absent = {md5(b"x%d" % number) for number in range(3 + others)}

    assert here == store.present(here | absent)
    assert absent == store.missing(here | absent)


def test_listing_tells_objects_and_nothing_else(store: Store) -> None:
    names = {put(store, b"x"), put(store, b"[]", md5(b"[]") + ".dir")}
    for odd in ("ab/short", "tmp/" + "0" * 30, "quarantine/x", "zz/" + "0" * 30):
        make_read_only_file(Path(store.root) / odd, b"")
    (Path(store.root) / "cd").write_text("a file where a folder belongs")

    assert names == set(store.listing())


def test_what_is_read_was_verified(store: Store) -> None:
    assert b"x" == store.read(put(store, b"x"))


def test_a_damaged_object_is_put_aside_and_not_handed_on(store: Store) -> None:
    put(store, b"damaged", "0" * 32)

    with pytest.raises(CorruptObject) as caught:
        store.read("0" * 32)

    assert ("0" * 32, md5(b"damaged")) == (caught.value.name, caught.value.found)
    assert not store.has("0" * 32)
    assert ["0" * 32] == quarantined(store)


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_what_is_no_file_in_the_place_of_an_object_is_put_aside(store: Store, kind: str) -> None:
    name = "0" * 30 + "11.dir"
    place = Path(store.path(name))
    place.parent.mkdir(parents=True)
    if kind == "folder":
        place.mkdir()
        (place / "x").write_bytes(b"x")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to("/etc/passwd")

    with pytest.raises(CorruptObject):
        store.read(name)

    assert [name.removesuffix(".dir")] == quarantined(store)
    assert not os.path.lexists(place)


def test_what_is_missing_is_missing(store: Store) -> None:
    with pytest.raises(MissingObject):
        store.read("0" * 32)
    assert store.quarantine("0" * 32) is None


def test_a_manifest_is_read_once(store: Store) -> None:
    manifest = Manifest(["a"], ["1" * 32])
    name = put(store, manifest.to_bytes(), manifest.digest_hex())

    first = store.manifest(name)
    os.unlink(store.path(name))

    assert manifest == first
    assert first is store.manifest(name)


def test_a_manifest_that_was_just_made_is_not_read(store: Store) -> None:
    manifest = Manifest([], [])
    store.keep_manifest("x.dir", manifest)

    assert manifest is store.manifest("x.dir")


def test_verifying_puts_the_damaged_aside_and_names_them_and_the_missing(store: Store) -> None:
    good, bad = put(store, b"good"), put(store, b"bad", "0" * 32)

    assert {bad, "1" * 32} == store.verify([good, bad, "1" * 32])
    assert (True, False) == (store.has(good), store.has(bad))
    assert [bad] == quarantined(store)


def test_what_was_verified_is_not_read_again_until_its_stats_change(store: Store) -> None:
    name = put(store, b"good")
    assert set() == store.verify([name])
    path = Path(store.path(name))
    before = os.stat(path).st_mtime_ns
    path.chmod(0o644)
    path.write_bytes(b"evil")
    path.chmod(0o444)
    os.utime(path, ns=(before, before))

    # The mode, the size and the mtime are as they were; ctime is not.
    assert {name} == store.verify([name])


def test_the_verified_record_holds_the_stats_of_that_moment(store: Store) -> None:
    names = [put(store, b"%d" % number) for number in range(3)]
    store.verify(names[:2])

    found = store.verified_stats(names)

    width = len(found) // 3
    assert bytes(width) == found[2 * width :]
    inode = int.from_bytes(found[width - 8 : width], "little")
    assert os.stat(store.path(names[0])).st_ino == inode


def test_the_record_of_one_object_does_not_drop_its_neighbours(store: Store) -> None:
    first, second = "ab" + "0" * 30, "ab" + "1" * 30
    store.note_verified([first], b"\1" * 32, flushed=True)
    store.note_verified([second], b"\2" * 32, flushed=True)

    assert b"\1" * 32 + b"\2" * 32 == store.verified_stats([first, second])


def test_presence_changes_whenever_an_object_comes_or_goes(store: Store) -> None:
    assert b"" == store.presence()
    put(store, b"1")
    seen = [store.presence()]
    put(store, b"2")
    seen.append(store.presence())
    os.unlink(store.path(md5(b"2")))
    seen.append(store.presence())

    assert 3 == len(set(seen))
    assert seen[-1] == store.presence()


def test_presence_lasts_once_the_clock_has_passed_the_last_change(store: Store) -> None:
    put(store, b"1")
    os.makedirs(f"{store.root}/tmp", exist_ok=True)

    assert store.presence() == store.presence(lasting=True, ticks=10)


@pytest.mark.parametrize("scratch", ["tmp", "nowhere"])
def test_a_store_that_changed_in_the_future_has_no_presence_that_lasts(
    store: Store, scratch: str
) -> None:
    """The clock was set back, or is another machine's; it is asked by a file in tmp, if it may."""
    put(store, b"1")
    os.makedirs(f"{store.root}/{scratch}")
    later = time.time() + 3600
    os.utime(store.folder(md5(b"1")), (later, later))

    assert b"" == store.presence(lasting=True)
    assert b"" != store.presence()


def test_bytes_that_are_put_are_an_object_with_no_traces_of_the_way(store: Store) -> None:
    put_bytes(store, md5(b"[]") + ".dir", b"[]")

    path = Path(store.path(md5(b"[]") + ".dir"))
    assert b"[]" == path.read_bytes()
    assert 0o444 == stat.S_IMODE(path.stat().st_mode)
    assert [] == os.listdir(f"{store.root}/tmp")


def test_putting_what_is_there_changes_nothing(store: Store) -> None:
    name = put(store, b"[]", md5(b"[]") + ".dir")
    inode = os.stat(store.path(name)).st_ino

    put_bytes(store, name, b"[]")

    assert inode == os.stat(store.path(name)).st_ino


def test_putting_a_good_object_replaces_its_damaged_twin(store: Store) -> None:
    name = md5(b"[]") + ".dir"
    put(store, b"damaged", name)

    put_bytes(store, name, b"[]")

    assert b"[]" == store.read(name)
    assert [md5(b"[]")] == quarantined(store)


def test_a_shared_cache_is_made_for_the_group(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "cache"), StatCache(None), shared=True)

    put_bytes(store, md5(b"[]") + ".dir", b"[]")

    for folder in (store.root, store.folder(md5(b"[]"))):
        assert 0o2775 == stat.S_IMODE(os.stat(folder).st_mode)
