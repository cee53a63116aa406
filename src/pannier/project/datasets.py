"""Data sets at places of their own: what is recorded of one, and what programs are told of it."""

from __future__ import annotations

import os
from typing import cast

from pannier.core.datasets import Dataset, DatasetNotFound, NotInSync
from pannier.core.errors import AccessDenied, PannierError
from pannier.core.events import Progress
from pannier.core.typed import Any
from pannier.project.index import load_datasets
from pannier.project.project import Project
from pannier.project.urls import REMOTE, Origin, version_in
from pannier.store.schemes import LOCAL, scheme_of
from pannier.store.transport import Facts, Versioning


def told_of(origin: Origin, progress: Progress) -> dict[str, Any]:
    """What tells that the data changed, keys in the order in which DVC writes them: `meta`, and
    for a folder elsewhere `files`.

    Raises UrlMissing, PannierError for a place that tells nothing.
    """
    origin.look()
    if origin.path is not None:
        return {"meta": _told_here(origin, origin.path, progress)}
    if origin.entries is None:
        return {"meta": _meta(origin, origin.facts or Facts(None))}
    found = _files(origin)
    if not found:
        raise _tells_nothing(origin)
    sizes = [facts.size_bytes or 0 for facts in found.values()]
    return {
        "meta": {"isdir": True, "size": sum(sizes), "nfiles": len(sizes)},
        "files": [{"relpath": path, "meta": _meta(origin, found[path])} for path in sorted(found)],
    }


def _told_here(origin: Origin, path: str, progress: Progress) -> dict[str, Any]:
    """Of a folder on this machine it is only its size and number of files."""
    if origin.entries is not None:
        progress.warn(
            f"of the folder '{origin.url}' only size and number of files are recorded: a change"
            " that keeps both is not seen"
        )
        sizes = [entry.size_bytes or 0 for entry in origin.entries]
        return {"isdir": True, "size": sum(sizes), "nfiles": len(sizes)}
    found = os.stat(path)
    executable = {"isexec": True} if found.st_mode & 0o111 else {}
    return {
        "size": found.st_size,
        **executable,
        "inode": found.st_ino,
        "mtime": found.st_mtime,
    }


def _files(origin: Origin) -> dict[str, Facts]:
    """Facts of the files of a folder, by the path in it; with the id of what each name means now
    where the place has one, also of a bucket that keeps no versions, as with DVC."""
    cut = len(origin.prefix)
    if origin.versions is None and hasattr(origin.transport, "versions"):
        try:
            rows = list(cast(Versioning, origin.transport).versions(origin.prefix))
        except AccessDenied:  # listing versions is a right of its own
            rows = []
        if rows:
            return {
                key[cut:]: facts for key, facts, latest in rows if latest and key[-1:] not in "/"
            }
    if origin.versions is not None:
        return {key[cut:]: facts for key, facts in origin.versions.items()}
    return {
        entry.key[cut:]: Facts(entry.size_bytes, entry.checksum) for entry in origin.entries or ()
    }


def _meta(origin: Origin, facts: Facts) -> dict[str, Any]:
    if facts.checksum is None:
        raise _tells_nothing(origin)
    version = {"version_id": facts.version_id} if facts.version_id else {}
    return {"size": facts.size_bytes, **version, facts.checksum[0]: facts.checksum[1]}


def _tells_nothing(origin: Origin) -> PannierError:
    return PannierError(
        f"the dataset '{origin.url}' cannot be recorded: the place does not tell by what a change"
        " would be seen",
        hint="'dvc import-url' tracks such data by its bytes",
    )


# -- for programs ----


def described(project: Project, name: str) -> dict[str, Any]:
    """A data set as `dvc.api.get_dataset` gives it. Raises DatasetNotFound, NotInSync."""
    found = load_datasets(project).find(name)
    if found is None:
        raise DatasetNotFound(name)
    locked = found.locked
    if locked is None or not found.is_in_sync:
        raise NotInSync(name)
    kind = locked["type"]
    if kind == "dvc":
        path = str(locked.get("path") or "")
        return {"type": kind, "url": locked["url"], "path": path, "sha": locked["rev_lock"]}
    if kind == "url":
        return _described_url(project, found, locked)
    return {"type": kind, "name": locked.get("url", name), "version": locked["version"]}


def _described_url(project: Project, found: Dataset, locked: dict[str, Any]) -> dict[str, Any]:
    url = _address(project, str(locked["url"]))
    base = url.rstrip("/")
    files = [
        _pinned(f"{base}/{row['relpath']}", row.get("meta") or {})
        for row in locked.get("files") or ()
    ]
    return {"type": "url", "files": files, "path": _pinned(url, locked.get("meta") or {})}


def _address(project: Project, url: str) -> str:
    """Where the data lies: of a place below a remote the URL of that place."""
    scheme = scheme_of(url)
    if scheme == LOCAL:
        return f"local://{url.removeprefix('file://')}"
    if scheme != REMOTE:
        return version_in(url)[0]
    name, _, path = url.partition("://")[2].partition("/")
    return f"{project.settings.remote(name).url.rstrip('/')}/{path}"


def _pinned(url: str, meta: dict[str, Any]) -> str:
    version = meta.get("version_id")
    return f"{url}?versionId={version}" if version else url
