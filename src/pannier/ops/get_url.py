"""get-url: a file or folder from any place, copied here without being tracked."""

from __future__ import annotations

from pannier.core.events import Progress
from pannier.core.record import dataclass, field
from pannier.project.destination import destination, put, refuse_existing
from pannier.project.project import Project
from pannier.project.urls import open_url


@dataclass(frozen=True, slots=True)
class GetUrlOptions:
    """out: where to, as typed from cwd. force: what is there may be overwritten. fs_config:
    options of the place."""

    cwd: str
    out: str | None = None
    force: bool = False
    jobs: int | None = None
    fs_config: dict[str, str] = field(default_factory=dict)


def get_url(url: str, project: Project | None, options: GetUrlOptions, progress: Progress) -> None:
    """Brings what url names; it appears whole or not at all. project: the one around, for its
    remotes. Raises UrlMissing, DestinationExists, ConfigError, TransferFailed, TransportError.
    """
    origin = open_url(url, project, options.cwd, options.fs_config)
    try:
        shown = destination(options.cwd, origin.name, options.out)
        refuse_existing(options.cwd, shown, force=options.force)
        put(
            origin.cargo(),
            options.cwd,
            shown,
            force=options.force,
            jobs=options.jobs,
            progress=progress,
        )
    finally:
        origin.close()
