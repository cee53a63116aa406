"""Two versions of a table, compared row by row."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pannier.core.errors import PannierError
from pannier.core.tables import CSV, Column, TableChanges, kind_of
from pannier.project.tables import Version, compare_tables
from tests.support.tables import write_table

KINDS = [".csv", ".tsv", ".jsonl", ".parquet"]
ROWS = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "c"}]
SLOW = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def compared(
    old: Path | None, new: Path | None, *key: str, kind: str | None = None, limit: int = 10
) -> TableChanges:
    def version(path: Path | None) -> Version | None:
        return Version(path.name, str(path)) if path is not None else None

    path = new or old
    assert path is not None
    return compare_tables(
        version(old), version(new), kind or kind_of(path.name) or "", key, limit, None
    )


@pytest.mark.parametrize("ending", KINDS)
def test_rows_are_told_apart_by_their_key(tmp_path: Path, ending: str) -> None:
    old = write_table(tmp_path / f"old{ending}", ROWS)
    new = write_table(
        tmp_path / f"new{ending}",
        [{"id": 4, "name": "d"}, {"id": 2, "name": "B"}, {"id": 1, "name": "a"}],
    )

    found = compared(old, new, "id")

    assert (3, 3, 1, 1, 1) == (
        *(found.old_rows, found.new_rows),
        *(found.rows_added, found.rows_removed, found.rows_changed),
    )
    assert ["4"] == [row["id"] for row in found.added]
    assert ["3"] == [row["id"] for row in found.removed]
    (changed,) = found.changed
    assert {"id": "2"} == changed.key
    assert ({"name"}, {"name"}) == (set(changed.old), set(changed.new))


@pytest.mark.parametrize("ending", KINDS)
def test_without_a_key_a_changed_row_is_one_removed_and_one_added(
    tmp_path: Path, ending: str
) -> None:
    old = write_table(tmp_path / f"old{ending}", ROWS)
    new = write_table(tmp_path / f"new{ending}", [*ROWS[1:], {"id": 1, "name": "A"}])

    found = compared(old, new)

    assert (1, 1, 0) == (found.rows_added, found.rows_removed, found.rows_changed)
    assert [["1"], ["1"]] == [[row["id"] for row in rows] for rows in (found.added, found.removed)]


@pytest.mark.parametrize(
    ("ending", "types"),
    [
        (".csv", ("integer", "text", "number")),
        (".tsv", ("integer", "text", "number")),
        (".jsonl", ("integer", "text", "number")),
        (".parquet", ("bigint", "varchar", "double")),
    ],
)
def test_columns_that_came_went_or_changed_their_type_are_told(
    tmp_path: Path, ending: str, types: tuple[str, str, str]
) -> None:
    integer, text, number = types
    old = write_table(tmp_path / f"old{ending}", [{"id": 1, "gone": "x", "v": 7}])
    new = write_table(tmp_path / f"new{ending}", [{"id": 1, "v": "seven", "fresh": 0.5}])

    found = compared(old, new, "id")

    assert [Column("fresh", number)] == found.columns_added
    assert [Column("gone", text)] == found.columns_removed
    assert [("v", integer, text)] == found.columns_changed
    assert 1 == found.rows_changed


def test_a_column_more_makes_no_row_differ(tmp_path: Path) -> None:
    old = write_table(tmp_path / "old.csv", ROWS)
    new = write_table(tmp_path / "new.csv", [{**row, "more": 1} for row in ROWS])

    found = compared(old, new)

    assert (0, 0) == (found.rows_added, found.rows_removed)
    assert ["more"] == [column.name for column in found.columns_added]


@pytest.mark.parametrize(
    ("before", "after"),
    [("1", "1.0"), ("1", "01"), ("a", "A"), ("x", "x "), ("1e3", "1000"), ("a,b", "ab")],
)
def test_what_is_written_differently_differs(tmp_path: Path, before: str, after: str) -> None:
    old = write_table(tmp_path / "old.csv", [{"id": 1, "v": before}])
    new = write_table(tmp_path / "new.csv", [{"id": 1, "v": after}])

    assert 1 == compared(old, new, "id").rows_changed


def test_cells_never_flow_into_one_another(tmp_path: Path) -> None:
    old = write_table(tmp_path / "old.csv", [{"a": 'x","y', "b": "z"}])
    new = write_table(tmp_path / "new.csv", [{"a": "x", "b": 'y","z'}])

    assert (1, 1) == ((found := compared(old, new)).rows_added, found.rows_removed)


@SLOW
@given(
    old=st.lists(st.tuples(st.integers(0, 4), st.sampled_from("ab")), max_size=8),
    new=st.lists(st.tuples(st.integers(0, 4), st.sampled_from("ab")), max_size=8),
)
def test_rows_are_counted_as_in_two_bags(
    tmp_path: Path, old: list[tuple[int, str]], new: list[tuple[int, str]]
) -> None:
    paths = []
    for name, rows in (("old", old), ("new", new)):
        path = tmp_path / f"{name}.csv"
        path.write_text("n,c\n" + "".join(f"{n},{c}\n" for n, c in rows))
        paths.append(path)

    found = compared(*paths)

    added, removed = list(new), list(old)
    for row in old:
        if row in added:
            added.remove(row)
    for row in new:
        if row in removed:
            removed.remove(row)
    assert (len(added), len(removed)) == (found.rows_added, found.rows_removed)
    assert (len(old), len(new)) == (found.old_rows, found.new_rows)


def test_a_key_that_names_two_rows_is_refused(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", [*ROWS, {"id": 2, "name": "z"}])

    with pytest.raises(PannierError, match="2 rows have id=2") as refused:
        compared(path, path, "id")
    assert refused.value.hint is not None


def test_a_key_of_two_columns_tells_them_apart(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", [*ROWS, {"id": 2, "name": "z"}])

    assert 0 == compared(path, path, "id", "name").rows_changed


def test_a_table_that_came_or_went_is_told_in_rows(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", ROWS)
    empty = tmp_path / "empty.csv"
    empty.touch()

    assert (3, 0) == ((f := compared(None, path, "id")).rows_added, f.rows_removed)
    assert (0, 3) == ((f := compared(path, None)).rows_added, f.rows_removed)
    assert (0, 3) == ((f := compared(path, empty)).rows_added, f.rows_removed)


def test_only_the_first_rows_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    old = write_table(tmp_path / "old.csv", [{"id": 0, "v": 0}])
    new = write_table(tmp_path / "new.csv", [{"id": n, "v": 1} for n in range(50)])

    for key in ((), ("id",)):
        found = compared(old, new, *key, limit=3)
        assert 3 == len(found.added)
        assert 49 <= found.rows_added <= 50
        assert found.added == sorted(found.added, key=lambda row: int(row["id"] or 0))


HOSTILE = ["a'; DROP TABLE x; --", "t[1]*?", 'q"uote', "spä ne", "a\nb", "$(x)", "{a,b}", "%s"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_of_a_file_is_only_a_name(tmp_path: Path, name: str) -> None:
    """A pattern would match more than the one file, or none."""
    write_table(tmp_path / "t1.csv", [{"other": 1}])
    old = write_table(tmp_path / "old.csv", ROWS)
    new = write_table(tmp_path / f"{name}.csv", ROWS[:2])

    assert 1 == compared(old, new, "id", kind=CSV).rows_removed


@pytest.mark.parametrize("name", [*HOSTILE[:4], "$(x)", "row_number", "n", "select", "h"])
def test_a_hostile_name_of_a_column_is_only_a_name(tmp_path: Path, name: str) -> None:
    old = write_table(tmp_path / "old.csv", [{name: 1, "v": 1}, {name: 2, "v": 1}])
    new = write_table(tmp_path / "new.csv", [{name: 1, "v": 2}])

    found = compared(old, new, name)

    assert (1, 1) == (found.rows_changed, found.rows_removed)
    assert [{name: "2", "v": "1"}] == found.removed


@pytest.mark.parametrize(
    ("ending", "data"),
    [
        (".csv", b"a,b\n1,2,3,4\n1\n"),
        (".csv", b'"a\nb",c\r\n1,2\r\n'),
        (".jsonl", b"{not json\n"),
        (".parquet", b"PAR1 is not enough"),
        (".csv", b"a,b\n\xff\xfe,2\n"),
    ],
)
def test_what_is_no_such_table_is_refused_in_one_sentence(
    tmp_path: Path, ending: str, data: bytes
) -> None:
    good = write_table(tmp_path / f"good{ending}", ROWS)
    bad = tmp_path / f"bad{ending}"
    bad.write_bytes(data)

    with pytest.raises(PannierError) as refused:
        compared(good, bad)
    assert refused.value.message.startswith(f"bad{ending}: cannot be read as a table: ")
    assert "\n" not in refused.value.message


def test_a_table_cannot_make_the_reader_open_another_file(tmp_path: Path) -> None:
    """Nothing in a table is a path; and if a fault made it one, it could not be opened."""
    from pannier.project import tables

    path = write_table(tmp_path / "t.csv", ROWS)
    other = write_table(tmp_path / "other.csv", ROWS)
    with tables._connected(None) as database, open(path, "rb") as file:
        database.lock([file.fileno()])

        for statement in (
            f"SELECT * FROM read_csv('{other}')",
            f"COPY (SELECT 1) TO '{tmp_path}/out'",
            "INSTALL httpfs",
            "SET enable_external_access = true",
        ):
            with pytest.raises(PannierError):
                database.rows(statement)
    assert {"other.csv", "t.csv"} == set(os.listdir(tmp_path))
