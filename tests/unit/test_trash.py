"""The trash of a store, and the notes of what was used again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pannier.core.events import Silent
from pannier.core.gc import GcPlan
from pannier.store import reuse, trash
from pannier.store.objects import Store
from pannier.store.publishing import put_bytes
from pannier.store.statcache import StatCache
from tests.support.crash import md5

DAY_NS = 24 * 3600 * 1_000_000_000
NOW_NS = 1_700_000_000_000_000_000
MARK = trash.mark_of(NOW_NS)
TASK = Silent().task("")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "md5"), StatCache(None), common=True)


def put(store: Store, data: bytes, suffix: str = "") -> str:
    name = md5(data) + suffix
    put_bytes(store, name, data)
    return name


def test_what_was_taken_out_can_be_brought_back(store: Store) -> None:
    names = [put(store, b"one"), put(store, b"two"), put(store, b"[]", ".dir")]

    moved = trash.take_out(store, GcPlan(names[2:], names[:2]), MARK, TASK)
    gone = store.missing(names)
    done = trash.bring_back(store, MARK, TASK)

    assert 3 == moved
    assert set(names) == gone
    assert (3, 0) == (done.restored, done.there)
    assert set() == store.missing(names)
    assert [] == trash.marks(store)


def test_an_object_that_is_there_again_is_not_overwritten(store: Store) -> None:
    name = put(store, b"one")
    trash.take_out(store, GcPlan([], [name]), MARK, TASK)
    put(store, b"one")
    inode = os.stat(store.path(name)).st_ino

    done = trash.bring_back(store, MARK, TASK)

    assert (0, 1) == (done.restored, done.there)
    assert inode == os.stat(store.path(name)).st_ino
    assert [] == trash.marks(store)


def test_a_good_object_of_the_trash_takes_the_place_of_a_damaged_one(store: Store) -> None:
    name = put(store, b"one")
    trash.take_out(store, GcPlan([], [name]), MARK, TASK)
    Path(store.path(name)).write_bytes(b"damaged")

    done = trash.bring_back(store, MARK, TASK)

    assert (1, 0) == (done.restored, done.there)
    assert b"one" == Path(store.path(name)).read_bytes()
    assert {name} == store.quarantined()


def test_an_object_that_somebody_else_took_is_passed_over(store: Store) -> None:
    name, gone = put(store, b"one"), put(store, b"two")
    os.unlink(store.path(gone))

    assert 1 == trash.take_out(store, GcPlan([], [gone, name]), MARK, TASK)


def test_only_what_is_old_leaves_the_trash(store: Store) -> None:
    old, young = put(store, b"old"), put(store, b"young")
    for name, at_ns in ((old, NOW_NS - 2 * DAY_NS), (young, NOW_NS)):
        trash.take_out(store, GcPlan([], [name]), trash.mark_of(at_ns), TASK)

    removed = trash.empty(store, NOW_NS - DAY_NS, TASK)

    assert 1 == removed
    assert [MARK] == trash.marks(store)
    assert [young] == trash.names_in(store, MARK)
    assert 1 == trash.empty(store, None, TASK)
    assert [] == os.listdir(f"{store.root}/trash")


def test_what_was_being_emptied_is_never_brought_back_and_goes_next_time(store: Store) -> None:
    name = put(store, b"one")
    trash.take_out(store, GcPlan([], [name]), MARK, TASK)
    os.rename(f"{store.root}/trash/{MARK}", f"{store.root}/trash/{MARK}.gone")

    assert [] == trash.marks(store)
    assert 1 == trash.empty(store, 0, TASK)
    assert [] == os.listdir(f"{store.root}/trash")


def test_marks_sort_as_time_does() -> None:
    times = [NOW_NS + step for step in (0, 1_000, 999_999_000, 1_000_000_000, DAY_NS, 400 * DAY_NS)]

    assert sorted(map(trash.mark_of, times)) == [trash.mark_of(at) for at in times]


def test_what_was_used_again_is_remembered_until_it_is_old(store: Store) -> None:
    name = put(store, b"one")
    reuse.note_reuse(store, [name, md5(b"two")])
    note = next(Path(store.root, "reused").iterdir())
    os.utime(note, ns=(NOW_NS, NOW_NS))

    assert {name, md5(b"two")} == reuse.reused_since(store, NOW_NS)
    assert set() == reuse.reused_since(store, NOW_NS + 1)

    reuse.forget_before(store, NOW_NS)
    assert note.exists()
    reuse.forget_before(store, NOW_NS + 1_000_000_000)
    assert not note.exists()


def test_a_note_that_is_torn_names_only_what_is_whole(store: Store) -> None:
    name = put(store, b"one")
    reuse.note_reuse(store, [name])
    next(Path(store.root, "reused").iterdir()).write_text(f"{name}\n{name[:7]}\n../../x\n")

    assert {name} == reuse.reused_since(store, 0)


def test_a_cache_of_ones_own_needs_no_notes(tmp_path: Path) -> None:
    own = Store(str(tmp_path / "md5"), StatCache(None))
    put(own, b"one")

    reuse.note_reuse(own, [md5(b"one")])

    assert not Path(own.root, "reused").exists()


def test_using_an_object_again_leaves_a_note_and_does_not_touch_it(store: Store) -> None:
    name = put(store, b"one")
    before = os.stat(store.path(name))

    put(store, b"one")

    assert before == os.stat(store.path(name))
    assert {name} == reuse.reused_since(store, 0)
