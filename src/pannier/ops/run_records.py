"""The run cache here and at a remote: its records travel, whole or not at all.

A record names objects; those of the pipelines as they are travel with `push`, others only when a
stage asks for them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from pannier.core.errors import InvalidFile, PannierError, TransportError, Unlistable
from pannier.core.events import Progress
from pannier.core.pattern import pattern
from pannier.disk import fsio
from pannier.disk.reading import read_small
from pannier.formats import run_record
from pannier.project.project import Project
from pannier.store.pace import Pace
from pannier.store.remote import Remote
from pannier.store.transfer import retrying
from pannier.store.transport import Result

_NAME = pattern(r"runs/([0-9a-f]{2})/(\1[0-9a-f]{62})/[0-9a-f]{64}\Z")


def push_records(project: Project, name: str | None, jobs: int | None, progress: Progress) -> int:
    """Uploads the records that a remote lacks; returns how many.

    name: of the remote, None for the default one. Raises NoRemote, PannierError where the remote
    cannot tell what it has, TransportError.
    """
    here = _here(project)
    with Remote(project.settings.remote(name)) as remote:
        missing = sorted(here - _there(remote)) if here else []
        items = [(f"{project.cache_dir}/{key}", key, "") for key in missing]
        pace = Pace(jobs or remote.jobs)
        task = progress.task(f"Pushing runs to {remote.name}", len(items))

        def send(some: list[tuple[str, str, str]]) -> Iterator[Result]:
            return remote.transport.upload_many(iter(some), pace.jobs, pace)

        for result in retrying(items, lambda some: send(list(some)), lambda item: item[1], pace):
            if result.error is not None:
                raise result.error
            task.advance()
        remote.transport.flush()
        task.close()
    return len(items)


def fetch_records(project: Project, name: str | None, jobs: int | None, progress: Progress) -> int:
    """Downloads the records that the cache lacks; returns how many. One that is no record stays
    away. Raises as `push_records`."""
    count = 0
    here = _here(project)
    with Remote(project.settings.remote(name)) as remote:
        missing = sorted(_there(remote) - here)
        task = progress.task(f"Fetching runs from {remote.name}", len(missing))
        for key in missing:
            data = remote.transport.read(key)
            task.advance()
            try:
                run_record.parse(data, key)
            except InvalidFile as error:
                progress.warn(f"'{key}' of remote '{remote.name}' is no record: {error}")
                continue
            path = f"{project.cache_dir}/{key}"
            project.legacy.make_dir(os.path.dirname(path))
            fsio.write_atomic(path, data)
            count += 1
        task.close()
    return count


def _here(project: Project) -> set[str]:
    """The records of the cache, as keys of a remote, those that can be read."""
    found = set()
    base = f"{project.cache_dir}/"
    for folder, _, files in os.walk(f"{base}runs"):
        for file in files:
            key = f"{folder.removeprefix(base)}/{file}"
            if _NAME.match(key) is None:
                continue
            try:
                run_record.parse(read_small(base + key), key)
            except (InvalidFile, OSError):
                continue
            found.add(key)
    return found


def _there(remote: Remote) -> set[str]:
    try:
        keys = {entry.key for entry in remote.transport.list("runs/")}
    except Unlistable:
        raise PannierError(
            f"remote '{remote.name}' cannot hold a run cache: it does not tell what it has"
        ) from None
    except TransportError:
        raise
    return {key for key in keys if _NAME.match(key) is not None}
