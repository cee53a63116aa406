"""push and fetch of what lies at remotes with cloud versions."""

from __future__ import annotations

from pannier.core.errors import TransferFailed
from pannier.core.events import Progress
from pannier.core.record import dataclass
from pannier.project.project import Project
from pannier.project.targets import Selected
from pannier.project.versions import Moved, fetch_versions, push_versions
from pannier.store.pace import Pace
from pannier.store.versioned import VersionedRemote


@dataclass(frozen=True, slots=True)
class VersionsOptions:
    """pushing: else fetching. jobs: requests in flight, None for what does well. rate: bytes per
    second at most."""

    pushing: bool
    jobs: int | None = None
    rate: int | None = None


def move_versions(
    project: Project,
    versioned: dict[str, list[Selected]],
    options: VersionsOptions,
    progress: Progress,
) -> Moved:
    """Moves outputs, by the name of their remote. Raises TransferFailed when something is there
    but did not arrive."""
    all_moved = Moved()
    move = push_versions if options.pushing else fetch_versions
    for name, items in versioned.items():
        with VersionedRemote(project.settings.remote(name)) as remote:
            own = None if remote.config.get("jobs") else project.settings.own_integer("jobs")
            pace = Pace(options.jobs or own or remote.jobs, options.rate)
            moved = move(project, remote, items, pace, progress)
        all_moved.transferred += moved.transferred
        all_moved.missing += moved.missing
        all_moved.failures += moved.failures
    if all_moved.failures:
        verb = "upload" if options.pushing else "download"
        raise TransferFailed(len(all_moved.failures), verb, all_moved.failures, all_moved.missing)
    return all_moved
