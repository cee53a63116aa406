"""Origins: what a path in somebody's project holds, as cargo that can be brought from there.

A path is laid out as `list` shows it: outputs over the files of Git, or of the workspace. What is
an output comes from the project's cache or its remote, by digest; all else from Git, or from the
folder itself. Only the files that were asked for travel, and the lists that name them.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator

from pannier.core.digest import LEGACY, Digest
from pannier.core.errors import (
    BadPath,
    CorruptObject,
    PannierError,
)
from pannier.core.events import Progress
from pannier.core.manifest import Manifest
from pannier.core.path import is_inside, is_within
from pannier.core.source_errors import NeverMade, PathMissing
from pannier.formats.ignore import NAME as IGNORE_FILE
from pannier.formats.pointer import is_pipeline_name, is_pointer_name
from pannier.git.objects import FOLDER, SUBMODULE, SYMLINK
from pannier.project.imported import is_repo_import, open_further
from pannier.project.index import OutRef
from pannier.project.overlay import Overlay, Row
from pannier.project.sources import Source, origin_folder
from pannier.project.stored import StoredObject
from pannier.project.supplies import GitSupply, ObjectSupply
from pannier.project.version_keys import recorded_files
from pannier.store.cargo import Cargo, Item, Lot
from pannier.store.remote_config import RemoteConfig
from pannier.store.transports.local import LocalTransport


def cargo_at(source: Source, path: str, progress: Progress, *, depth: int = 0) -> Cargo:
    """The files at a path of a source. Raises PathMissing, ListMissing, BadPath.

    depth: how many imports led here: what a source has imported itself lies at no remote of it,
    and is brought from where that came from.
    """
    return _Finder(source, path, progress, depth).cargo()


def object_at(source: Source, path: str, progress: Progress) -> StoredObject:
    """What is tracked by DVC at a path; it may be a folder's list.

    Raises PathMissing for what is not, ListMissing.
    """
    return _Finder(source, path, progress).tracked()


_FURTHEST = 8


class _Finder:
    def __init__(self, source: Source, path: str, progress: Progress, depth: int = 0) -> None:
        self._source, self._path, self._progress = source, path, progress
        self._depth = depth
        self._further: dict[str, dict[str, tuple[Lot, Item]]] = {}
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
        self._opened: list[Source] = []

    def _missing(self) -> PathMissing:
        options = self._source.options
        return PathMissing(self._source.url, self._path, options.rev)

    def cargo(self) -> Cargo:
        overlay = Overlay(self._place, self._progress, sizes=False)
        self._find_further_lists()
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
        lots = list(self._lots.values())
        cargo = Cargo(self._path, row[2], lots, has_list, tuple(self._opened))
        cargo.check()
        return cargo

    def tracked(self) -> StoredObject:
        for ref in self._refs:
            digest = ref.out.digest
            if not is_within(self._inner, ref.path) or digest is None:
                continue
            if self._inner == ref.path:
                return self._stored(ref, digest, digest.hex)
            manifest = self._place.manifests([ref], self._progress)[ref.path]
            name = manifest.get(self._inner[len(ref.path) + 1 :])
            if name is not None:
                return self._stored(ref, digest, name)
        raise self._missing()

    def _stored(self, ref: OutRef, digest: Digest, name: str) -> StoredObject:
        project, inner = self._place.project, self._inner
        assert project is not None
        entry = next((row for path, _, row in recorded_files(ref) if path == inner), {})
        return StoredObject(project, digest.algorithm, name, None, ref.out.remote, inner, entry)

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
            if self._is_from_further(ref, row[5], algorithm):
                self._add_further(path, inner, ref, row[5])
                return
            key = (ref.out.remote, algorithm)
            expected = row[5][:32] if algorithm != LEGACY else ""
            self._put(key, lambda: self._objects(*key), (path, row[5], expected))
            return
        oid = self._blob(inner) if self._source.sha is not None else None
        if oid is not None:
            self._put("git", self._git, (path, oid, ""))
        elif row[1]:
            raise NeverMade(self._source.url, inner)

    def _is_from_further(self, ref: OutRef, name: str, algorithm: str) -> bool:
        """True for what the source has imported from a project, and not in its own cache."""
        project = self._place.project
        if not is_repo_import(ref.stage) or algorithm == LEGACY or project is None:
            return False
        return self._source.mirror is not None or not project.store_of(algorithm).has(name)

    def _find_further_lists(self) -> None:
        """What folders hold that the source has imported, where only their own sources know."""
        for ref in self._refs:
            digest = ref.out.digest
            near = is_within(self._inner, ref.path) or is_within(ref.path, self._inner)
            if digest is None or not digest.is_dir or not near:
                continue
            if self._is_from_further(ref, digest.hex, digest.algorithm):
                found = self._further[ref.path] = self._open_further(ref)
                rows = [(path, item[2]) for path, (_, item) in found.items()]
                manifest = Manifest.of(rows)
                if all(name for _, name in rows) and manifest.digest_hex() != digest.hex:
                    raise CorruptObject(
                        digest.hex, found=manifest.digest_hex(), where="what was imported there"
                    )
                self._place.known[ref.path] = manifest

    def _add_further(self, path: str, inner: str, ref: OutRef, name: str) -> None:
        found = self._further.get(ref.path)
        if found is None:
            found = self._further[ref.path] = self._open_further(ref)
        entry = found.get(inner[len(ref.path) + 1 :])
        if entry is None:
            raise self._missing()
        lot, (_, key, _) = entry
        self._put(id(lot), lambda: lot.supply, (path, key, name[:32]))

    def _open_further(self, ref: OutRef) -> dict[str, tuple[Lot, Item]]:
        """The files of an import of the source, by their path in it, each with where it is."""
        if self._depth >= _FURTHEST:
            raise PannierError(f"'{self._path}' was imported over more than {_FURTHEST} projects")
        project, source = self._place.project, self._source
        assert project is not None
        base = project.root if source.mirror is None else origin_folder(source, self._place.prefix)
        further = open_further(project, ref.stage, base, self._progress)
        self._opened.append(further)
        cargo = cargo_at(further, ref.stage.deps[0].path, self._progress, depth=self._depth + 1)
        self._opened += cargo.sources
        return {item[0]: (lot, item) for lot in cargo.lots for item in lot.items}

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
        return ObjectSupply(self._place.project, self._refs, own, algorithm, cache=cache)

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
