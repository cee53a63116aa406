"""Data from elsewhere: copied into the workspace, or sent on to a remote without staying here."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator

from pannier.core.digest import MD5, Digest
from pannier.core.errors import BadPath, OutputMissing, PannierError, TransferFailed
from pannier.core.events import Progress
from pannier.core.manifest import Manifest
from pannier.core.path import is_inside, reason_to_refuse
from pannier.core.plan import plan_checkout
from pannier.core.record import dataclass
from pannier.core.stage import Meta, Out, Stage
from pannier.disk import fsio
from pannier.disk.beneath import Root, has_link_parent
from pannier.formats import pointer
from pannier.ops.tracking import ignore_in_git, write_pointer
from pannier.project import snapshot as snapshots
from pannier.project.keeping import record_change
from pannier.project.project import Project
from pannier.project.targets import root_relative
from pannier.project.workspace import scratch_folder, sweep
from pannier.store.remote import Remote
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import Transport

_GROUP = 500


@dataclass(frozen=True, slots=True)
class BringOptions:
    """out: where to, as typed (default: the source's own name here). force: what is there may go.
    remote: for add_to_remote, instead of the default one."""

    cwd: str = ""
    out: str | None = None
    force: bool = False
    remote: str | None = None
    jobs: int | None = None


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where data comes from. keys: below the transport's root, with their sizes; one, equal to
    name, for a single file."""

    transport: Transport
    name: str
    keys: list[tuple[str, int | None]]
    is_dir: bool

    def inner(self, key: str) -> str:
        """A key's path relative to the directory; '' for a single file."""
        return key[len(self.name) + 1 :]


def _open_origin(project: Project, source: str, cwd: str) -> _Origin:
    """source: a URL, or a path as typed. Raises OutputMissing when nothing is there."""
    if source.startswith("remote://"):
        name, _, rest = source.removeprefix("remote://").partition("/")
        config = project.settings.remote(name)
        source = f"{config.url.rstrip('/')}/{rest}"
        options, protected = config.options, config.protected
    else:
        options, protected = {}, frozenset[str]()
        if "://" not in source:
            source = os.path.normpath(os.path.join(project.root, cwd, os.path.expanduser(source)))
    parent, _, name = source.rstrip("/").rpartition("/")
    transport = open_transport(RemoteConfig("source", parent or "/", options, protected))
    entry = transport.stat(name)
    if entry is not None:
        return _Origin(transport, name, [(name, entry.size_bytes)], False)
    keys = [(found.key, found.size_bytes) for found in transport.list(f"{name}/")]
    if not keys and not os.path.isdir(source):
        raise OutputMissing(source, source)
    for key, _ in keys:
        why = reason_to_refuse(key[len(name) + 1 :])
        if why is not None:
            raise BadPath(path=key, reason=why, where=source)
    return _Origin(transport, name, sorted(keys), True)


def _destination(project: Project, origin: _Origin, options: BringOptions) -> str:
    path = root_relative(project, options.cwd, options.out or origin.name)
    why = "it leaves the project" if not is_inside(path) else reason_to_refuse(path)
    link = has_link_parent(project.root, path) if why is None else None
    if link is not None:
        why = f"'{link}' is a link to elsewhere"
    if why is not None:
        raise BadPath(path=options.out or origin.name, reason=why, where="the command line")
    return path


def bring_in(project: Project, source: str, options: BringOptions, progress: Progress) -> str:
    """Copies a file or directory to options.out; returns its root-relative path.

    It appears there whole or not at all. Raises OutputMissing, BadPath, TransferFailed.
    """
    sweep(project)
    origin = _open_origin(project, source, options.cwd)
    path = _destination(project, origin, options)
    if os.path.lexists(project.absolute(path)) and not options.force:
        raise PannierError(
            f"The file '{options.out}' already exists locally. \n"
            "To override it, re-run with '--force'."
        )
    with scratch_folder(project, path) as scratch, Root(project.root) as root:
        new = f"{scratch}/new"
        if origin.is_dir:
            fsio.make_dir(new)
        got = _download(origin, origin.keys, new, progress)
        want = {origin.inner(key): md5 for key, (md5, _) in got.items()}
        _record(project, path, want, progress)
        if root.stat(path) is None:
            root.place(new, path)
        else:
            root.swap(new, path, None)
    origin.transport.close()
    return path


def _record(project: Project, path: str, want: dict[str, str], progress: Progress) -> None:
    """Writes down for `undo` what is to stand at path, and keeps what only stands there now."""
    if project.recording is None:
        return
    look = snapshots.look(project, path, MD5, progress)
    snapshots.measure_entries(project, look, progress)
    have: dict[str, str | None] = dict(look.entries())
    stored = project.store.present({name for name in have.values() if name is not None})
    record_change(project, look, plan_checkout(have, want, stored | set(want.values())))


def _download(
    origin: _Origin, keys: list[tuple[str, int | None]], new: str, progress: Progress
) -> dict[str, tuple[str, int]]:
    """Downloads into new (a file, or below a directory): key -> (md5, size in bytes)."""
    task = progress.task("Copying", len(keys))
    items = []
    for key, _ in keys:
        target = f"{new}/{origin.inner(key)}" if origin.is_dir else new
        fsio.make_dirs(os.path.dirname(target))
        items.append((key, target, ""))
    got: dict[str, tuple[str, int]] = {}
    failures: list[tuple[str, str]] = []
    transport = origin.transport
    for result in transport.download_many(items, transport.jobs_default, lambda count: None):
        task.advance()
        if result.error is not None or result.md5 is None:
            failures.append((result.key, str(result.error)))
        else:
            got[result.key] = (result.md5, result.size_bytes)
    task.close()
    if failures:
        raise TransferFailed(len(failures), "download", failures)
    return got


def add_to_remote(
    project: Project, source: str, options: BringOptions, progress: Progress
) -> tuple[str, list[str]]:
    """Sends data straight to a remote and writes the pointer; nothing stays in workspace or cache.

    Returns (the pointer's path, `.gitignore` files changed). Raises OutputMissing, TransferFailed.
    """
    sweep(project)
    origin = _open_origin(project, source, options.cwd)
    path = _destination(project, origin, options)
    pointer_path = pointer.pointer_name(path)
    name = posixpath.basename(path)
    with Remote(project.settings.remote(options.remote)) as remote:
        jobs = options.jobs or remote.jobs
        got = {}
        for group in _groups(origin.keys):
            got.update(_pass_on(project, path, origin, group, remote, jobs, progress))
        remote.transport.flush()
        if origin.is_dir:
            manifest = Manifest.of((origin.inner(key), md5) for key, (md5, _) in got.items())
            digest = manifest.digest_hex()
            remote.transport.write(remote.key(MD5, digest), manifest.to_bytes())
            remote.transport.flush()
            meta = Meta(sum(size for _, size in got.values()), len(got))
        else:
            digest, size = got[origin.name]
            meta = Meta(size)
    origin.transport.close()
    out = Out(path=name, digest=Digest(MD5, digest), meta=meta)
    stage = Stage(file=pointer_path, wdir=posixpath.dirname(path), outs=(out,))
    changed = ignore_in_git(project, [path])
    write_pointer(project, stage)
    return pointer_path, changed


def _groups(keys: list[tuple[str, int | None]]) -> Iterator[list[tuple[str, int | None]]]:
    for at in range(0, len(keys), _GROUP):
        yield keys[at : at + _GROUP]


def _pass_on(
    project: Project,
    path: str,
    origin: _Origin,
    keys: list[tuple[str, int | None]],
    remote: Remote,
    jobs: int,
    progress: Progress,
) -> dict[str, tuple[str, int]]:
    """Downloads some files into the scratch folder and uploads them from there."""
    with scratch_folder(project, path) as scratch:
        new = f"{scratch}/new"
        got = _download(origin, keys, new, progress)
        uploads = {
            remote.key(MD5, md5): (f"{new}/{origin.inner(key)}" if origin.is_dir else new, md5)
            for key, (md5, _) in got.items()
        }
        failures = []
        items = [(local, key, md5) for key, (local, md5) in uploads.items()]
        for result in remote.transport.upload_many(items, jobs, lambda count: None):
            if result.error is not None:
                failures.append((result.key, str(result.error)))
        if failures:
            raise TransferFailed(len(failures), "upload", failures)
    return got
