"""Tables: two versions of a CSV, TSV, JSON Lines or Parquet file, compared row by row by DuckDB.

Every cell is compared as text: of CSV and TSV as it is written, of JSON Lines as its JSON, of
Parquet as DuckDB writes its type. So nothing that differs is called equal because of a guess about
types; types are only told.

File names never become part of a statement: DuckDB gets /proc/self/fd/<n> of files that we opened,
may open no others, and loads no extension. Names of columns are quoted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pannier.core.errors import FileChanged, PannierError
from pannier.core.record import dataclass
from pannier.core.tables import JSON_LINES, PARQUET, TSV, ChangedRow, Column, TableChanges
from pannier.core.typed import Any
from pannier.disk import fsio
from pannier.disk.walk import stat_key

_MEMORY = "1GB"
_HEADER_BYTES = 65_536
_JSON_TYPES = {"UBIGINT": "integer", "BIGINT": "integer", "HUGEINT": "integer"}
_JSON_TYPES |= {"DOUBLE": "number", "VARCHAR": "text"}
_CSV_TYPES = {"BIGINT": "integer", "HUGEINT": "integer", "DOUBLE": "number", "VARCHAR": "text"}


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a table. shown: for messages. path: of the bytes, absolute."""

    shown: str
    path: str


def compare_tables(
    old: Version | None,
    new: Version | None,
    kind: str,
    key: Sequence[str],
    limit: int,
    spill: str | None,
) -> TableChanges:
    """Compares two versions; None for a table that is not there. limit: rows to show of each kind.

    key: columns that name a row; empty: rows are told apart by all that they hold. spill: a folder
    for what does not fit into memory, or None. Raises PannierError for what is no such table, and
    FileChanged.
    """
    with _connected(spill) as database, _opened(old) as old_fd, _opened(new) as new_fd:
        database.lock([fd for fd in (old_fd, new_fd) if fd is not None])
        sides = [
            _Table(database, number, version, kind, fd)
            for number, (version, fd) in enumerate(((old, old_fd), (new, new_fd)))
        ]
        return _Comparison(database, sides[0], sides[1], list(key), limit).run()


class _Database:
    """DuckDB in memory, with one way to ask it."""

    def __init__(self, connection: Any, error: type[Exception]) -> None:
        self._connection, self._error = connection, error

    def lock(self, fds: Sequence[int]) -> None:
        """From here on it can open these files and no others."""
        allowed = ", ".join(f"'/proc/self/fd/{fd}'" for fd in fds)
        self.rows(f"SET allowed_paths = [{allowed}]")
        self.rows("SET enable_external_access = false")
        self.rows("SET lock_configuration = true")

    def rows(self, statement: str, *values: object, about: str = "") -> list[tuple[Any, ...]]:
        """Runs one statement. about: the version that it reads, for messages."""
        try:
            found: list[tuple[Any, ...]] = self._connection.execute(statement, values).fetchall()
            return found
        except self._error as error:
            raise _refusal(str(error), about) from None


def _refusal(said: str, about: str) -> PannierError:
    first = next((line for line in said.splitlines() if line.strip()), "it does not say why")
    if "when sniffing file" in first:
        first = "its lines do not have the columns that the first one names"
    if first.startswith("Out of Memory"):
        return PannierError(
            f"{about or 'the tables'}: comparing takes more than {_MEMORY} of memory",
            hint="compare them by a key: dvc diff --data --key <column>",
        )
    return PannierError(
        f"{about or 'the tables'}: cannot be read as a table: {first}",
        hint="'dvc diff' without --data tells which files changed",
    )


@contextmanager
def _connected(spill: str | None) -> Iterator[_Database]:
    try:
        import duckdb
    except ImportError:
        raise PannierError(
            "to compare tables, DuckDB is needed", hint="pip install 'pannier[tables]'"
        ) from None
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": _MEMORY,
            "temp_directory": spill or "",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        },
    )
    try:
        yield _Database(connection, duckdb.Error)
    finally:
        connection.close()


@contextmanager
def _opened(version: Version | None) -> Iterator[int | None]:
    """A descriptor of the file. Raises FileChanged when it was written to meanwhile."""
    if version is None:
        yield None
        return
    try:
        fd = os.open(version.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        fsio.fail(error, version.path)
    try:
        before = stat_key(os.fstat(fd))
        yield fd
        if stat_key(os.fstat(fd)) != before:
            raise FileChanged(version.path)
    finally:
        os.close(fd)


class _Table:
    """One side: what it is called in statements, and its columns. Absent: no columns, no rows."""

    def __init__(
        self, database: _Database, number: int, version: Version | None, kind: str, fd: int | None
    ) -> None:
        self._database, self._kind, self._fd = database, kind, fd
        self.name = f"side{number}"
        self.about = version.shown if version is not None else ""
        self.columns: list[Column] = []
        if fd is not None and os.fstat(fd).st_size:
            self._source = self._reader(all_text=True)
            self.columns = self._read_columns(fd)

    def _reader(self, *, all_text: bool) -> str:
        path = f"'/proc/self/fd/{self._fd}'"
        if self._kind == PARQUET:
            return f"read_parquet({path})"
        if self._kind == JSON_LINES:
            # One level: a cell is the JSON that stands there. All rows count for the columns.
            return (
                f"read_json({path}, format = 'newline_delimited', records = 'true', "
                "maximum_depth = 1, sample_size = -1, map_inference_threshold = -1, "
                "field_appearance_threshold = 0)"
            )
        types = "all_varchar = true" if all_text else "sample_size = -1"
        quote = "'" + '"' + "'"
        return (
            f"read_csv({path}, header = true, delim = {_quoted(self._delimiter())}, "
            f"quote = {quote}, escape = {quote}, comment = '', {types})"
        )

    def _delimiter(self) -> str:
        if self._kind == TSV or self._fd is None:
            return "\t"
        header = os.pread(self._fd, _HEADER_BYTES, 0).split(b"\n")[0]
        return next((mark for mark in ",;\t|" if mark.encode() in header), ",")

    def _read_columns(self, fd: int) -> list[Column]:
        described = self._database.rows(
            f"DESCRIBE SELECT * FROM {self._reader(all_text=False)}", about=self.about
        )
        names = [row[0] for row in described]
        if self._kind == PARQUET:
            return [Column(row[0], str(row[1]).lower()) for row in described]
        if self._kind == JSON_LINES:
            return self._json_columns(names)
        return [Column(row[0], _CSV_TYPES.get(row[1], str(row[1]).lower())) for row in described]

    def _json_columns(self, names: Sequence[str]) -> list[Column]:
        """A column is of the one type that its cells have, of 'number', or 'mixed'."""
        kinds = ", ".join(f"list(DISTINCT json_type({_identifier(name)}))" for name in names)
        (found,) = self._database.rows(f"SELECT {kinds} FROM {self._source}", about=self.about)
        columns = []
        for name, types in zip(names, found, strict=True):
            mine = {_JSON_TYPES.get(t, t.lower()) for t in types or () if t and t != "NULL"}
            if mine == {"integer", "number"}:
                mine = {"number"}
            columns.append(
                Column(name, mine.pop() if len(mine) == 1 else "mixed" if mine else "null")
            )
        return columns

    def hash_rows(self, columns: Sequence[str], key: Sequence[str]) -> None:
        """Makes the table of this side's name: k and h, digests of key and row, and n, its number.

        MD5 of an unambiguous text: what differs has another digest, but for one in 2**128.
        """
        if not self.columns:
            self._database.rows(f"CREATE TEMP TABLE {self.name} (k UHUGEINT, h UHUGEINT, n BIGINT)")
            return
        self._database.rows(
            f"CREATE TEMP TABLE {self.name} AS SELECT {_digest(key)} AS k, "
            f"{_digest(columns)} AS h, row_number() OVER () AS n FROM {self._source}",
            about=self.about,
        )

    def count(self) -> int:
        return int(self._database.rows(f"SELECT count(*) FROM {self.name}")[0][0])

    def fetch(self, numbers: Sequence[int]) -> dict[int, dict[str, str | None]]:
        """Whole rows by their numbers."""
        if not numbers:
            return {}
        names = [column.name for column in self.columns]
        cells = ", ".join(f"CAST({_identifier(name)} AS VARCHAR)" for name in names)
        marks = ", ".join(str(int(number)) for number in numbers)
        rows = self._database.rows(
            f"SELECT * FROM (SELECT row_number() OVER (), {cells} FROM {self._source}) AS t(n) "
            f"WHERE n IN ({marks})",
            about=self.about,
        )
        return {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _digest(columns: Sequence[str]) -> str:
    if not columns:
        return "0::UHUGEINT"
    cells = ", ".join(f"CAST({_identifier(name)} AS VARCHAR)" for name in columns)
    return f"md5_number(CAST(to_json([{cells}]) AS VARCHAR))"


class _Comparison:
    """The questions whose answers are a TableChanges."""

    def __init__(
        self, database: _Database, old: _Table, new: _Table, key: list[str], limit: int
    ) -> None:
        self._database, self._old, self._new = database, old, new
        self._key, self._limit = key, limit
        self._changes = TableChanges()

    def run(self) -> TableChanges:
        old, new = self._old, self._new
        before = {column.name: column.type for column in old.columns}
        after = {column.name: column.type for column in new.columns}
        both = [name for name in before if name in after]
        found = self._changes
        found.columns_added = [column for column in new.columns if column.name not in before]
        found.columns_removed = [column for column in old.columns if column.name not in after]
        found.columns_changed = [
            (name, before[name], after[name]) for name in both if before[name] != after[name]
        ]
        for side in (old, new):
            own = [column.name for column in side.columns]
            compared = both if old.columns and new.columns else own
            if own and not set(self._key) <= set(own):
                raise _no_column(self._key, own, side.about)
            # Without a common column rows cannot be told to be the same.
            side.hash_rows(compared or own, self._key)
        found.old_rows, found.new_rows = old.count(), new.count()
        if self._key:
            self._by_key(both)
        else:
            self._by_row()
        return found

    def _by_key(self, both: Sequence[str]) -> None:
        for side in (self._old, self._new):
            self._check_unique(side)
        found, limit = self._changes, self._limit
        ((found.rows_added, found.rows_removed, found.rows_changed),) = self._database.rows(
            "SELECT count(*) FILTER (o.n IS NULL), count(*) FILTER (n.n IS NULL), "
            "count(*) FILTER (o.h <> n.h) FROM side0 o FULL JOIN side1 n ON o.k = n.k"
        )
        added = self._database.rows(
            f"SELECT n FROM side1 ANTI JOIN side0 USING (k) ORDER BY n LIMIT {limit}"
        )
        removed = self._database.rows(
            f"SELECT n FROM side0 ANTI JOIN side1 USING (k) ORDER BY n LIMIT {limit}"
        )
        changed = self._database.rows(
            "SELECT o.n, n.n FROM side0 o JOIN side1 n ON o.k = n.k WHERE o.h <> n.h "
            f"ORDER BY n.n LIMIT {limit}"
        )
        found.added = _in_order(self._new, [number for (number,) in added])
        found.removed = _in_order(self._old, [number for (number,) in removed])
        before = _in_order(self._old, [old for old, _ in changed])
        after = _in_order(self._new, [new for _, new in changed])
        for left, right in zip(before, after, strict=True):
            differing = [name for name in both if left[name] != right[name]]
            found.changed.append(
                ChangedRow(
                    {name: right[name] for name in self._key},
                    {name: left[name] for name in differing},
                    {name: right[name] for name in differing},
                )
            )

    def _check_unique(self, side: _Table) -> None:
        twice = self._database.rows(
            f"SELECT min(n), count(*) FROM {side.name} GROUP BY k HAVING count(*) > 1 "
            "ORDER BY min(n) LIMIT 1"
        )
        if not twice:
            return
        number, count = twice[0]
        row = side.fetch([number])[number]
        shown = ", ".join(f"{name}={row[name]}" for name in self._key)
        raise PannierError(
            f"{side.about}: the key does not tell rows apart: {count} rows have {shown}",
            hint="name more columns: --key <column>,<column>; or leave out --key",
        )

    def _by_row(self) -> None:
        """Rows as a bag: one that is there twice now and was once has been added once."""
        self._database.rows(
            "CREATE TEMP TABLE moved AS SELECT "
            "count(*) FILTER (s = 1) - count(*) FILTER (s = 0) AS more, "
            "min(n) FILTER (s = 1) AS n1, min(n) FILTER (s = 0) AS n0 FROM "
            "(SELECT h, n, 1 AS s FROM side1 UNION ALL SELECT h, n, 0 AS s FROM side0) "
            "GROUP BY h HAVING more <> 0"
        )
        found, limit = self._changes, self._limit
        ((added, removed),) = self._database.rows(
            "SELECT sum(more) FILTER (more > 0), -sum(more) FILTER (more < 0) FROM moved"
        )
        found.rows_added, found.rows_removed = int(added or 0), int(removed or 0)
        for side, which, rows in ((self._new, "> 0", "n1"), (self._old, "< 0", "n0")):
            numbers = self._database.rows(
                f"SELECT {rows} FROM moved WHERE more {which} ORDER BY {rows} LIMIT {limit}"
            )
            shown = _in_order(side, [number for (number,) in numbers])
            if side is self._new:
                found.added = shown
            else:
                found.removed = shown


def _in_order(side: _Table, numbers: Sequence[int]) -> list[dict[str, str | None]]:
    rows = side.fetch(numbers)
    return [rows[number] for number in numbers]


def _no_column(key: Sequence[str], own: Sequence[str], about: str) -> PannierError:
    lacking = ", ".join(f"'{name}'" for name in key if name not in own)
    return PannierError(
        f"{about}: there is no column {lacking}", hint="the columns are: " + ", ".join(own)
    )
