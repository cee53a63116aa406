"""import-db: what a query or a table of a database holds, tracked here with how to ask again."""

from __future__ import annotations

from pannier.core.events import Progress
from pannier.core.record import replace
from pannier.core.stage import Dep
from pannier.ops.importing import (
    ImportOptions,
    ImportReport,
    Place,
    announce,
    bring,
    new_stage,
    record,
    write,
)
from pannier.project.databases import dep_of, rows_of
from pannier.project.project import Project
from pannier.project.workspace import sweep
from pannier.store.databases import Question


def import_db(
    project: Project,
    connection: str,
    question: Question,
    options: ImportOptions,
    progress: Progress,
) -> ImportReport:
    """Imports the answer to a question.

    connection: a name of the section `db` of the settings. Raises PannierError for one that is not
    there and what the database refuses, DestinationExists, Overlap, ConfigError, ...
    """
    sweep(project)
    name = f"{question.table or 'results'}.{question.form}"
    dep: Dep = dep_of(connection, question)
    stage = new_stage(project, name, dep, options)
    announce(stage, question.shown, options.cwd, progress)
    cargo = rows_of(project, dep)
    place = Place(project, stage, progress)
    brought = bring(project, cargo, options.jobs, progress)
    stage = record(project, replace(stage, deps=(dep,)), brought)
    report = write(project, stage)
    place.fill(stage.outs[0])
    return report
