"""What pointers and settings say of databases, as cargo."""

from __future__ import annotations

from pannier.core.errors import PannierError
from pannier.core.stage import Dep
from pannier.core.typed import Any
from pannier.formats.rows import CSV
from pannier.project.project import Project
from pannier.store.cargo import Cargo, Lot
from pannier.store.databases import Database, QuerySupply, Question


def dep_of(connection: str, question: Question) -> Dep:
    """The dependency that a pointer writes down."""
    db: dict[str, Any] = {"connection": connection, "file_format": question.form}
    asked = {"query": question.query, "table": question.table}
    db |= {key: value for key, value in asked.items() if value is not None}
    return Dep(path="", db=db)


def question_of(dep: Dep) -> Question:
    db = dep.db or {}
    return Question(db.get("file_format") or CSV, db.get("query"), db.get("table"))


def rows_of(project: Project, dep: Dep) -> Cargo:
    """What the question of a dependency brings. Raises PannierError for an unknown connection."""
    question, name = question_of(dep), str((dep.db or {}).get("connection"))
    options = project.settings.database(name)
    if "url" not in options:
        raise PannierError(
            f"connection {name} not found in config",
            hint=f"name its URL: dvc config db.{name}.url <url>",
        )
    database = Database(name, options["url"], options.get("username"), options.get("password"))
    supply = QuerySupply(database, question)
    return Cargo(question.shown, False, [Lot(supply, [("", "rows", "")], question.shown)])
