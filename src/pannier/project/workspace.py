"""Workspace: saving what is there into the store, and bringing what was recorded back.

The order of writes is docs/durability.md, sections 3.1 and 3.2: a user's file is never the only
thing missing, whatever kills the process.
"""

from __future__ import annotations

import fcntl
import os
import stat
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pannier.core.errors import CorruptObject, FileChanged
from pannier.core.events import Progress
from pannier.disk import batches, fsio, trees
from pannier.disk.batches import EXECUTABLE, LINKED, SETTLED
from pannier.disk.beneath import Root
from pannier.disk.link import CANNOT, COPY, HARDLINK, REFLINK, SYMLINK
from pannier.disk.taking_out import link_out_batch
from pannier.disk.walk import FIELDS, STAT_BYTES, stat_key
from pannier.project.project import Project
from pannier.project.snapshot import (
    DIRECTORY,
    FILE,
    OTHER,
    Snapshot,
    conclude,
    lasting_presence,
    load_sources,
    note_present,
    remember,
    unstorable,
)
from pannier.store.intake import Intake
from pannier.store.objects import Store
from pannier.store.publishing import put_bytes, settle
from pannier.store.publishing import sweep as sweep_store
from pannier.store.reuse import note_reuse
from pannier.store.sources import Source

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW


def refuse_other(project: Project, snapshot: Snapshot) -> None:
    """Raises UnstorableEntries for a place that holds neither file nor directory."""
    if snapshot.kind == OTHER:
        why = "it is no regular file"
        if snapshot.is_link:
            what = "a folder" if os.path.isdir(snapshot.absolute) else "what is no regular file"
            what = what if os.path.exists(snapshot.absolute) else "nothing"
            why = f"it is a link to {what}"
        raise unstorable(project, [(snapshot.path, why)])


def save(project: Project, snapshot: Snapshot, progress: Progress) -> None:
    """Puts a file or directory into the store: afterwards its digest is known and all is durable.

    Raises UnstorableEntries, FileChanged, DiskError, NoSpace; the workspace is as it was then.
    """
    refuse_other(project, snapshot)
    store = project.store_of(snapshot.algorithm)
    store.hold()
    if _is_saved_already(store, snapshot):
        assert snapshot.digest is not None
        note_reuse(store, [snapshot.digest.hex])
        return
    _warn_of_links(project, snapshot, progress)
    kinds = [COPY] if _is_executable(snapshot) else project.link_kinds()
    intake = Intake(store, kinds, snapshot.clock_ns, progress)
    sources = load_sources(project, snapshot)
    intake.put(sources)
    if not intake.flushed_all:
        settle(store, (name for source in sources for name in source.hexes()))
    snapshot.digest = None
    conclude(project, snapshot)
    if snapshot.digest is None:
        return
    digest = snapshot.digest
    if snapshot.kind == DIRECTORY:
        put_bytes(store, digest.hex, snapshot.manifest().to_bytes())
    same_disk = os.stat(store.root).st_dev == os.stat(os.path.dirname(snapshot.absolute)).st_dev
    remember(project, snapshot, flushed=intake.flushed_all and same_disk)
    seen = lasting_presence(store, snapshot.meta.nfiles or 0)
    if seen and store.has_all(source.digests for source in sources):
        note_present(project, snapshot, seen)


def _warn_of_links(project: Project, snapshot: Snapshot, progress: Progress) -> None:
    """Names links whose files lie outside: their content is stored, as with DVC, and will be
    shared, which whoever put the link there may not have meant."""
    for source in load_sources(project, snapshot):
        for name in source.folder.links:
            real = os.path.realpath(f"{source.base}/{name}")
            if not real.startswith(project.root + "/"):
                path = os.path.relpath(f"{source.base}/{name}", project.root)
                progress.warn(
                    f"'{path}' is a link that leads out of the project: the content of"
                    f" '{real}' is stored"
                )


def _is_executable(snapshot: Snapshot) -> bool:
    """True for a file whose mode is part of the record: objects never carry it, so it is copied."""
    return snapshot.kind == FILE and bool(snapshot.sources[0].flags[0] & EXECUTABLE)


def _is_saved_already(store: Store, snapshot: Snapshot) -> bool:
    """True when the whole tree was in the store the last time, and neither changed since."""
    row = snapshot.row
    if snapshot.kind != DIRECTORY or row is None or snapshot.digest is None or not row.present:
        return False
    return row.present == store.presence() and store.has(row.hex)


def relink(project: Project, snapshot: Snapshot, progress: Progress) -> int:
    """Replaces saved files by links of the configured kind; returns how many.

    Files that are open for writing and links of the user stay as they are; a link into the cache
    that is of no use any more is none of the user's. Copies and reflinks need no relinking: the
    user's file stays untouched.
    """
    if snapshot.kind not in (FILE, DIRECTORY) or _is_executable(snapshot):
        return 0
    kind = project.link_kinds()[0]
    tree = snapshot.tree
    folders = tree.folders if tree is not None else [source.folder for source in snapshot.sources]
    if kind in (COPY, REFLINK) and not any(folder.links for folder in folders):
        return 0
    store = project.store_of(snapshot.algorithm)
    count = 0
    with scratch_folder(project, snapshot.path) as scratch, Root(project.root) as root:
        for source in load_sources(project, snapshot):  # of what was saved before none were needed
            indexes = _to_relink(store, source, kind, project.cache_dir)
            for index in indexes:
                _relink_one(project, root, snapshot, source, index, kind, f"{scratch}/{count}")
                count += 1
    if count:
        remember(project, snapshot, flushed=False)
    return count


def _to_relink(store: Store, source: Source, kind: str, cache_dir: str) -> list[int]:
    # Known files nobody had open when they were read; those just read may be open for writing.
    fresh = [
        index
        for index, (flags, settled) in enumerate(zip(source.flags, source.settled, strict=True))
        if flags & SETTLED or settled
    ]
    if not fresh:
        return fresh
    links = set(source.folder.links)
    names = source.folder.names
    strays = [i for i in fresh if names[i] in links and _strays(store, source, i, kind, cache_dir)]
    if kind in (COPY, REFLINK):
        return strays
    fresh = [i for i in fresh if names[i] not in links]
    if kind == SYMLINK:
        return fresh + strays
    # Empty files are never linked.
    fresh = [i for i in fresh if not source.flags[i] & LINKED and source.folder.key(i)[2] > 0]
    stats = array("q", batches.stat_batch(store.root, [source.hex(index) for index in fresh]))
    inodes = stats[3::FIELDS]
    others = [i for i, inode in zip(fresh, inodes, strict=True) if inode != source.folder.key(i)[3]]
    return others + strays


def _strays(store: Store, source: Source, index: int, kind: str, cache_dir: str) -> bool:
    """True for a link into our own cache where none is wanted, or one to another object than that
    of its bytes."""
    target = os.readlink(source.path(index))
    right = kind == SYMLINK and target == store.path(source.hex(index))
    return target.startswith(f"{cache_dir}/") and not right


def _relink_one(
    project: Project,
    root: Root,
    snapshot: Snapshot,
    source: Source,
    index: int,
    kind: str,
    temporary: str,
) -> None:
    store = project.store_of(snapshot.algorithm)
    target = store.path(source.hex(index))
    kind = COPY if kind == HARDLINK and source.folder.key(index)[2] == 0 else kind
    path = os.path.relpath(source.path(index), project.root)
    there = os.lstat(source.path(index))
    before = stat_key(there) if stat.S_ISLNK(there.st_mode) else source.folder.key(index)
    try:
        if kind == SYMLINK:
            fsio.symlink(target, temporary)
        elif kind == HARDLINK:
            fsio.link(target, temporary)
        else:
            _copy_out(store, source.hex(index), temporary, kind)
    except OSError as error:
        if error.errno not in CANNOT:
            raise
        return  # another user's object may not be linked here; the file stays a copy
    try:
        root.swap(temporary, path, before)
    except FileChanged:
        fsio.remove_if_there(temporary)
        raise
    fsio.remove_if_there(temporary)
    found = os.stat(target if kind in (HARDLINK, SYMLINK) else source.path(index))
    source.folder.stats[index * FIELDS : (index + 1) * FIELDS] = array("q", stat_key(found))


def _copy_out(store: Store, name: str, target: str, kind: str) -> None:
    folder, _, last = target.rpartition("/")
    outcomes, _ = link_out_batch(
        store.root, [name], bytes(STAT_BYTES), folder, [last], kind, False, store.algorithm
    )
    if outcomes[0] != batches.DONE:
        raise CorruptObject(name, where="the cache")


def is_linked(path: str, store: Store, name: str, kind: str) -> bool:
    """True when a file already is the kind of link that is wanted (a reflink looks like a copy)."""
    target = store.path(name)
    if kind == SYMLINK or os.path.islink(path):
        return kind == SYMLINK and os.path.islink(path) and os.readlink(path) == target
    try:
        shared = os.path.samestat(os.lstat(path), os.lstat(target))
    except OSError:
        return False
    return shared == (kind == HARDLINK)


@contextmanager
def scratch_folder(project: Project, path: str) -> Iterator[str]:
    """A private folder on the file system of a root-relative path, gone afterwards.

    Beside the path itself only where `.dvc` lies on another file system.
    """
    fsio.make_dirs(project.scratch)
    parent = os.path.dirname(project.absolute(path))
    while not os.path.isdir(parent):
        parent = os.path.dirname(parent)
    name = f"wt-{os.getpid()}-{os.urandom(4).hex()}"
    if os.stat(parent).st_dev == os.stat(project.scratch).st_dev:
        folder = f"{project.scratch}/{name}"
    else:
        _sweep_folders(parent, ".pannier-wt-")
        folder = f"{parent}/.pannier-{name}"
    fsio.make_dir(folder, 0o700)
    fd = os.open(folder, _FOLDER)
    try:
        with suppress(OSError):  # a network drive without flock: our number tells, on this machine
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    finally:
        trees.remove_tree(folder)
        os.close(fd)


def sweep(project: Project) -> None:
    """Removes what killed runs left behind, here and in the store.

    For the start of a command: the project lock is held and nothing of our own is there yet.
    """
    sweep_store(project.store)
    try:
        entries = list(os.scandir(project.scratch))
    except FileNotFoundError:
        return
    _sweep_folders(project.scratch, "wt-")
    for entry in entries:
        if entry.name.endswith((".pannier-tmp", ".pannier-probe.2")) or entry.name.startswith(
            "clock-"
        ):
            pid = entry.name.strip(".").removeprefix("clock-").partition("-")[0]
            if not (pid.isdigit() and os.path.exists(f"/proc/{pid}")) or pid == str(os.getpid()):
                fsio.remove_if_there(entry.path)


def _sweep_folders(parent: str, prefix: str) -> None:
    """Removes scratch folders of the dead: some commands work without the project lock. Whoever
    lives in a container has another number than we see, but holds the folder."""
    for entry in os.scandir(parent):
        if entry.name.startswith(prefix) and entry.is_dir(follow_symlinks=False):
            pid = entry.name.removeprefix(prefix).partition("-")[0]
            if pid != str(os.getpid()) and pid.isdigit() and os.path.exists(f"/proc/{pid}"):
                continue
            if not _is_held(entry.path):
                with suppress(PermissionError):  # another user's run was killed: for them to sweep
                    trees.remove_tree(entry.path)


def _is_held(folder: str) -> bool:
    try:
        fd = os.open(folder, _FOLDER)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return False
