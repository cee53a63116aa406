"""Where bytes lie at a remote: under their digest, or where versions are kept under their own name.

Which version of a name is meant, only pointers tell (docs/formats.md, section 9).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from pannier.core.typed import Any
from pannier.formats.entries import version_at
from pannier.project.index import OutRef
from pannier.project.stored import StoredObject
from pannier.store.remote import Remote
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import LOCAL, scheme_of
from pannier.store.transport import key_of_version
from pannier.store.versioned import VersionedRemote

_VERSION_MARKS = {"s3": "?versionId=", "azure": "?versionid=", "gs": "#"}

Far: TypeAlias = Remote | VersionedRemote


def open_far(config: RemoteConfig) -> Far:
    """A remote of either kind, for reading."""
    return VersionedRemote(config) if config.is_versioned else Remote(config)


def key_at(remote: Far, item: StoredObject) -> str | None:
    """An object's key; None where no version of it is recorded for this remote."""
    if isinstance(remote, Remote):
        return remote.key(item.algorithm, item.hex)
    version = version_at(item.entry, remote.name)
    return key_of_version(item.path, version) if version else None


def url_at(config: RemoteConfig, item: StoredObject) -> str:
    """Where an object lies, or would lie, as DVC writes it."""
    url = config.url
    kind = scheme_of(url)
    if kind == LOCAL:
        url = url.removeprefix("file://")
    base = url.rstrip("/")
    if not config.is_versioned:
        return f"{base}/{Remote.key(item.algorithm, item.hex)}"
    version = version_at(item.entry, config.name)
    return (
        f"{base}/{item.path}{_VERSION_MARKS.get(kind, '?')}{version}"
        if version
        else (f"{base}/{item.path}")
    )


def recorded_files(ref: OutRef) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(path in the project, digest, entry) of all of an output that a pointer records by itself:
    of a file, and of a folder that was pushed to a remote with cloud versions."""
    out = ref.out
    if out.files is not None:
        for row in out.files:
            if row.get("md5"):
                yield f"{ref.path}/{row['relpath']}", str(row["md5"]), row
    elif out.digest is not None and not out.digest.is_dir:
        yield ref.path, out.digest.hex, {"cloud": out.cloud} if out.cloud else out.extra


def keys_of(refs: Iterable[OutRef], remote: str) -> dict[str, str]:
    """Digest -> key, of what outputs record of a remote with cloud versions."""
    found: dict[str, str] = {}
    for ref in refs:
        for path, md5, entry in recorded_files(ref):
            version = version_at(entry, remote)
            if version:
                found.setdefault(md5, key_of_version(path, version))
    return found
