"""StatCache: lost or damaged rows cost time, never truth."""

from __future__ import annotations

import os
import sqlite3
from array import array
from pathlib import Path

import pytest

from pannier.store.statcache import FolderRow, StatCache, TreeRow, fingerprint

ROW = FolderRow(["a", "b"], bytes(range(64)), bytes(range(32)))
TREE = TreeRow(b"f" * 16, "0" * 32 + ".dir", 7, 2, b"p")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "state.db"


def opened(path: Path) -> StatCache:
    return StatCache(str(path))


def changed(path: Path, statement: str) -> None:
    db = sqlite3.connect(path)
    db.execute(statement)
    db.commit()
    db.close()


@pytest.mark.parametrize("flushed", [True, False])
def test_a_folder_is_remembered_by_the_next_process(path: Path, flushed: bool) -> None:
    cache = opened(path)
    cache.put_folders([("/w/d", ROW)], "md5", flushed=flushed)
    cache.close()

    assert {"/w/d": ROW} == opened(path).folders(["/w/d", "/w/e"], "md5")


def test_a_row_counts_for_its_algorithm_only(path: Path) -> None:
    cache = opened(path)
    cache.put_folders([("/w/d", ROW)], "md5", flushed=True)
    cache.put_tree("/w/d", "md5", TREE, flushed=True)

    assert {} == cache.folders(["/w/d"], "md5-dos2unix")
    assert cache.tree("/w/d", "md5-dos2unix") is None


def test_a_newer_row_takes_the_place_of_an_older(path: Path) -> None:
    cache = opened(path)
    cache.put_folders([("/w/d", ROW)], "md5", flushed=True)
    newer = FolderRow(["c"], bytes(32), bytes(16))
    cache.put_folders([("/w/d", newer)], "md5", flushed=True)

    assert {"/w/d": newer} == cache.folders(["/w/d"], "md5")


def test_more_folders_than_one_statement_holds_are_found(path: Path) -> None:
    cache = opened(path)
    rows = [(f"/w/{number}", ROW) for number in range(1201)]
    cache.put_folders(rows, "md5", flushed=True)

    assert dict(rows) == cache.folders([name for name, _ in rows], "md5")


def test_names_that_are_no_utf_8_are_kept(path: Path) -> None:
    row = FolderRow(["\udcff", "é"], bytes(64), bytes(32))
    cache = opened(path)
    cache.put_folders([("/w/\udcfe", row)], "md5", flushed=True)

    assert {"/w/\udcfe": row} == cache.folders(["/w/\udcfe"], "md5")


def test_a_row_by_name_is_stats_and_digest() -> None:
    assert {
        "a": (bytes(range(32)), bytes(range(16))),
        "b": (bytes(range(32, 64)), bytes(range(16, 32))),
    } == ROW.by_name()


@pytest.mark.parametrize("column", ["names", "stats", "digests", "boot"])
def test_a_row_that_was_tampered_with_does_not_count(path: Path, column: str) -> None:
    cache = opened(path)
    cache.put_folders([("/w/d", ROW)], "md5", flushed=True)
    cache.close()
    changed(
        path,
        f"update folders set {column} = cast('' as blob)"
        if column != "boot"
        else "update folders set sum = x'00'",
    )

    assert {} == opened(path).folders(["/w/d"], "md5")


def test_unflushed_rows_of_another_boot_do_not_count(path: Path) -> None:
    cache = opened(path)
    cache._boot = "an earlier boot"
    cache.put_folders([("/w/unflushed", ROW)], "md5", flushed=False)
    cache.put_folders([("/w/flushed", ROW)], "md5", flushed=True)
    cache.put_tree("/w/unflushed", "md5", TREE, flushed=False)
    cache.put_tree("/w/flushed", "md5", TREE, flushed=True)
    cache.close()

    now = opened(path)
    assert ["/w/flushed"] == list(now.folders(["/w/unflushed", "/w/flushed"], "md5"))
    assert now.tree("/w/unflushed", "md5") is None
    assert TREE == now.tree("/w/flushed", "md5")


@pytest.mark.parametrize("content", [b"", b"no database at all " * 100, b"SQLite format 3\0" * 9])
def test_a_damaged_file_is_dropped_and_made_anew(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_bytes(content)

    cache = opened(path)
    assert {} == cache.folders(["/w/d"], "md5")
    cache.put_folders([("/w/d", ROW)], "md5", flushed=True)
    cache.close()

    assert {"/w/d": ROW} == opened(path).folders(["/w/d"], "md5")


def test_damage_in_the_middle_of_the_file_is_no_error(path: Path) -> None:
    cache = opened(path)
    cache.put_folders([(f"/w/{n}", ROW) for n in range(500)], "md5", flushed=True)
    cache.close()
    data = bytearray(path.read_bytes())
    data[4096:-100] = os.urandom(len(data) - 4196)
    path.write_bytes(data)

    cache = opened(path)
    assert isinstance(cache.folders([f"/w/{n}" for n in range(500)], "md5"), dict)
    assert cache.tree("/w/d", "md5") is None
    assert [] == cache.links()
    cache.put_folders([("/w/d", ROW)], "md5", flushed=True)


def test_a_file_of_another_version_is_dropped(path: Path) -> None:
    cache = opened(path)
    cache.put_folders([("/w/d", ROW)], "md5", flushed=True)
    cache.close()
    changed(path, "pragma user_version=99")

    assert {} == opened(path).folders(["/w/d"], "md5")


def test_a_folder_that_others_may_write_to_is_not_believed(path: Path) -> None:
    cache = opened(path)
    cache.put_folders([("/w/d", ROW)], "md5", flushed=True)
    cache.close()
    path.parent.chmod(0o777)

    assert {} == opened(path).folders(["/w/d"], "md5")


def test_without_a_place_it_works_in_memory() -> None:
    cache = StatCache(None)
    cache.put_folders([("/w/d", ROW)], "md5", flushed=False)

    assert {"/w/d": ROW} == cache.folders(["/w/d"], "md5")


def test_a_place_that_cannot_be_made_is_no_error() -> None:
    cache = StatCache("/proc/nowhere/state.db")
    cache.put_folders([("/w/d", ROW)], "md5", flushed=False)

    assert {"/w/d": ROW} == cache.folders(["/w/d"], "md5")


def test_a_database_that_another_process_is_writing_is_left_alone(path: Path) -> None:
    """Busy is not damaged: nothing is known then, and nothing is dropped."""
    cache = opened(path)
    cache.put_folders([("/w/d", ROW)], "md5", flushed=True)
    cache.close()
    inode = path.stat().st_ino
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("begin exclusive")

    busy = opened(path)
    assert {} == busy.folders(["/w/d"], "md5")
    busy.put_folders([("/w/e", ROW)], "md5", flushed=True)
    busy.close()
    writer.execute("rollback")
    writer.close()

    assert inode == path.stat().st_ino
    assert {"/w/d": ROW} == opened(path).folders(["/w/d"], "md5")


def test_links_are_remembered_until_they_are_dropped(path: Path) -> None:
    cache = opened(path)
    cache.put_links([("/w/a", "0" * 32, "md5"), ("/w/b", "1" * 32, "md5")])
    cache.put_links([("/w/a", "2" * 32, "md5")])
    cache.drop_links(["/w/b", "/w/nothing"])
    cache.close()

    assert [("/w/a", "2" * 32, "md5")] == opened(path).links()


def test_a_write_that_fails_half_way_changes_nothing(path: Path) -> None:
    cache = opened(path)
    cache.put_links([("/w/a", "0" * 32, "md5")])

    def rows() -> object:
        yield ("/w/b", "1" * 32, "md5")
        raise KeyError

    with pytest.raises(KeyError):
        cache.put_links(rows())  # type: ignore[arg-type]
    assert [("/w/a", "0" * 32, "md5")] == cache.links()


def test_every_name_stat_and_folder_counts_in_the_fingerprint() -> None:
    parts = [("", ["a", "b"], array("q", range(8))), ("d", ["c"], array("q", range(4)))]
    others = [
        [("", ["a", "c"], array("q", range(8))), parts[1]],
        [("", ["b", "a"], array("q", range(8))), parts[1]],
        [("", ["a", "b"], array("q", range(1, 9))), parts[1]],
        [parts[0], ("e", ["c"], array("q", range(4)))],
        [parts[0]],
        [parts[1], parts[0]],
        [
            ("", ["a"], array("q", range(4))),
            ("d", ["b", "c"], array("q", [4, 5, 6, 7, 0, 1, 2, 3])),
        ],
        [*parts, ("empty", [], array("q"))],
    ]

    prints = [fingerprint(tree) for tree in [parts, *others]]  # type: ignore[arg-type]
    assert len(prints) == len(set(prints))
    assert prints[0] == fingerprint(parts)  # type: ignore[arg-type]


def test_what_was_foreseen_is_asked_with_one_query_and_given_out_once(tmp_path: Path) -> None:
    cache = StatCache(str(tmp_path / "c" / "state.db"))
    row = ROW
    newer = FolderRow(["c", "d"], bytes(64), bytes(32))
    cache.put_folders([(f"/p/{n}", row) for n in range(3)], "md5", flushed=True)

    queries: list[str] = []
    cache._open().set_trace_callback(queries.append)
    cache.foresee([f"/p/{n}" for n in range(4)], "md5")
    first = [cache.folders([f"/p/{n}"], "md5") for n in range(4)]
    asked = list(queries)
    cache.put_folders([("/p/0", newer)], "md5", flushed=True)

    assert [{"/p/0": row}, {"/p/1": row}, {"/p/2": row}, {}] == first
    assert 1 == len(asked)
    assert {"/p/0": newer} == cache.folders(["/p/0"], "md5")


def test_what_was_put_since_is_not_given_out_as_it_was_foreseen(tmp_path: Path) -> None:
    cache = StatCache(str(tmp_path / "c" / "state.db"))
    old = ROW
    newer = FolderRow(["c", "d"], bytes(64), bytes(32))
    cache.put_folders([("/p/0", old), ("/p/1", old)], "md5", flushed=True)
    cache.foresee(["/p/0", "/p/1"], "md5")

    cache.put_folders([("/p/0", newer)], "md5", flushed=True)

    assert {"/p/0": newer} == cache.folders(["/p/0"], "md5")


def test_single_rows_are_written_together_and_at_the_latest_at_the_end(tmp_path: Path) -> None:
    path = str(tmp_path / "c" / "state.db")
    cache = StatCache(path)
    cache.put_links([("/p/0", "a" * 32, "md5")])  # a first one, so that the file is there
    assert [("/p/0", "a" * 32, "md5")] == cache.links()
    commands: list[str] = []
    cache._open().set_trace_callback(commands.append)

    for n in range(1, 50):
        cache.put_links([(f"/p/{n}", "a" * 32, "md5")])

    assert [] == commands
    cache.close()
    assert 50 == len(StatCache(path).links())
