"""Intake: files become objects, and nothing that is not durable is spoken of."""

from __future__ import annotations

import hashlib
import os
import stat
from array import array
from pathlib import Path

import pytest

from pannier.core.errors import DiskError
from pannier.core.events import Silent
from pannier.disk.walk import scan, stat_key
from pannier.store.intake import Intake
from pannier.store.objects import Store
from pannier.store.sources import Source, hash_unknown, racy_ns
from pannier.store.statcache import StatCache
from tests.support.opened import make_read_only_file, write_files

RACY_NS = racy_ns(1)
LATER_NS = 10 * RACY_NS
FILES: dict[str, str | bytes] = {"a": "one", "b": "two", "c": "one", "d/e": "three", "d/empty": ""}


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "cache"), StatCache(None))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    write_files(tmp_path / "work", FILES)
    return tmp_path / "work"


def sources_of(work: Path) -> list[Source]:
    return [
        Source(str(work / folder.path), str(work / folder.path), folder)
        for folder in scan(str(work)).folders
        if folder.names
    ]


def now_ns(work: Path) -> int:
    return max(path.stat().st_ctime_ns for path in work.rglob("*"))


def put(store: Store, sources: list[Source], kinds: list[str], clock_ns: int = 0) -> None:
    Intake(store, kinds, clock_ns, Silent()).put(sources)


def digests(work: Path, sources: list[Source]) -> dict[str, str]:
    return {
        os.path.relpath(source.path(index), work): source.hex(index)
        for source in sources
        for index in range(len(source.folder))
    }


KINDS = pytest.mark.parametrize(
    "kinds",
    [["copy"], ["reflink", "copy"], ["hardlink", "copy"], ["symlink", "copy"]],
    ids="-".join,
)


@KINDS
def test_every_file_is_an_object_afterwards(store: Store, work: Path, kinds: list[str]) -> None:
    sources = sources_of(work)

    put(store, sources, kinds)

    expected = {path: md5((work / path).read_bytes()) for path in FILES}
    assert expected == digests(work, sources)
    assert set(expected.values()) == set(store.listing())
    assert {name: name for name in expected.values()} == {
        name: md5(store.read(name)) for name in store.listing()
    }


@KINDS
def test_the_files_are_as_they_were(store: Store, work: Path, kinds: list[str]) -> None:
    before = {path: ((work / path).stat().st_ino, (work / path).read_bytes()) for path in FILES}

    put(store, sources_of(work), kinds)

    assert before == {
        path: ((work / path).stat().st_ino, (work / path).read_bytes()) for path in FILES
    }


def test_a_copy_does_not_touch_the_mode_of_the_file(store: Store, work: Path) -> None:
    (work / "a").chmod(0o640)

    put(store, sources_of(work), ["copy"])

    assert 0o640 == stat.S_IMODE((work / "a").stat().st_mode)


def test_a_hard_linked_file_is_the_object_and_read_only(store: Store, work: Path) -> None:
    put(store, sources_of(work), ["hardlink", "copy"])

    assert os.path.samefile(work / "b", store.path(md5(b"two")))
    assert 0o444 == stat.S_IMODE((work / "b").stat().st_mode)


@KINDS
def test_a_file_that_somebody_has_open_for_writing_is_stored_by_copy(
    store: Store, work: Path, kinds: list[str]
) -> None:
    with open(work / "b", "a") as writing:
        put(store, sources_of(work), kinds)
        writing.write(" and more")

    assert b"two" == store.read(md5(b"two"))
    assert "two and more" == (work / "b").read_text()


@KINDS
def test_a_link_to_a_file_is_stored_as_the_file_and_stays_a_link(
    store: Store, work: Path, tmp_path: Path, kinds: list[str]
) -> None:
    (tmp_path / "elsewhere").write_text("elsewhere")
    (work / "link").symlink_to(tmp_path / "elsewhere")

    put(store, sources_of(work), kinds)

    assert b"elsewhere" == store.read(md5(b"elsewhere"))
    assert (work / "link").is_symlink()
    assert not os.path.samefile(tmp_path / "elsewhere", store.path(md5(b"elsewhere")))


@KINDS
def test_a_damaged_object_is_replaced_by_the_good_file(
    store: Store, work: Path, kinds: list[str]
) -> None:
    make_read_only_file(Path(store.path(md5(b"two"))), b"damaged")

    put(store, sources_of(work), kinds)

    assert b"two" == store.read(md5(b"two"))
    assert 1 == len(os.listdir(f"{store.root}/quarantine"))


@KINDS
def test_a_file_that_vanished_since_it_was_listed_is_dropped(
    store: Store, work: Path, kinds: list[str]
) -> None:
    sources = sources_of(work)
    (work / "b").unlink()

    put(store, sources, kinds)

    assert {"a", "c", "d/e", "d/empty"} == set(digests(work, sources))
    assert not store.has(md5(b"two"))


def test_a_file_that_may_not_be_read_stops_everything(store: Store, work: Path) -> None:
    sources = sources_of(work)
    (work / "b").unlink()
    (work / "b").mkdir()

    with pytest.raises(DiskError, match=r"'.*work/b'"):
        put(store, sources, ["copy"])
    assert [] == list(store.listing())


def test_known_digests_are_believed_and_not_read(store: Store, work: Path) -> None:
    (source, *_) = sources_of(work)
    make_read_only_file(Path(store.path("1" * 32)), b"x")
    source.digests[:] = bytes.fromhex("1" * 32) * 3
    store.note_verified(
        ["1" * 32], array("q", stat_key(os.stat(store.path("1" * 32)))).tobytes(), flushed=True
    )

    put(store, [source], ["copy"])

    assert {"1" * 32} == set(store.listing())


# -- hashing what is not known ----


def test_what_was_hashed_long_after_its_last_change_is_settled(work: Path) -> None:
    sources = sources_of(work)

    hash_unknown(sources, "md5", now_ns(work) + LATER_NS, Silent())

    assert all(all(source.settled) for source in sources)


@pytest.mark.parametrize("ahead", [0, RACY_NS // 2, -RACY_NS // 2])
def test_what_changed_just_now_is_not_settled(work: Path, ahead: int) -> None:
    sources = sources_of(work)

    hash_unknown(sources, "md5", now_ns(work) + ahead, Silent())

    assert not any(any(source.settled) for source in sources)


def test_in_a_batch_only_the_young_are_unsettled(work: Path) -> None:
    """The change time cannot be set, so here all are young but those of a far future."""
    (source,) = [s for s in sources_of(work) if s.folder.path == ""]
    clock = now_ns(work) + LATER_NS
    young = source.folder.names.index("b")
    os.utime(work / "b", ns=(clock, clock))

    hash_unknown([source], "md5", clock, Silent())

    assert [name != "b" for name in source.folder.names] == [bool(s) for s in source.settled]
    assert not source.settled[young]


def test_what_somebody_writes_to_is_not_settled(work: Path) -> None:
    sources = sources_of(work)
    with open(work / "b", "a"):
        hash_unknown(sources, "md5", now_ns(work) + LATER_NS, Silent())

    unsettled = [
        source.folder.names[index]
        for source in sources
        for index, settled in enumerate(source.settled)
        if not settled
    ]
    assert ["b"] == unsettled


def test_only_what_is_unknown_is_read(work: Path) -> None:
    (source,) = [s for s in sources_of(work) if s.folder.path == ""]
    at = source.folder.names.index("b")
    source.digests[:] = b"\1" * 48
    source.digests[at * 16 : at * 16 + 16] = bytes(16)

    assert [at] == source.unknown()
    hash_unknown([source], "md5", 0, Silent())

    assert {"b": md5(b"two"), "a": "01" * 16, "c": "01" * 16} == {
        name: source.hex(index) for index, name in enumerate(source.folder.names)
    }


@pytest.mark.parametrize("gone", [(), ("0",), ("7", "8", "39"), tuple(map(str, range(40)))])
def test_columns_stay_together_when_files_vanish(tmp_path: Path, gone: tuple[str, ...]) -> None:
    write_files(tmp_path / "w", {str(n): f"{n}" for n in range(40)})
    (source,) = sources_of(tmp_path / "w")
    for name in gone:
        (tmp_path / "w" / name).unlink()

    hash_unknown([source], "md5", 0, Silent())

    left = {str(n) for n in range(40)} - set(gone)
    assert {name: md5(name.encode()) for name in left} == {
        name: source.hex(index) for index, name in enumerate(source.folder.names)
    }
    assert (len(left), len(left) * 4) == (len(source.settled), len(source.folder.stats))
    assert len(left) == len(source.flags) == len(source.hexes())
