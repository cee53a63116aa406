"""Snapshot: what is at an output's place in the workspace now, with its digest."""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Iterable

from pannier.core.digest import MD5, Digest
from pannier.core.errors import DiskError, UnstorableEntries
from pannier.core.events import Progress
from pannier.core.manifest import Manifest
from pannier.core.record import dataclass, field
from pannier.core.stage import Meta
from pannier.disk import fsio, walk
from pannier.disk.batches import EXECUTABLE
from pannier.disk.walk import FIELDS, Folder, Tree
from pannier.project.index import ignore_rules
from pannier.project.project import Project
from pannier.store.objects import Store
from pannier.store.sources import Source, hash_unknown
from pannier.store.statcache import DIGEST_SIZE, UNKNOWN, FolderRow, TreeRow, fingerprint

ABSENT, FILE, DIRECTORY, OTHER = "absent", "file", "directory", "other"
_WAIT_ABOVE, _TICKS = 1000, 5
_FLUSHED_AFTER_NS = 600_000_000_000
"""The kernel writes dirty pages back within half a minute; ten minutes are beyond doubt."""


@dataclass(slots=True)
class Snapshot:
    """One output's place. kind: ABSENT, FILE, DIRECTORY, or OTHER for what can hold no data.

    sources: its files in columns, digests filled in when `digest` is known. entry: for a file, its
    own stat. row: what the StatCache said of the whole tree, if it still holds. remembered: a file
    about which the StatCache can learn nothing more. lost: links below that hold no data any more.
    """

    path: str
    absolute: str
    algorithm: str
    kind: str
    clock_ns: int = 0
    tree: Tree | None = None
    sources: list[Source] = field(default_factory=list)
    entry: os.stat_result | None = None
    row: TreeRow | None = None
    fingerprint: bytes = b""
    digest: Digest | None = None
    meta: Meta = field(default_factory=Meta)
    remembered: bool = False
    lost: list[str] = field(default_factory=list)
    _manifest: Manifest | None = None

    @property
    def is_link(self) -> bool:
        return self.entry is not None and stat.S_ISLNK(self.entry.st_mode)

    def manifest(self) -> Manifest:
        """The directory's content as (path, digest). Every digest must be known."""
        if self._manifest is None:
            self._manifest = manifest_of(self.sources)
        return self._manifest

    def entries(self) -> dict[str, str]:
        """Path relative to the output ('' for a file) -> hex. After `measure_entries`."""
        if self.kind == FILE:
            return {"": self.sources[0].hex(0)}
        return dict(self.manifest()) if self.kind == DIRECTORY else {}


def manifest_of(sources: list[Source]) -> Manifest:
    hexes: dict[str, str] = {}
    for source in sources:
        path = source.folder.path
        names = source.folder.names
        full = [f"{path}/{name}" for name in names] if path else names
        hexes.update(zip(full, source.hexes(), strict=True))
    paths = sorted(hexes)
    return Manifest(paths, [hexes[path] for path in paths])


def look(
    project: Project, path: str, algorithm: str, progress: Progress, *, lost: bool = False
) -> Snapshot:
    """Stats what is at a root-relative path; reads no file.

    What the StatCache remembers is filled in. lost: in a directory, links to objects that are gone
    from the cache count as files that are not there. Raises DiskError, UnstorableEntries.
    """
    absolute = project.absolute(path)
    try:
        entry = os.lstat(absolute)
    except (FileNotFoundError, NotADirectoryError):
        return Snapshot(path, absolute, algorithm, ABSENT)
    except OSError as error:
        fsio.fail(error, absolute)
    clock_ns = project.recent_clock_ns()
    kind = stat.S_IFMT(entry.st_mode)
    if kind == stat.S_IFDIR:
        return _look_directory(project, path, absolute, algorithm, clock_ns, progress, lost)
    target = entry
    if kind == stat.S_IFLNK:
        try:
            target = os.stat(absolute)
        except OSError:
            return Snapshot(path, absolute, algorithm, OTHER, entry=entry)
    if not stat.S_ISREG(target.st_mode):
        return Snapshot(path, absolute, algorithm, OTHER, entry=entry)
    folder = Folder("", [os.path.basename(absolute)], array("q", walk.stat_key(target)))
    if kind == stat.S_IFLNK:
        folder.links.append(folder.names[0])
    source = Source(absolute, os.path.dirname(absolute), folder)
    source.flags[0] = EXECUTABLE if target.st_mode & 0o100 else 0
    rows = recall(project, [source], algorithm)
    row = rows.get(source.key)
    return Snapshot(
        path,
        absolute,
        algorithm,
        FILE,
        clock_ns=clock_ns,
        sources=[source],
        entry=entry,
        remembered=row is not None and (row.flushed or not is_old(folder, clock_ns)),
    )


def _look_directory(
    project: Project,
    path: str,
    absolute: str,
    algorithm: str,
    clock_ns: int,
    progress: Progress,
    lost: bool,
) -> Snapshot:
    try:
        tree = walk.scan(absolute, skip_rule(project, path))
    except OSError as error:
        fsio.fail(error, error.filename or absolute)
    _refuse_ignore_files(project, path, tree)
    gone = _refuse_problems(project, path, tree, lost)
    for name, why in tree.skipped:
        progress.warn(f"'{path}/{name}' is left out: it is {why}")
    now = fingerprint((folder.path, folder.names, folder.stats) for folder in tree.folders)
    row = project.statcache.tree(absolute, algorithm)
    snapshot = Snapshot(
        path, absolute, algorithm, DIRECTORY, clock_ns, tree, fingerprint=now, lost=gone
    )
    if row is not None and row.fingerprint == now:
        snapshot.row = row
        snapshot.digest = Digest(algorithm, row.hex)
        snapshot.meta = Meta(row.size_bytes, row.nfiles)
    return snapshot


def _refuse_problems(project: Project, path: str, tree: Tree, lost: bool) -> list[str]:
    gone = [name for name, _ in tree.problems if _is_gone(project, f"{path}/{name}")]
    left_out = set(gone) if lost else ()
    problems = [(f"{path}/{n}", why) for n, why in tree.problems if n not in left_out]
    if problems:
        raise unstorable(project, problems)
    return gone


def unstorable(project: Project, problems: list[tuple[str, str]]) -> UnstorableEntries:
    """The error for what cannot be tracked, (root-relative path, why)."""
    if all(_is_gone(project, path) for path, _ in problems):
        return UnstorableEntries(
            problems,
            "what they lead to is gone from the cache; 'dvc pull' brings it from the remote",
        )
    return UnstorableEntries(problems)


def _is_gone(project: Project, path: str) -> bool:
    """True for a link into our own cache, of a path where nothing can be tracked."""
    try:
        return os.readlink(project.absolute(path)).startswith(f"{project.cache_dir}/")
    except OSError:
        return False


def _refuse_ignore_files(project: Project, path: str, tree: Tree) -> None:
    for folder in tree.folders:
        if ".dvcignore" in folder.names:
            where = project.absolute(f"{path}/{folder.path}".rstrip("/"))
            raise DiskError(
                where, 0, f".dvcignore file should not be in collected dir path: '{where}'"
            )


def skip_rule(project: Project, path: str) -> walk.Skip | None:
    """What `.dvcignore` leaves out below a root-relative directory; None when nothing can be."""
    rules = ignore_rules(project, path)
    if not rules.active(path):
        return None
    prefix = path + "/" if path else ""
    return lambda inner, is_dir: rules.matches(prefix + inner, is_dir)


def load_sources(project: Project, snapshot: Snapshot) -> list[Source]:
    """The files of a directory in columns, with what the StatCache remembers of their digests."""
    if not snapshot.sources and snapshot.tree is not None:
        snapshot.sources = [
            Source(
                f"{snapshot.absolute}/{folder.path}" if folder.path else snapshot.absolute,
                f"{snapshot.absolute}/{folder.path}" if folder.path else snapshot.absolute,
                folder,
            )
            for folder in snapshot.tree.folders
            if folder.names
        ]
        recall(project, snapshot.sources, snapshot.algorithm)
    return snapshot.sources


def foresee(project: Project, outs: Iterable[tuple[str, str]]) -> None:
    """Says what will be looked at, (root-relative path, algorithm): one query then serves all."""
    paths: dict[str, list[str]] = {}
    for path, algorithm in outs:
        paths.setdefault(algorithm, []).append(project.absolute(path))
    for algorithm, group in paths.items():
        project.statcache.foresee(group, algorithm)


def recall(project: Project, sources: list[Source], algorithm: str) -> dict[str, FolderRow]:
    """Fills in the digests of files whose stats are as they were when they were remembered.

    Returns what was known of each folder, by the sources' keys.
    """
    rows = project.statcache.folders([source.key for source in sources], algorithm)
    width = FIELDS * 8
    for source in sources:
        row = rows.get(source.key)
        if row is None:
            continue
        now = source.folder.stats.tobytes()
        if row.stats == now and row.names == source.folder.names:
            source.digests[:] = row.digests
            source.settled[:] = b"\1" * len(source.settled)
            continue
        known = row.by_name()
        for index, name in enumerate(source.folder.names):
            found = known.get(name)
            if found is not None and found[0] == now[index * width : (index + 1) * width]:
                at = index * DIGEST_SIZE
                source.digests[at : at + DIGEST_SIZE] = found[1]
                source.settled[index] = 1
    return rows


def look_anew(project: Project, path: str, recorded: Digest | None, progress: Progress) -> Snapshot:
    """Looks at data that is about to be recorded again; recorded: its digest so far.

    What did not change since DVC before 3.0 recorded it keeps that digest, so that nothing changes
    in Git; new content gets a digest of today.
    """
    if recorded is not None and recorded.algorithm != MD5:
        old = look(project, path, recorded.algorithm, progress)
        if measure(project, old, progress).digest == recorded:
            return old
    return look(project, path, MD5, progress)


def measure(project: Project, snapshot: Snapshot, progress: Progress) -> Snapshot:
    """Fills in digest and meta, reading only files that changed since they were last read."""
    if snapshot.digest is None:
        measure_entries(project, snapshot, progress)
    return snapshot


def measure_entries(project: Project, snapshot: Snapshot, progress: Progress) -> Snapshot:
    """The same, and the digest of every single file: `entries` and `manifest` are complete."""
    if snapshot.kind not in (FILE, DIRECTORY):
        return snapshot
    sources = load_sources(project, snapshot)
    read = any(source.unknown() for source in sources)
    hash_unknown(sources, snapshot.algorithm, snapshot.clock_ns, progress)
    if read or snapshot.digest is None:
        conclude(project, snapshot)
        if read or not snapshot.remembered:
            remember(project, snapshot, flushed=False)
    return snapshot


def conclude(project: Project, snapshot: Snapshot) -> None:
    """Sets digest and meta from sources whose digests are all known."""
    if snapshot.kind == FILE:
        source = snapshot.sources[0]
        if not source.folder.names:
            snapshot.kind = ABSENT  # it vanished while we looked
            return
        snapshot.digest = Digest(snapshot.algorithm, source.hex(0))
        is_exec = bool(source.flags[0] & EXECUTABLE)
        snapshot.meta = Meta(source.folder.stats[2], None, is_exec)
        return
    manifest = snapshot.manifest()
    name = manifest.digest_hex()
    project.store_of(snapshot.algorithm).keep_manifest(name, manifest)
    snapshot.digest = Digest(snapshot.algorithm, name)
    size = sum(source.folder.size_bytes for source in snapshot.sources)
    snapshot.meta = Meta(size, len(manifest))


def remember(project: Project, snapshot: Snapshot, *, flushed: bool) -> None:
    """Enters digests into the StatCache. flushed: the bytes were flushed since they were read."""
    rows: dict[bool, list[tuple[str, FolderRow]]] = {True: [], False: []}
    all_settled = True
    for source in snapshot.sources:
        digests = source.digests
        if not all(source.settled):
            all_settled = False
            digests = bytearray(digests)
            for index, settled in enumerate(source.settled):
                if not settled:
                    digests[index * DIGEST_SIZE : (index + 1) * DIGEST_SIZE] = UNKNOWN
        row = FolderRow(source.folder.names, source.folder.stats.tobytes(), bytes(digests))
        rows[flushed or is_old(source.folder, snapshot.clock_ns)].append((source.key, row))
    for known_flushed, group in rows.items():
        if group:
            project.statcache.put_folders(group, snapshot.algorithm, flushed=known_flushed)
    if snapshot.kind == DIRECTORY and snapshot.digest is not None and snapshot.tree and all_settled:
        now = fingerprint((f.path, f.names, f.stats) for f in snapshot.tree.folders)
        present = snapshot.row.present if snapshot.row and now == snapshot.fingerprint else b""
        row_now = TreeRow(
            now,
            snapshot.digest.hex,
            snapshot.meta.size_bytes or 0,
            snapshot.meta.nfiles or 0,
            present,
        )
        snapshot.row, snapshot.fingerprint = row_now, now
        old = not rows[False]
        project.statcache.put_tree(
            snapshot.absolute, snapshot.algorithm, row_now, flushed=flushed or old
        )


def follow(project: Project, known: Snapshot, path: str, progress: Progress) -> None:
    """Enters what is known of data into the StatCache under the path that it was renamed to.

    known: looked at before the renaming. Of a single file the renaming itself moved the ctime:
    only a file whose other stats are as they were keeps its digest.
    """
    if known.kind not in (FILE, DIRECTORY):
        return
    before = {source.folder.path: source for source in load_sources(project, known)}
    after = look(project, path, known.algorithm, progress)
    for source in load_sources(project, after):
        old = before.get(source.folder.path)
        if old is None or len(old.folder) != len(source.folder):
            continue
        same_names = old.folder.names == source.folder.names or known.kind == FILE
        kept = [old.folder.stats[at::FIELDS] for at in (0, 2, 3)]
        if same_names and kept == [source.folder.stats[at::FIELDS] for at in (0, 2, 3)]:
            if known.kind == DIRECTORY and old.folder.stats != source.folder.stats:
                continue
            source.digests[:] = old.digests
            source.settled[:] = old.settled
    if after.sources and not any(source.unknown() for source in after.sources):
        conclude(project, after)
        remember(project, after, flushed=False)


def is_old(folder: Folder, clock_ns: int) -> bool:
    """True when everything in the folder was last touched so long ago that it is on disk."""
    stats = folder.stats
    if not stats:
        return True
    newest = max(max(stats[0::FIELDS]), max(stats[1::FIELDS]))
    return newest < clock_ns - _FLUSHED_AFTER_NS


def lasting_presence(store: Store, nfiles: int) -> bytes:
    """What `note_present` needs, for a directory of so many files; a big one is worth a wait of
    some milliseconds, if its store changed just now."""
    return store.presence(lasting=True, ticks=_TICKS if nfiles > _WAIT_ABOVE else 1)


def note_present(project: Project, snapshot: Snapshot, present: bytes) -> None:
    """Remembers that every object of the tree is in the store, until the store's folders change.

    present: what `Store.presence` said before that was seen; b"" remembers nothing.
    """
    if snapshot.row is None or snapshot.kind != DIRECTORY:
        return
    if present and present != snapshot.row.present:
        row = snapshot.row
        snapshot.row = TreeRow(row.fingerprint, row.hex, row.size_bytes, row.nfiles, present)
        project.statcache.put_tree(
            snapshot.absolute, snapshot.algorithm, snapshot.row, flushed=False
        )
