"""Making files private: links into the cache become copies that may be edited.

The user's name is never missing: the copy is made aside, its bytes are hashed on the way and
flushed, and one exchange puts it in the place of the link (docs/durability.md, section 3). Who
wrote through a link damaged its object: what is seen there is the user's own work, and stays.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from array import array
from collections.abc import Iterable, Iterator

from pannier.core.digest import MD5, is_object_name
from pannier.core.errors import FileChanged, NoSpace
from pannier.core.events import Progress, Task
from pannier.core.record import dataclass
from pannier.disk import batches, fsio, link
from pannier.disk.beneath import Root, has_link_parent
from pannier.disk.link import REFLINK
from pannier.disk.pool import BATCH, Pool
from pannier.disk.walk import FIELDS, StatKey, scan, stat_key
from pannier.project.project import Project
from pannier.project.workspace import scratch_folder
from pannier.store.objects import Store
from pannier.store.publishing import Staging
from pannier.store.statcache import DIGEST_SIZE

_GROUP_FILES, _GROUP_BYTES = 20_000, 4 << 30
_RESERVE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Protected:
    """One file that shares its bytes. folder: absolute; name: in it. path: root-relative.

    store, digest: of the object that a symbolic link names; None for a hard link. mode: of the
    copy.
    """

    folder: str
    name: str
    path: str
    size_bytes: int
    mode: int
    store: Store | None = None
    digest: str = ""

    @property
    def algorithm(self) -> str:
        return self.store.algorithm if self.store is not None else MD5


@dataclass(slots=True)
class Found:
    """What stands at a place. read_only: absolute paths of files of their own without the right
    to write. dead: links into the cache whose object is gone. foreign: links of the user."""

    protected: list[Protected]
    read_only: list[str]
    dead: list[str]
    foreign: list[str]


def find_protected(project: Project, path: str) -> Found:
    """Looks at a root-relative file or directory. Nothing behind a link to a directory counts."""
    absolute = project.absolute(path)
    found = Found([], [], [], [])
    if not os.path.isdir(absolute) or os.path.islink(absolute):
        _look_at(project, os.path.dirname(absolute), os.path.basename(absolute), path, found)
        return found
    tree = scan(absolute)
    prefix = path + "/" if path else ""
    for folder in tree.folders:
        where = f"{absolute}/{folder.path}" if folder.path else absolute
        for name in folder.names:
            _look_at(project, where, name, prefix + folder.join(name), found)
    for inner, _ in tree.problems:
        if os.path.islink(f"{absolute}/{inner}"):
            name = inner.rpartition("/")[2]
            _look_at(project, os.path.dirname(f"{absolute}/{inner}"), name, prefix + inner, found)
    return found


def find_links(project: Project, path: str) -> Found:
    """Of a root-relative file or directory, which may be missing, what would be lost or changed
    with the cache: links to objects. A file that its owner may write is none, whatever its names.
    """
    if has_link_parent(project.root, path) is not None or not os.path.lexists(
        project.absolute(path)
    ):
        return Found([], [], [], [])
    found = find_protected(project, path)
    shared = [
        one
        for one in found.protected
        if one.store is not None or not os.lstat(f"{one.folder}/{one.name}").st_mode & 0o222
    ]
    return Found(shared, [], found.dead, found.foreign)


def _look_at(project: Project, folder: str, name: str, path: str, found: Found) -> None:
    absolute = f"{folder}/{name}"
    entry = os.lstat(absolute)
    if stat.S_ISLNK(entry.st_mode):
        named = _object_of(project, os.readlink(absolute))
        if named is None:
            found.foreign.append(path)
            return
        store, digest = named
        try:
            entry = os.stat(store.path(digest))
        except OSError:
            found.dead.append(path)
            return
        mode = stat.S_IMODE(entry.st_mode) | 0o200
        found.protected.append(Protected(folder, name, path, entry.st_size, mode, store, digest))
    elif stat.S_ISREG(entry.st_mode):
        mode = stat.S_IMODE(entry.st_mode) | 0o200
        if entry.st_nlink > 1:
            found.protected.append(Protected(folder, name, path, entry.st_size, mode))
        elif not entry.st_mode & 0o200:
            found.read_only.append(absolute)


def _object_of(project: Project, content: str) -> tuple[Store, str] | None:
    """The object that a link with this content leads to; None when it leads elsewhere."""
    for store in (project.store, project.legacy):
        for root in dict.fromkeys((store.root, os.path.realpath(store.root))):
            if content.startswith(root + "/"):
                digest = content[len(root) + 1 :].replace("/", "", 1)
                if is_object_name(digest) and content == f"{root}/{digest[:2]}/{digest[2:]}":
                    return store, digest
    return None


def make_private(project: Project, found: Found, progress: Progress) -> int:
    """Replaces what shares its bytes by copies, and makes all of it writable; returns how many.

    A link to a damaged object becomes a file that holds what was seen there; the object goes to
    quarantine, with a warning. Raises NoSpace before anything was changed, FileChanged, DiskError.
    """
    _check_space(project, found.protected)
    task = progress.task("Unprotecting", len(found.protected))
    try:
        for group in _groups(found.protected):
            _replace(project, group, task, progress)
        for path in found.read_only:
            fsio.chmod(path, stat.S_IMODE(os.lstat(path).st_mode) | 0o200)
    except OSError as error:
        fsio.fail(error, error.filename or project.root)
    finally:
        task.close()
    return len(found.protected) + len(found.read_only)


def keep_edits(project: Project, paths: Iterable[str], progress: Progress) -> int:
    """Makes files of their own of those paths (root-relative) that are links into the cache, before
    what was written through them is replaced; returns how many. Errors as of `make_private`."""
    links = [path for path in paths if os.path.islink(project.absolute(path))]
    return sum(make_private(project, find_protected(project, path), progress) for path in links)


def _groups(files: list[Protected]) -> Iterator[list[Protected]]:
    """Cuts the work: one file system each, and what is copied but not in its place is bounded."""
    group: list[Protected] = []
    size = device = 0
    for one in files:
        if not group or one.folder != group[-1].folder:
            here = os.stat(one.folder).st_dev
            if group and here != device:
                yield group
                group, size = [], 0
            device = here
        group.append(one)
        size += one.size_bytes
        if len(group) >= _GROUP_FILES or size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _batches(group: list[Protected]) -> list[tuple[int, list[Protected]]]:
    """(number of its first file, files of one folder and one algorithm)."""
    cut: list[tuple[int, list[Protected]]] = []
    for number, one in enumerate(group):
        last = cut[-1][1] if cut else []
        same = last and (last[-1].folder, last[-1].algorithm) == (one.folder, one.algorithm)
        if same and len(last) < BATCH:
            last.append(one)
        else:
            cut.append((number, [one]))
    return cut


def _replace(project: Project, group: list[Protected], task: Task, progress: Progress) -> None:
    with scratch_folder(project, group[0].path) as scratch, fsio.barrier(scratch) as barrier:
        cut = _batches(group)
        calls = (
            (files[0].folder, [one.name for one in files], scratch, first, True, files[0].algorithm)
            for first, files in cut
        )
        keys: list[tuple[str, StatKey]] = []
        with Pool(batches, len(cut), files=len(group)) as pool:
            for number, columns in pool.map("stage_batch", calls):
                keys += _checked_copies(cut[number][1], columns)
        copies = [f"{scratch}/{number}" for number in range(len(group))]
        for one, copy in zip(group, copies, strict=True):
            fsio.chmod(copy, one.mode)
        barrier.flush(fsio.at_most_few(copies))
        with Root(project.root) as root:
            for one, copy, (_, key) in zip(group, copies, keys, strict=True):
                root.swap(copy, one.path, key)
                fsio.unlink(copy)
                task.advance()
    hard = [key for one, key in zip(group, keys, strict=True) if one.store is None]
    _note_objects(project.store, hard)
    for one, (found, _) in zip(group, keys, strict=True):
        if one.store is not None and found != one.digest[:32]:
            one.store.quarantine(one.digest)
            progress.warn(
                f"object {one.digest} was damaged, as by an edit of '{one.path}', a link to it: the"
                " file keeps what it held, and the object is in quarantine now"
            )


def _note_objects(store: Store, known: list[tuple[str, StatKey]]) -> None:
    """Objects that lost a name keep what is known of them: only their ctime moved."""
    names: list[str] = []
    stats = array("q")
    for digest, (mtime, _, size, inode) in known:
        with contextlib.suppress(OSError):
            now = stat_key(os.lstat(store.path(digest)))
            if (now[0], now[2], now[3]) == (mtime, size, inode):
                names.append(digest)
                stats.extend(now)
    if names:
        store.note_verified(names, stats.tobytes(), flushed=False)


def _checked_copies(
    files: list[Protected], columns: batches.ReadColumns
) -> Iterator[tuple[str, StatKey]]:
    """(digest, stats of what was read) of each file."""
    digests, stats, flags, errors = columns
    for at, code in errors:
        where = f"{files[at].folder}/{files[at].name}"
        if flags[at] & batches.CHANGED:
            raise FileChanged(where)
        fsio.fail(OSError(code, os.strerror(code)), where)
    columns_of_stats = memoryview(stats).cast("q")
    for at in range(len(files)):
        found = digests[at * DIGEST_SIZE : (at + 1) * DIGEST_SIZE].hex()
        m, c, s, i = columns_of_stats[at * FIELDS : (at + 1) * FIELDS]
        yield found, (m, c, s, i)


def _check_space(project: Project, files: list[Protected]) -> None:
    """Fails before anything is written when the copies cannot fit."""
    need = sum(one.size_bytes for one in files)
    found = os.statvfs(project.root)
    free = found.f_bavail * found.f_frsize
    if need and need + _RESERVE_BYTES > free and not _can_clone(project):
        raise NoSpace(project.root, errno.ENOSPC, need + _RESERVE_BYTES, free)


def _can_clone(project: Project) -> bool:
    fsio.make_dirs(project.scratch)
    with Staging(project.store) as staging:
        return REFLINK in link.probe(staging.path, project.scratch)
