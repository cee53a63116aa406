"""import: a file or folder of another project, tracked here with where it came from."""

from __future__ import annotations

import posixpath

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
from pannier.project.imported import open_committed, repo_of, shown_source
from pannier.project.origins import cargo_at
from pannier.project.project import Project
from pannier.project.sources import SourceOptions
from pannier.project.workspace import sweep


def import_data(
    project: Project,
    url: str,
    path: str,
    source_options: SourceOptions,
    options: ImportOptions,
    progress: Progress,
) -> ImportReport:
    """Imports a path of the source that url names, at a commit: a folder's uncommitted changes do
    not count.

    Raises DestinationExists, PathMissing, SourceError, GitError, Overlap, TransferFailed, ...
    """
    sweep(project)
    cwd = project.absolute(options.cwd)
    name = posixpath.basename(posixpath.normpath(path)) or "."
    repo = repo_of(url, source_options, cwd)
    dep = Dep(path=posixpath.normpath(path), repo=repo)
    stage = new_stage(project, name, dep, options)
    if not options.run:
        return write(project, record(project, stage, None, sealed=False))
    place = Place(project, stage, progress)
    announce(stage, shown_source(dep), options.cwd, progress)
    with open_committed(url, source_options, cwd, progress) as source:
        if source.sha is not None:
            repo = {**repo, "rev_lock": source.sha}
            stage = replace(stage, deps=(replace(dep, repo=repo),))
        cargo = cargo_at(source, path, progress)
        if not options.download:
            cargo.close()
            return write(project, record(project, stage, None))
        brought = bring(project, cargo, options.jobs, progress)
    stage = record(project, stage, brought)
    report = write(project, stage)
    place.fill(stage.outs[0])
    return report
