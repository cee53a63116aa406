"""Repair: good copies of objects that are damaged or missing, from wherever one is left.

A copy is hashed on its way into the store: what does not have the digest is not taken.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from pannier.core.digest import LEGACY, MD5
from pannier.core.errors import (
    ConfigError,
    DiskError,
    InvalidFile,
    PannierError,
    TransportError,
)
from pannier.core.events import Progress
from pannier.disk import batches
from pannier.disk.hashing import hash_bytes
from pannier.project import snapshot as snapshots
from pannier.project.index import load_index
from pannier.project.project import Project
from pannier.project.version_keys import keys_of, open_far
from pannier.store import transfer, trash
from pannier.store.objects import Store
from pannier.store.pace import Pace
from pannier.store.publishing import Staging, put_bytes
from pannier.store.remote import Remote

Found = dict[str, str]
"""name -> where the good copy came from."""


def bring_good_copies(
    project: Project,
    algorithm: str,
    names: Iterable[str],
    paths: Mapping[str, str],
    progress: Progress,
    *,
    not_from: str | None = None,
) -> Found:
    """Puts into the store what can be found of names, none of which is there.

    paths: root-relative, of files and directories that should have these digests. not_from: a
    remote that is known not to have them.
    """
    store = project.store_of(algorithm)
    wanted = set(names)
    found: Found = {}
    for name in sorted(wanted):
        where = _from_this_machine(project, store, name, paths.get(name), progress)
        if where:
            found[name] = where
    _from_remotes(project, store, wanted - found.keys(), not_from, progress, found)
    return found


def _from_this_machine(
    project: Project, store: Store, name: str, path: str | None, progress: Progress
) -> str:
    for file, where in _copies(project, store, name, path):
        if _take(store, name, file):
            return where
    if path is not None and name.endswith(".dir"):
        with suppress(PannierError):
            look = snapshots.look(project, path, store.algorithm, progress)
            if look.kind == snapshots.DIRECTORY:
                data = snapshots.measure_entries(project, look, progress).manifest().to_bytes()
                if hash_bytes(data, store.algorithm) == name[:32]:
                    put_bytes(store, name, data)
                    return f"'{path}'"
    return ""


def _copies(
    project: Project, store: Store, name: str, path: str | None
) -> Iterator[tuple[str, str]]:
    """Files on this machine that may hold the bytes, and what to call them."""
    for mark in reversed(trash.marks(store)):
        yield f"{store.root}/trash/{mark}/{name}", "the trash"
    other = project.store_of(MD5 if store.algorithm == LEGACY else LEGACY)
    yield other.path(name), "the cache's other layout"
    if path is not None and not name.endswith(".dir"):
        yield project.absolute(path), f"'{path}'"


def _take(store: Store, name: str, file: str) -> bool:
    """Copies a file into the store if it has the digest."""
    if not os.path.isfile(file):
        return False
    folder, _, base = file.rpartition("/")
    try:
        with Staging(store) as staging:
            digests, _, _, errors = batches.stage_batch(
                folder, [base], staging.path, 0, False, store.algorithm
            )
            if errors or digests.hex() != name[:32]:
                return False
            staging.publish([(0, name)])
            return True
    except OSError:
        return False


def _from_remotes(
    project: Project,
    store: Store,
    missing: set[str],
    not_from: str | None,
    progress: Progress,
    found: Found,
) -> None:
    settings = project.settings
    for remote_name in dict.fromkeys((settings.default_remote(), *settings.remote_names())):
        if not missing or remote_name is None or remote_name == not_from:
            continue
        try:
            with open_far(settings.remote(remote_name)) as remote:
                keys = None
                if isinstance(remote, Remote):
                    sizes = remote.present(store.algorithm, missing, remote.jobs, progress)
                elif store.algorithm == MD5:
                    keys = keys_of(load_index(project).outs(), remote.name)
                    sizes = {name: None for name in missing if name in keys}
                else:
                    continue
                # Files before the manifests that name them.
                ordered = sorted(sizes, key=lambda name: (name.endswith(".dir"), name))
                pace = Pace(remote.jobs)
                done = transfer.fetch(store, remote, ordered, sizes, pace, progress, keys)
        except (ConfigError, InvalidFile, TransportError, DiskError) as error:
            progress.warn(f"remote '{remote_name}' could not help: {error}")
            continue
        arrived = [name for name in ordered if name not in done.failed]
        found |= dict.fromkeys(arrived, f"remote '{remote_name}'")
        missing = missing - set(arrived)
