"""StatCache: what was hashed under which stats, so that an unchanged file is never read again.

Disposable: lost, stale or damaged rows cost time, never truth. A row counts only when the stats it
remembers equal those of now, its checksum holds, and it was written in this boot or is known to
describe flushed bytes (after a power loss old bytes can stand under new stats).

One row holds a whole folder in columns: a million files are then some thousand rows, and a folder
is compared by comparing two byte strings. Plain columns, never pickle.
"""

from __future__ import annotations

import contextlib
import os
import struct
from array import array
from collections.abc import Iterable, Sequence

from pannier.core.hashes import blake2b
from pannier.core.record import dataclass, field
from pannier.core.typed import TYPE_CHECKING
from pannier.disk import fsio
from pannier.disk.walk import STAT_BYTES

if TYPE_CHECKING:
    import sqlite3
else:
    try:  # `sqlite3` adds adapters for dates to it, and imports all of `datetime` for them
        import _sqlite3 as sqlite3
    except ImportError:
        import sqlite3

_MOST_WAITING = 1000
_AT_ONCE = 500
"""Keys in one query."""
_VERSION = 2
DIGEST_SIZE = 16
UNKNOWN = bytes(DIGEST_SIZE)
OBJECTS = "object"
"""The algorithm of rows about a store's own folders: the stats under which they were verified."""

_SCHEMA = """
create table if not exists folders (
  path blob not null, algorithm text not null, names blob not null, stats blob not null,
  digests blob not null, boot text not null, sum blob not null,
  primary key (path, algorithm)) without rowid;
create table if not exists trees (
  path blob not null, algorithm text not null, fingerprint blob not null, hex text not null,
  size integer not null, nfiles integer not null, present blob not null, boot text not null,
  sum blob not null, primary key (path, algorithm)) without rowid;
create table if not exists links (
  path blob primary key, hex text not null, algorithm text not null, sum blob not null)
  without rowid;
"""


_UNREADABLE = (sqlite3.DatabaseError, TypeError, AttributeError, ValueError)
"""What reading a damaged file may raise: text that is no UTF-8 is a ValueError, too."""


@dataclass(slots=True)
class FolderRow:
    """A remembered folder: names as listed, FIELDS numbers a name, 16 bytes of digest a name.

    An UNKNOWN digest: the file was there but may have changed within the clock's resolution.
    """

    names: list[str]
    stats: bytes
    digests: bytes
    flushed: bool = field(default=False, compare=False)
    """True when the row holds also after a power loss."""

    def by_name(self) -> dict[str, tuple[bytes, bytes]]:
        """name -> (stats of the file as bytes, digest)."""
        return dict(
            zip(
                self.names,
                zip(stat_rows(self.stats), digest_rows(self.digests), strict=True),
                strict=True,
            )
        )


def stat_rows(column: bytes | bytearray) -> list[bytes]:
    """A column of stats, cut into the bytes of each file."""
    return [row for (row,) in struct.iter_unpack(f"{STAT_BYTES}s", column)]


def digest_rows(column: bytes | bytearray) -> list[bytes]:
    """A column of digests, cut into those of each file."""
    return [row for (row,) in struct.iter_unpack(f"{DIGEST_SIZE}s", column)]


@dataclass(frozen=True, slots=True)
class TreeRow:
    """What a whole directory was when its fingerprint (of all names and stats) was this.

    present: fingerprint of the store's folders when every object of the manifest was there, or b"".
    """

    fingerprint: bytes
    hex: str
    size_bytes: int
    nfiles: int
    present: bytes


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "no-boot-id"


class StatCache:
    """The rows of one project. Works, if only in memory, also when the file cannot be used."""

    def __init__(self, path: str | None) -> None:
        """path: of the SQLite file, made when needed in a folder of its own; None: memory only."""
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._boot = _boot_id()
        self._waiting: list[tuple[str, Sequence[tuple[object, ...]]]] = []
        self._foreseen: dict[tuple[str, str], FolderRow | None] = {}

    def _open(self) -> sqlite3.Connection:
        if self._db is not None:
            return self._db
        if self._path is not None:
            for _ in range(2):
                try:
                    self._db = self._connect(self._path)
                    return self._db
                except (OSError, sqlite3.OperationalError):
                    break  # not ours to write, or busy: do without, for this run
                except sqlite3.DatabaseError:
                    self._drop_file()
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        self._db.executescript(_SCHEMA)
        return self._db

    def _connect(self, path: str) -> sqlite3.Connection:
        folder = os.path.dirname(path)
        fsio.make_dirs(folder, 0o700)
        found = os.stat(folder)
        if found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise PermissionError(path)
        db = sqlite3.connect(path, timeout=5, isolation_level=None, cached_statements=16)
        try:
            # Not flushed: after a power loss rows of another boot do not count, and a damaged
            # file is dropped.
            db.execute("pragma synchronous=off")
            db.execute("pragma journal_mode=truncate")
            version = db.execute("pragma user_version").fetchone()[0]
            if version != _VERSION:
                if version != 0:
                    raise sqlite3.DatabaseError("another version")
                db.executescript(_SCHEMA)
                db.execute(f"pragma user_version={_VERSION}")
            return db
        except BaseException:
            db.close()
            raise

    def _drop_file(self) -> None:
        for suffix in ("", "-journal"):
            with contextlib.suppress(OSError):
                fsio.remove_if_there(f"{self._path}{suffix}")

    def _broken(self, error: BaseException) -> None:
        """Goes on in memory after damage that only showed while reading or writing.

        A database that is merely busy is somebody's at work: it stays.
        """
        if isinstance(error, sqlite3.OperationalError):
            return
        if self._db is not None:
            self._db.close()
        self._db = None
        if self._path is not None:
            self._drop_file()
        self._path = None

    # -- folders ----

    def foresee(self, paths: Sequence[str], algorithm: str) -> None:
        """Says for what `folders` will be called, one path at a time: all are read with one query.

        Each row is given out once, so nothing read here can be older than a later `put_folders`.
        """
        if len(paths) > 1:
            found = self.folders(paths, algorithm)
            self._foreseen |= {(path, algorithm): found.get(path) for path in paths}

    def folders(self, paths: Sequence[str], algorithm: str) -> dict[str, FolderRow]:
        """The valid rows among paths (absolute)."""
        if len(paths) == 1 and (key := (paths[0], algorithm)) in self._foreseen:
            row = self._foreseen.pop(key)
            return {} if row is None else {paths[0]: row}
        found: dict[str, FolderRow] = {}
        self._write_waiting()
        try:
            db = self._open()
            for start in range(0, len(paths), _AT_ONCE):
                keys = [os.fsencode(path) for path in paths[start : start + _AT_ONCE]]
                marks = ",".join("?" * len(keys))
                rows = db.execute(
                    "select path, names, stats, digests, boot, sum from folders "
                    f"where algorithm = ? and path in ({marks})",
                    (algorithm, *keys),
                )
                for path, names, stats, digests, boot, checksum in rows:
                    if (not boot or boot == self._boot) and checksum == _sum(
                        path, names, stats, digests, boot
                    ):
                        listed = names.decode("utf-8", "surrogateescape").split("/")
                        found[os.fsdecode(path)] = FolderRow(listed, stats, digests, not boot)
        except _UNREADABLE as error:
            self._broken(error)
            return {}
        return found

    def put_folders(
        self, rows: Iterable[tuple[str, FolderRow]], algorithm: str, *, flushed: bool
    ) -> None:
        """Remembers folders. flushed: their files' bytes are known to survive a power loss."""
        boot = "" if flushed else self._boot
        values = []
        for path, row in rows:
            self._foreseen.pop((path, algorithm), None)
            values.append(self._folder_values(path, row, algorithm, boot))
        self._write("insert or replace into folders values (?,?,?,?,?,?,?)", values)

    @staticmethod
    def _folder_values(
        path: str, row: FolderRow, algorithm: str, boot: str
    ) -> tuple[bytes | str, ...]:
        key = os.fsencode(path)
        names = "/".join(row.names).encode("utf-8", "surrogateescape")
        checksum = _sum(key, names, row.stats, row.digests, boot)
        return key, algorithm, names, row.stats, row.digests, boot, checksum

    # -- whole trees ----

    def tree(self, path: str, algorithm: str) -> TreeRow | None:
        self._write_waiting()
        try:
            row = (
                self._open()
                .execute(
                    "select fingerprint, hex, size, nfiles, present, boot, sum from trees "
                    "where path = ? and algorithm = ?",
                    (os.fsencode(path), algorithm),
                )
                .fetchone()
            )
        except _UNREADABLE as error:
            self._broken(error)
            return None
        if row is None or (row[5] and row[5] != self._boot):
            return None
        try:
            found = TreeRow(*row[:5])
            good = row[6] == _tree_sum(os.fsencode(path), algorithm, found, row[5])
        except (TypeError, AttributeError):
            return None
        return found if good else None

    def put_tree(self, path: str, algorithm: str, row: TreeRow, *, flushed: bool) -> None:
        key, boot = os.fsencode(path), "" if flushed else self._boot
        values = (
            key,
            algorithm,
            row.fingerprint,
            row.hex,
            row.size_bytes,
            row.nfiles,
            row.present,
            boot,
            _tree_sum(key, algorithm, row, boot),
        )
        self._write("insert or replace into trees values (?,?,?,?,?,?,?,?,?)", [values])

    # -- links: what checkout made and may take away again ----

    def links(self) -> list[tuple[str, str, str]]:
        """(absolute path, hex, algorithm) of outputs that add and checkout put into place."""
        self._write_waiting()
        try:
            rows = self._open().execute("select path, hex, algorithm, sum from links").fetchall()
            return [
                (os.fsdecode(path), name, algorithm)
                for path, name, algorithm, checksum in rows
                if checksum == _sum(path, name, algorithm)
            ]
        except _UNREADABLE as error:
            self._broken(error)
            return []

    def put_links(self, rows: Iterable[tuple[str, str, str]]) -> None:
        self._write(
            "insert or replace into links values (?,?,?,?)",
            [
                (key, name, algorithm, _sum(key, name, algorithm))
                for path, name, algorithm in rows
                for key in [os.fsencode(path)]
            ],
        )

    def drop_links(self, paths: Iterable[str]) -> None:
        self._write("delete from links where path = ?", [(os.fsencode(path),) for path in paths])

    # -- the rest ----

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Rows that come one at a time wait for each other: a transaction costs more than they.

        They are written before anything is asked, and at the latest by `close`. A process that is
        killed before has forgotten something, no more.
        """
        if rows:
            self._waiting.append((statement, rows))
        if len(rows) > 1 or len(self._waiting) >= _MOST_WAITING:
            self._write_waiting()

    def _write_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            db = self._open()
            db.execute("begin immediate")
            try:
                for statement, rows in waiting:
                    db.executemany(statement, rows)
            except BaseException:
                db.execute("rollback")
                raise
            db.execute("commit")
        except sqlite3.OperationalError:
            pass  # busy, full or read-only: nothing is remembered, nothing is wrong
        except sqlite3.DatabaseError as error:
            self._broken(error)

    def close(self) -> None:
        self._write_waiting()
        if self._db is not None:
            self._db.close()
            self._db = None


def _tree_sum(path: bytes, algorithm: str, row: TreeRow, boot: str) -> bytes:
    numbers = f"{row.size_bytes} {row.nfiles}"
    return _sum(path, algorithm, row.fingerprint, row.hex, numbers, row.present, boot)


def _sum(*columns: bytes | str) -> bytes:
    hasher = blake2b(digest_size=8)
    for column in columns:
        data = column.encode() if isinstance(column, str) else column
        hasher.update(len(data).to_bytes(8, "little"))
        hasher.update(data)
    return hasher.digest()


def fingerprint(parts: Iterable[tuple[str, Sequence[str], array[int]]]) -> bytes:
    """One value for a whole tree: of every folder's path, names and stats, in listing order."""
    hasher = blake2b(digest_size=16)
    for path, names, stats in parts:
        head = "/".join((path, "", *names)).encode("utf-8", "surrogateescape")
        hasher.update(b"%d %d " % (len(head), len(stats)))
        hasher.update(head)
        hasher.update(stats)
    return hasher.digest()
