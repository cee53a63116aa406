"""Databases, by SQLAlchemy: what a query gives, as a file that can be brought like any other."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterable, Iterator

from pannier.core.errors import ConfigError, PannierError
from pannier.core.record import dataclass, field
from pannier.core.typed import Any
from pannier.formats.rows import Row, text_of
from pannier.store.secret_commands import secret_of
from pannier.store.transport import OnBytes, Result
from pannier.store.transports.s3_bodies import Sink

_BLOCK_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Database:
    """What the settings say of a connection. url: in SQLAlchemy's words."""

    name: str
    url: str = field(repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a query, or all of a table. form: of the answer, "csv" or "json"."""

    form: str
    query: str | None = None
    table: str | None = None

    @property
    def shown(self) -> str:
        return self.query if self.query is not None else str(self.table)


class QuerySupply:
    """The answer to one question, under whatever key it is asked for."""

    jobs_default = 1

    def __init__(self, database: Database, question: Question) -> None:
        self._database, self._question = database, question

    def download_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        for key, path, expected in items:
            with Sink(path, threading.Event(), on_bytes) as sink:
                for piece in _answer(self._database, self._question):
                    sink.add(piece)
                md5, size = sink.finish(sink.size, expected, f"'{self._database.name}'")
            yield Result(key, None, md5, size)

    def close(self) -> None:
        return None


def _answer(database: Database, question: Question) -> Iterator[bytes]:
    """Raises ConfigError for a connection that cannot be made use of, PannierError."""
    sql: Any = _library()
    errors = importlib.import_module("sqlalchemy.exc")
    try:
        engine = sql.create_engine(_url(sql, database))
    except ImportError as error:
        raise _no_driver(database, error) from None
    except (errors.ArgumentError, errors.NoSuchModuleError) as error:
        raise ConfigError(
            f"the URL of connection '{database.name}' cannot be used: {_first_line(error)}"
        ) from None
    try:
        with engine.connect() as connection:
            # Without parameters a `%` is what it is in SQL; drivers would take it for one.
            stream = connection.execution_options(stream_results=True, no_parameters=True)
            if question.query is not None:
                rows = stream.exec_driver_sql(question.query)
            else:
                rows = stream.execute(sql.text(f"SELECT * FROM {_quoted(engine, question.table)}"))
            if not rows.returns_rows:
                raise PannierError(f"'{question.shown}' gives no rows, so there is nothing to keep")
            yield from text_of(question.form, list(rows.keys()), _blocks(rows))
    except errors.SQLAlchemyError as error:
        raise PannierError(
            f"the database of '{database.name}' refused: {_first_line(error)}"
        ) from None
    finally:
        engine.dispose()


def _library() -> Any:
    try:
        return importlib.import_module("sqlalchemy")
    except ImportError:
        raise PannierError(
            "databases need SQLAlchemy, which is not installed",
            hint="pip install 'pannier[db]', and the driver of the database",
        ) from None


def _no_driver(database: Database, error: ImportError) -> PannierError:
    name = error.name or str(error)
    package = "pannier[postgres]" if name.startswith("psycopg") else name
    return PannierError(
        f"connection '{database.name}' needs the driver '{name}', which is not installed",
        hint=f"pip install '{package}'",
    )


def _url(sql: Any, database: Database) -> Any:
    """The URL with the user and password that the settings give beside it."""
    url = sql.engine.make_url(database.url)
    if database.username is not None:
        url = url.set(username=database.username)
    if database.password is not None:
        about = f"'password' of connection '{database.name}'"
        shown = f"dvc config db.{database.name}.password"
        url = url.set(password=secret_of(database.password, about, shown))
    return url


def _quoted(engine: Any, table: str | None) -> str:
    """A table's name, with its schema if one stands before it."""
    quote = engine.dialect.identifier_preparer.quote
    return ".".join(str(quote(part)) for part in str(table).split("."))


def _blocks(rows: Any) -> Iterator[list[Row]]:
    while block := rows.fetchmany(_BLOCK_ROWS):
        yield [tuple(row) for row in block]


def _first_line(error: Exception) -> str:
    """Without the query and its values, and what to read about it."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]
