"""get: a file or folder of somebody's project, copied here without being tracked."""

from __future__ import annotations

import posixpath

from pannier.core.errors import NoRemote, PannierError
from pannier.core.events import Progress
from pannier.core.record import dataclass
from pannier.project.destination import destination, put, refuse_existing
from pannier.project.origins import cargo_at, object_at
from pannier.project.sources import SourceOptions, open_source
from pannier.project.version_keys import url_at


@dataclass(frozen=True, slots=True)
class GetOptions:
    """out: where to, as typed from cwd. force: what is there may be overwritten."""

    cwd: str
    source: SourceOptions
    out: str | None = None
    force: bool = False
    jobs: int | None = None


@dataclass(frozen=True, slots=True)
class GetReport:
    """What was brought: so many files, and where they stand, as seen from cwd."""

    count: int
    shown: str


def get(url: str, path: str, options: GetOptions, progress: Progress) -> GetReport:
    """Brings a path of the source that url names; it appears whole or not at all.

    Raises DestinationExists, PathMissing, SourceError, GitError, ListMissing, TransferFailed.
    """
    name = posixpath.basename(posixpath.normpath(path)) or "."
    shown = destination(options.cwd, name, options.out)
    refuse_existing(options.cwd, shown, force=options.force)
    with open_source(url, options.source, options.cwd, progress) as source:
        cargo = cargo_at(source, path, progress)
        try:
            got = put(
                cargo,
                options.cwd,
                shown,
                force=options.force,
                jobs=options.jobs,
                progress=progress,
            )
        finally:
            cargo.close()
    return GetReport(len(got), shown)


def storage_url(url: str, path: str, options: GetOptions, progress: Progress) -> str:
    """Where the source's remote keeps what is tracked at a path; for a folder, its list of files.

    Raises PathMissing for what DVC does not track, NoRemote.
    """
    with open_source(url, options.source, options.cwd, progress) as source:
        item = object_at(source, path, progress)
        try:
            config = item.project.settings.remote(item.remote)
        except NoRemote as error:
            raise PannierError(error.message, hint="name one with '--remote <name>'") from None
        return url_at(config, item)
