"""Reading a source's files: from the workspace or Git, the cache, or straight from the remote.

What is asked for is looked for in that order. An object in the cache counts only when its bytes
are what its name says; a damaged one is as good as missing here, and left where it is: the cache
may be anybody's.
"""

from __future__ import annotations

import errno
import io
import os
import posixpath
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import BinaryIO, cast

from pannier.core.errors import BadPath, CorruptObject, NoRemote, NotThere
from pannier.core.events import Progress
from pannier.core.path import join
from pannier.core.reading_errors import IsDirectory, PathMissing
from pannier.core.record import dataclass
from pannier.core.typed import Any
from pannier.disk import fsio
from pannier.project.index import OutRef
from pannier.project.overlay import Known, Local, Overlay
from pannier.project.sources import Place, Source
from pannier.project.stored import StoredObject, cached_object, open_file
from pannier.project.version_keys import Far, key_at, open_far, recorded_files
from pannier.store.pace import Pace
from pannier.store.ranges import WHOLE_BYTES, RemoteObject, Where, has_ranges
from pannier.store.remote import Remote
from pannier.store.transfer import fetch

BUFFER_BYTES = 256 << 10
_RECENT_BYTES = 4 * WHOLE_BYTES
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_HIDDEN = {".dvc", ".git", ".hg"}
"""Folders that nobody sees: there are settings in them, with secrets."""


@dataclass(frozen=True, slots=True)
class Node:
    """One path: what is there, on disk or in Git, and what is recorded of it; one of them is not
    None. path: from the view's base, '' for it.
    """

    path: str
    local: Local | None
    known: tuple[bool, Known] | None

    @property
    def is_dir(self) -> bool:
        if self.local is not None:
            return self.local[1]
        return self.known is not None and self.known[0]

    @property
    def size(self) -> int | None:
        """In bytes; of a directory what the file system says, or what is recorded."""
        if self.local is not None:
            return self.local[3]
        return self.known[1][2] if self.known is not None else None

    @property
    def is_out(self) -> bool:
        """True for an output and for what lies in one."""
        return self.known is not None and self.known[1][0]


class View:
    """A source seen as folders and files. base: the folder in the source that paths start from.

    subrepos: projects inside it are shown too; to be opened they need not be. Any thread may ask.
    """

    def __init__(
        self, source: Source, progress: Progress, base: str = "", *, subrepos: bool = False
    ) -> None:
        self.source, self.base, self.subrepos = source, base, subrepos
        self._progress = progress
        self._lock = threading.RLock()
        self._places: dict[str, Place] = {}
        self._overlays: dict[str, Overlay] = {}
        self._refs: dict[str, dict[str, OutRef]] = {}
        self._remotes: dict[tuple[str, str | None], Far] = {}
        self._entries: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
        self._recent: OrderedDict[tuple[str, str], bytes] = OrderedDict()

    def close(self) -> None:
        with self._lock:
            for remote in self._remotes.values():
                remote.transport.close()
            self._remotes.clear()
            if self.source.git is not None:
                self.source.git.close()

    def key(self, path: str) -> str:
        """A path as typed, from the base. '' and '/' are the base itself, and nothing leaves it.

        In a workspace other paths start from the working folder, if that is in the project.
        """
        if not path:
            return ""
        at = path if path.startswith("/") else f"{self.source.cwd}/{path}"
        return posixpath.normpath(f"/{at}").lstrip("/")

    # -- looking ----

    def prepare(self, path: str, depth: int | None) -> None:
        """Brings, all at once, what looking at a path so deep will need; None for all of it."""
        with self._lock:
            place, inner = self._find(path)
            self._overlay(place).prepare(inner, depth)

    def look(self, path: str) -> Node | None:
        """One path, links on disk followed; None when nothing is there. Raises ListMissing."""
        if _is_hidden(path):
            return None
        with self._lock:
            place, inner = self._find(path)
            local, known = self._overlay(place).layers(inner)
            if not inner:
                known = known or (True, (False, False, 0, None))
            node = Node(path, local, known)
        return None if local is None and known is None else node

    def children(self, path: str) -> list[Node]:
        """What a folder holds, in the order in which DVC tells it. Raises ListMissing."""
        with self._lock:
            place, inner = self._find(path)
            overlay = self._overlay(place)
            overlay.prepare(inner, 1)
            local, files, folders = overlay.names(inner)
            seen = {_checked(entry[0], path): entry for entry in local or ()}
            if self.subrepos:
                seen |= {entry[0]: entry for entry in self._inner_projects(path, seen)}
        found = {}
        for is_dir, recorded in ((False, files), (True, folders)):
            for name, known in recorded.items():
                found[name] = Node(join(path, name), seen.get(name), (is_dir, known))
        for name, entry in seen.items():
            if name not in found:
                found[name] = Node(join(path, name), entry, None)
        return list(found.values())

    def is_executable(self, path: str) -> bool:
        """Whether a path is an output that is recorded as executable."""
        with self._lock:
            place, inner = self._find(path)
            ref = self._ref(place, inner)
        return ref is not None and ref.path == inner and ref.out.meta.is_exec

    def modified_s(self, node: Node) -> float:
        """When a path last became what it is, in seconds since 1970: by the disk, for what is not
        there by the file that records it; at a revision, by the commit."""
        with self._lock:
            sha, git = self.source.sha, self.source.git
            if sha is not None:
                assert git is not None
                return git.objects.committed_s(sha)
            place, inner = self._find(node.path)
            ref = self._ref(place, inner)
        paths = [f"{self.source.root}/{join(self.base, node.path)}"]
        if node.local is None and ref is not None:
            file = join(place.prefix, ref.stage.file)
            lock = file.removesuffix(".yaml") + ".lock"
            paths = [f"{self.source.root}/{name}" for name in {file, lock}]
        return max((os.stat(path).st_mtime for path in paths if os.path.exists(path)), default=0.0)

    def sizes(self, nodes: list[Node]) -> dict[str, int]:
        """Path -> size of the files among nodes whose size is nowhere recorded, where anybody
        knows it: the cache, else the remote, asked for all of them together."""
        found: dict[str, int] = {}
        asked: dict[tuple[str, str | None, str], dict[str, list[str]]] = {}
        owners: dict[tuple[str, str | None, str], StoredObject] = {}
        with self._lock:
            for node in nodes:
                if node.is_dir or node.size is not None:
                    continue
                item = self._recorded(*self._find(node.path), node.path)
                try:
                    found[node.path] = os.lstat(item.store.path(item.hex)).st_size
                except OSError:
                    key = (item.project.root, item.remote, item.algorithm)
                    owners[key] = item
                    asked.setdefault(key, {}).setdefault(item.hex, []).append(node.path)
            for key, paths in asked.items():
                remote = self._remote(owners[key])
                if not isinstance(remote, Remote):
                    continue  # none; and beside versions their sizes are recorded
                sizes = remote.present(key[2], paths.keys(), remote.jobs, self._progress)
                for hex, size in sizes.items():
                    if size is not None:
                        found.update(dict.fromkeys(paths[hex], size))
        return found

    # -- reading ----

    def open(self, path: str) -> BinaryIO:
        """A file, to be read and sought. Raises PathMissing, IsDirectory, CorruptObject,
        TransportError; while it is read, too."""
        found = self.find(path)
        return self.open_object(found, path) if isinstance(found, StoredObject) else found

    def find(self, path: str) -> BinaryIO | StoredObject:
        """A file that is on disk or in Git, opened; else the object that it is recorded as.

        Raises PathMissing, IsDirectory, ListMissing, DiskError.
        """
        if _is_hidden(path):
            raise PathMissing(path)
        with self._lock:
            place, inner = self._find(path)
            tree = self.source.tree(place.prefix)
            if tree is None:
                full = join(self.base, path)
                try:
                    return open_file(f"{self.source.root}/{full}")
                except IsADirectoryError:
                    raise IsDirectory(path) from None
                except OSError as error:
                    if error.errno not in _ABSENT:
                        fsio.fail(error, path)
            elif (data := tree.read(inner)) is not None:
                return io.BytesIO(data)
            return self._recorded(place, inner, path)

    def locate(self, path: str) -> StoredObject | None:
        """The object that a path is recorded as; None for what no output is or holds.

        Also of a directory that is an output. Raises ListMissing.
        """
        with self._lock:
            try:
                return self._recorded(*self._find(path), path, folders=True)
            except PathMissing:
                return None

    def remote_of(self, item: StoredObject) -> Far:
        """The remote that an object belongs to, opened. Raises NoRemote, ConfigError."""
        with self._lock:
            key = (item.project.root, item.remote)
            if key not in self._remotes:
                self._remotes[key] = open_far(item.project.settings.remote(item.remote))
            return self._remotes[key]

    def open_object(self, item: StoredObject, path: str) -> BinaryIO:
        cached = cached_object(item)
        if cached is not None:
            return cached
        recent = self._recent.get((item.algorithm, item.hex))
        if recent is not None:
            return io.BytesIO(recent)
        remote = self._remote(item)
        key = None if remote is None else key_at(remote, item)
        if remote is None or key is None:
            raise PathMissing(path, is_recorded=True)
        if not has_ranges(remote.transport):
            return self._by_cache(item, remote, key, path)
        where = Where(remote.transport, key, item.algorithm, item.hex, f"remote '{remote.name}'")
        raw = RemoteObject(where, item.size_bytes)
        try:
            raw.size  # noqa: B018 - of a small one this is all of it; what is not there shows now
        except NotThere:
            raise PathMissing(path, is_recorded=True) from None
        if raw.whole is not None:
            self._keep(item, raw.whole)
        return cast(BinaryIO, io.BufferedReader(raw, BUFFER_BYTES))

    def _keep(self, item: StoredObject, data: bytes) -> None:
        """Remembers a small object for a while: libraries open one file several times."""
        with self._lock:
            self._recent[item.algorithm, item.hex] = data
            while sum(map(len, self._recent.values())) > _RECENT_BYTES:
                self._recent.popitem(last=False)

    def _by_cache(self, item: StoredObject, remote: Far, key: str, path: str) -> BinaryIO:
        """Reads from a place that has no ranges: the object comes into the cache first."""
        sizes = {item.hex: item.size_bytes}
        with self._lock:
            item.store.hold()
            try:
                where = {item.hex: key}
                report = fetch(
                    item.store, remote, [item.hex], sizes, Pace(1), self._progress, where
                )
            finally:
                item.store.release()
        error = report.failed.get(item.hex)
        if isinstance(error, NotThere):
            raise PathMissing(path, is_recorded=True) from None
        if error is not None:
            raise error
        found = cached_object(item)
        if found is None:
            raise CorruptObject(item.hex, where="the cache")
        return found

    def root_place(self) -> Place:
        """The project at the base."""
        with self._lock:
            return self._find("")[0]

    # -- how ----

    def _find(self, path: str) -> tuple[Place, str]:
        """The project that a path belongs to, and the path in it."""
        full = join(self.base, path) if path else self.base
        place = self.source.place(full)
        place = self._places.setdefault(place.prefix, place)
        return place, full[len(place.prefix) :].lstrip("/")

    def _overlay(self, place: Place) -> Overlay:
        if place.prefix not in self._overlays:
            self._overlays[place.prefix] = Overlay(place, self._progress)
        return self._overlays[place.prefix]

    def _remote(self, item: StoredObject) -> Far | None:
        try:
            return self.remote_of(item)
        except NoRemote:
            return None

    def _recorded(
        self, place: Place, inner: str, path: str, *, folders: bool = False
    ) -> StoredObject:
        """Raises PathMissing, and IsDirectory unless folders are asked for."""
        local, known = self._overlay(place).layers(inner)
        is_dir = known[0] if known is not None else local is not None and local[1]
        if is_dir and not folders:
            raise IsDirectory(path)
        ref = self._ref(place, inner)
        if known is None or ref is None or place.project is None:
            raise PathMissing(path)
        _, _, size, hex = known[1]
        if hex is None or ref.out.digest is None:
            raise PathMissing(path)
        algorithm, entry = ref.out.digest.algorithm, self._entry(place, ref, inner)
        return StoredObject(place.project, algorithm, hex, size, ref.out.remote, inner, entry)

    def _entry(self, place: Place, ref: OutRef, inner: str) -> Mapping[str, Any]:
        """What a pointer records of one file beside its digest."""
        at = (place.prefix, ref.path)
        if at not in self._entries:
            self._entries[at] = {path: entry for path, _, entry in recorded_files(ref)}
        return self._entries[at].get(inner, {})

    def _ref(self, place: Place, inner: str) -> OutRef | None:
        if place.prefix not in self._refs:
            outs = place.index(self._progress).outs()
            self._refs[place.prefix] = {ref.path: ref for ref in outs if ref.tracked}
        refs = self._refs[place.prefix]
        while inner and inner not in refs:
            inner = inner.rpartition("/")[0]
        return refs.get(inner)

    def _inner_projects(self, path: str, seen: dict[str, Local]) -> list[Local]:
        """Folders of other projects, which an overlay leaves out."""
        full = join(self.base, path) if path else self.base
        tree = self.source.tree(full)
        names: list[str]
        if tree is None:
            root = f"{self.source.root}/{full}" if full else self.source.root
            try:
                names = [name for name in os.listdir(root) if os.path.isdir(f"{root}/{name}/.dvc")]
            except OSError:
                return []
        else:
            entries = tree.entries("") or {}
            names = [name for name in entries if tree.entry(f"{name}/.dvc") is not None]
        return [(name, True, False, None) for name in sorted(names) if name not in seen]


def _checked(name: str, folder: str) -> str:
    """A name in a folder. A Git tree may hold any bytes, and names become paths (S1)."""
    if name in ("", ".", "..") or "/" in name:
        where = f"the Git repository, in '{folder or '/'}'"
        raise BadPath(name, "it is no name of a file", where)
    return name


def _is_hidden(path: str) -> bool:
    return not _HIDDEN.isdisjoint(path.split("/"))
