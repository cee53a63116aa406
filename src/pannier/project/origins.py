"""Origins: what a path in somebody's project holds, as cargo that can be brought from there.

A path is laid out as `list` shows it: outputs over the files of Git, or of the workspace. What is
an output comes from the project's cache or its remote, by digest; all else from Git, or from the
folder itself. Only the files that were asked for travel, and the lists that name them.
"""

from __future__ import annotations

import os
import posixpath
import threading
from collections.abc import Iterable, Iterator

from pannier.core.digest import LEGACY
from pannier.core.errors import (
    BadPath,
    CorruptObject,
    DiskError,
    GitError,
    NoRemote,
    NotThere,
    PannierError,
)
from pannier.core.events import Progress
from pannier.core.path import is_inside, is_within
from pannier.core.source_errors import NeverMade, PathMissing
from pannier.disk import fsio
from pannier.disk.hashing import hex_of_file
from pannier.formats.ignore import NAME as IGNORE_FILE
from pannier.formats.pointer import is_pipeline_name, is_pointer_name
from pannier.git.objects import FOLDER, SUBMODULE, SYMLINK
from pannier.git.repo import GitRepo
from pannier.project.index import OutRef
from pannier.project.overlay import Overlay, Row
from pannier.project.project import Project
from pannier.project.sources import Place, Source
from pannier.store.cargo import Cargo, Item, Lot
from pannier.store.remote import Remote
from pannier.store.remote_config import RemoteConfig
from pannier.store.transport import OnBytes, Result
from pannier.store.transports.local import LocalTransport
from pannier.store.transports.s3_bodies import Sink


def cargo_at(source: Source, path: str, progress: Progress) -> Cargo:
    """The files at a path of a source. Raises PathMissing, ListMissing, BadPath."""
    return _Finder(source, path, progress).cargo()


def object_at(source: Source, path: str, progress: Progress) -> tuple[Place, OutRef, str]:
    """(project, output, hex) of what is tracked by DVC at a path; the hex may be a folder's list.

    Raises PathMissing for what is not, ListMissing.
    """
    return _Finder(source, path, progress).tracked()


class _Finder:
    def __init__(self, source: Source, path: str, progress: Progress) -> None:
        self._source, self._path, self._progress = source, path, progress
        where = posixpath.normpath(path)
        if where.startswith(source.root + "/"):
            where = where[len(source.root) + 1 :]
        if not is_inside(where) or not path:
            raise self._missing()
        self._where = "" if where == "." else where
        self._place = source.place(self._where)
        self._inner = self._where[len(self._place.prefix) :].lstrip("/")
        self._refs = [ref for ref in self._place.index(progress).outs() if ref.tracked]
        self._lots: dict[object, Lot] = {}

    def _missing(self) -> PathMissing:
        options = self._source.options
        return PathMissing(self._source.url, self._path, options.rev)

    def cargo(self) -> Cargo:
        overlay = Overlay(self._place, self._progress, sizes=False)
        overlay.prepare(self._inner, None)
        row = overlay.look(self._inner)
        if row is None:
            raise self._missing()
        self._refuse_way_out()
        if row[2]:
            for inner, found in _below(overlay, self._inner):
                self._add(found[0], inner, found)
        else:
            self._add("", self._inner, row)
        has_list = row[2] and any(ref.path == self._inner for ref in self._refs)
        cargo = Cargo(self._path, row[2], list(self._lots.values()), has_list)
        cargo.check()
        return cargo

    def tracked(self) -> tuple[Place, OutRef, str]:
        for ref in self._refs:
            digest = ref.out.digest
            if not is_within(self._inner, ref.path) or digest is None:
                continue
            if self._inner == ref.path:
                return self._place, ref, digest.hex
            manifest = self._place.manifests([ref], self._progress)[ref.path]
            name = manifest.get(self._inner[len(ref.path) + 1 :])
            if name is not None:
                return self._place, ref, name
        raise self._missing()

    def _add(self, path: str, inner: str, row: Row) -> None:
        """path: below what was asked for. inner: below the project."""
        if self._source.sha is None:
            full = f"{self._place.prefix}/{inner}" if self._place.prefix else inner
            absolute = f"{self._source.root}/{full}"
            if os.path.lexists(absolute):
                if self._is_file(absolute):
                    self._put("files", self._files, (path, full, ""))
                return
        ref = self._covering(inner) if row[5] is not None else None
        if ref is not None and row[5] is not None:
            algorithm = ref.out.digest.algorithm if ref.out.digest is not None else "md5"
            key = (ref.out.remote, algorithm)
            expected = row[5][:32] if algorithm != LEGACY else ""
            self._put(key, lambda: self._objects(*key), (path, row[5], expected))
            return
        oid = self._blob(inner) if self._source.sha is not None else None
        if oid is not None:
            self._put("git", self._git, (path, oid, ""))
        elif row[1]:
            raise NeverMade(self._source.url, inner)

    def _put(self, kind: object, make: object, item: Item) -> None:
        lot = self._lots.get(kind)
        if lot is None:
            assert callable(make)
            lot = self._lots[kind] = Lot(make(), [], self._path)
        lot.items.append(item)

    def _covering(self, inner: str) -> OutRef | None:
        for ref in self._refs:
            if is_within(inner, ref.path):
                return ref
        return None

    # -- supplies ----

    def _files(self) -> LocalTransport:
        return LocalTransport(RemoteConfig("source", self._source.root))

    def _objects(self, own: str | None, algorithm: str) -> ObjectSupply:
        assert self._place.project is not None
        cache = self._source.mirror is None
        return ObjectSupply(self._place.project, own, algorithm, cache=cache)

    def _git(self) -> GitSupply:
        return GitSupply(self._source, self._progress)

    # -- files of the workspace, and links ----

    def _is_file(self, path: str) -> bool:
        if not os.path.islink(path):
            return True
        self._check_real(path)
        if os.path.isfile(path):
            return True
        self._progress.warn(f"'{path}' is left out: it is a link to a folder, or to nothing")
        return False

    def _refuse_way_out(self) -> None:
        if self._source.sha is None and self._where:
            self._check_real(f"{self._source.root}/{self._where}")

    def _check_real(self, path: str) -> None:
        """Raises BadPath for what leads out of the source, but into its cache."""
        project = self._place.project
        allowed = [self._source.root, *([project.cache_dir] if project is not None else [])]
        real = os.path.realpath(path)
        if not any(is_within(real, os.path.realpath(root)) for root in allowed):
            shown = os.path.relpath(path, self._source.root)
            raise BadPath(shown, "it is a link that leads out", f"'{self._source.url}'")

    def _blob(self, inner: str) -> str | None:
        """The object of a file in Git. Links are followed, as long as they stay inside."""
        tree = self._source.tree(self._place.prefix)
        assert tree is not None
        entry = tree.entry(inner)
        if entry is None or entry[0] in (FOLDER, SUBMODULE):
            return None
        if entry[0] != SYMLINK:
            return entry[1]
        if self._source.mirror is not None:
            assert self._source.sha is not None
            self._source.mirror.bring_blobs(self._source.sha, [entry[1]], self._progress)
        oid = tree.oid(inner)
        if oid is None:
            raise BadPath(inner, "it is a link to no file in there", f"'{self._source.url}'")
        return oid


def _below(overlay: Overlay, folder: str) -> Iterator[tuple[str, Row]]:
    """(path in the project, row) of every file below a folder but those of DVC itself.

    A row's own path starts from the folder.
    """
    pending = [""]
    while pending:
        prefix = pending.pop()
        here = f"{folder}/{prefix}" if folder else prefix
        files, folders = overlay.children(here.rstrip("/"), prefix)
        for row in files:
            name = row[0].rpartition("/")[2]
            if name != IGNORE_FILE and not _is_own(name):
                yield (f"{folder}/{row[0]}" if folder else row[0]), row
        pending += [row[0] + "/" for row in folders]


def _is_own(name: str) -> bool:
    """What stays behind, as with DVC; `dvc.lock` does not."""
    return is_pointer_name(name) or is_pipeline_name(name)


class GitSupply:
    """Files of a commit, by the names of their Git objects."""

    def __init__(self, source: Source, progress: Progress) -> None:
        assert source.git is not None
        assert source.sha is not None
        self._git: GitRepo = source.git
        self._source, self._sha, self._progress = source, source.sha, progress
        self.jobs_default = 1

    def download_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        items = list(items)
        oids = [oid for oid, _, _ in items]
        if self._source.mirror is not None:
            self._source.mirror.bring_blobs(self._sha, oids, self._progress)
        paths = {oid: path for oid, path, _ in items}
        never = threading.Event()
        try:
            for oid, data in self._git.read_blobs(oids):
                with Sink(paths[oid], never, on_bytes) as sink:
                    sink.add(data)
                    md5, size = sink.finish(len(data), "", f"'{self._source.url}'")
                yield Result(oid, None, md5, size)
        except GitError as error:
            raise PannierError(error.message, hint=error.hint) from None

    def close(self) -> None:
        return None


class ObjectSupply:
    """Objects of a project: from its cache where that can be read, else from its remote.

    own: the only remote that they go to. cache: it has one on this machine.
    """

    def __init__(self, project: Project, own: str | None, algorithm: str, *, cache: bool) -> None:
        self._project, self._own, self._algorithm = project, own, algorithm
        self._cache = cache
        self.jobs_default = 0
        """As the remote has it."""

    def download_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        items = list(items)
        done: set[str] = set()
        if self._cache:
            for result in self._from_cache(items, jobs, on_bytes):
                done.add(result.key)
                yield result
        rest = [item for item in items if item[0] not in done]
        if not rest:
            return
        try:
            config = self._project.settings.remote(self._own)
        except NoRemote as error:
            raise PannierError(
                f"its data is {'not in its cache' if self._cache else 'on no remote'}, and"
                f" '{self._project.root}' has no default remote",
                hint="name one with '--remote <name>', or '--remote-config url=<url>' beside it",
            ) from error
        with Remote(config) as remote:
            yield from self._from(remote, rest, jobs, on_bytes)

    def _from_cache(
        self, items: list[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        """What arrived from the cache; what is damaged there comes from the remote."""
        here = self._project.store_of(self._algorithm).present({name for name, _, _ in items})
        some = [item for item in items if item[0] in here]
        if not some:
            return
        paths = {name: path for name, path, _ in some}
        with Remote(RemoteConfig("cache", self._project.cache_dir)) as cache:
            for result in self._from(cache, some, jobs, on_bytes):
                if result.error is None:
                    yield result
                elif isinstance(result.error, DiskError):
                    raise result.error
                elif os.path.lexists(paths[result.key]):
                    fsio.remove_if_there(paths[result.key])

    def _from(
        self, remote: Remote, items: list[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        keys = remote.keys(self._algorithm, [name for name, _, _ in items])
        names = dict(zip(keys, items, strict=True))
        calls = [(key, path, md5) for key, (_, path, md5) in names.items()]
        for result in remote.transport.download_many(calls, jobs or remote.jobs, on_bytes):
            name, path, _ = names[result.key]
            yield self._checked(result, name, path, remote.name)

    def _checked(self, result: Result, name: str, path: str, where: str) -> Result:
        if result.error is None and self._algorithm == LEGACY:
            found = hex_of_file(path, LEGACY)
            if found != name[:32]:
                error = CorruptObject(name, found=found, where=f"'{where}'")
                fsio.remove_if_there(path)
                return Result(name, error)
        if isinstance(result.error, NotThere):
            gone = NotThere(f"object {name} is not on remote '{where}'")
            return Result(name, gone)
        return result._replace(key=name)

    def close(self) -> None:
        return None
