"""import-url: a file or folder from any place, tracked here with where it came from."""

from __future__ import annotations

import os

from pannier.core.errors import PannierError
from pannier.core.events import Progress
from pannier.core.record import dataclass, field, replace
from pannier.core.source_errors import UrlMissing
from pannier.core.stage import Dep, Stage
from pannier.core.typed import Any
from pannier.ops.importing import (
    ImportOptions,
    ImportReport,
    Place,
    announce,
    bring,
    new_stage,
    record,
    send_on,
    write,
)
from pannier.project.imported_urls import brought_from, dep_of, measured, told_of
from pannier.project.project import Project
from pannier.project.urls import Origin, open_url
from pannier.project.workspace import sweep
from pannier.store.remote import Remote


@dataclass(frozen=True, slots=True)
class UrlOptions:
    """fs_config: options of the place, written down. to_remote: the data goes straight to a
    remote, and nothing stays here. remote: that one, instead of the default one.
    """

    fs_config: dict[str, Any] = field(default_factory=dict)
    to_remote: bool = False
    remote: str | None = None


def import_url(
    project: Project, url: str, given: UrlOptions, options: ImportOptions, progress: Progress
) -> ImportReport:
    """Imports what url names.

    Raises UrlMissing, DestinationExists, Overlap, ConfigError, TransferFailed, TransportError, ...
    """
    sweep(project)
    origin = open_url(url, project, project.absolute(options.cwd), given.fs_config)
    try:
        stage = new_stage(project, origin.name, Dep(path="."), options)
        dep = dep_of(project, stage, origin, given.fs_config)
        stage = replace(stage, deps=(dep,))
        if origin.versions is not None:
            # The source keeps what it has, so nothing of it goes to our own remote.
            stage = replace(stage, outs=(replace(stage.outs[0], push=False),))
        _refuse_itself(project, stage, origin)
        if not options.run:
            return write(project, record(project, stage, None, sealed=False))
        if given.to_remote:
            return _to_remote(project, stage, origin, given, options, progress)
        place = Place(project, stage, progress)
        announce(stage, origin.shown(project, options.cwd), options.cwd, progress)
        try:
            origin.check_versions() if origin.versions is not None else None
            if not options.download:
                dep = measured(project, dep, origin, progress)
                return write(project, record(project, replace(stage, deps=(dep,)), None))
            told = told_of(dep, origin)
            brought = bring(project, origin.cargo(), options.jobs, progress)
        except UrlMissing:
            raise UrlMissing.of_dependency(origin.shown(project, options.cwd)) from None
        stage = replace(stage, deps=(brought_from(dep, origin, told, brought),))
        stage = record(project, stage, brought)
        report = write(project, stage)
        place.fill(stage.outs[0])
        return report
    finally:
        origin.close()


def _refuse_itself(project: Project, stage: Stage, origin: Origin) -> None:
    out = project.absolute(stage.path_of(stage.outs[0]))
    if origin.path is not None and os.path.realpath(origin.path) == os.path.realpath(out):
        raise PannierError(f"'{out}' is specified as an output and as a dependency.")


def _to_remote(
    project: Project,
    stage: Stage,
    origin: Origin,
    given: UrlOptions,
    options: ImportOptions,
    progress: Progress,
) -> ImportReport:
    told = told_of(stage.deps[0], origin)
    with Remote(project.settings.remote(given.remote)) as remote:
        sent = send_on(project, stage, origin.cargo(), remote, options.jobs, progress)
    dep = brought_from(stage.deps[0], origin, told, sent)
    return write(project, record(project, replace(stage, deps=(dep,)), sent))
