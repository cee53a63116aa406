"""Walking a directory tree: one lstat per file, results in columns.

Columns instead of objects: a million files must fit in a few hundred megabytes, and a folder whose
columns equal the remembered ones needs no look at its files one by one.
"""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Callable

from pannier.core.path import reason_to_refuse
from pannier.core.record import dataclass, field
from pannier.disk.stats import FIELDS as FIELDS
from pannier.disk.stats import STAT_BYTES as STAT_BYTES
from pannier.disk.stats import StatKey as StatKey
from pannier.disk.stats import stat_key as stat_key

Skip = Callable[[str, bool], bool]
"""(path relative to the walk's root, is a directory) -> leave it out."""


@dataclass(slots=True)
class Folder:
    """The regular files of one directory, in the order the file system lists them.

    path: relative to the walked root, '' for the root itself. stats: FIELDS numbers per name.
    links: names (among `names`) that are symbolic links to files; their stats are the target's.
    """

    path: str
    names: list[str] = field(default_factory=list)
    stats: array[int] = field(default_factory=lambda: array("q"))
    links: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)

    def key(self, index: int) -> StatKey:
        at = index * FIELDS
        m, c, s, i = self.stats[at : at + FIELDS]
        return (m, c, s, i)

    def join(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    @property
    def size_bytes(self) -> int:
        return sum(self.stats[2::FIELDS])


@dataclass(slots=True)
class Tree:
    """A walked directory.

    folders: every directory that was entered, parents before children, also empty ones.
    problems: (relative path, why) of what can never be tracked. skipped: (relative path, why) of
    what was left out on purpose and the user should hear of.
    """

    root: str
    folders: list[Folder]
    problems: list[tuple[str, str]]
    skipped: list[tuple[str, str]]

    def __len__(self) -> int:
        return sum(map(len, self.folders))

    @property
    def size_bytes(self) -> int:
        return sum(folder.size_bytes for folder in self.folders)


_KINDS = {
    stat.S_IFIFO: "it is a named pipe",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFCHR: "it is a device",
    stat.S_IFBLK: "it is a device",
}
_OWN_DIRS = {".git": "Git's own", ".dvc": "a DVC project's own folder", ".hg": ""}


def scan(root: str, skip: Skip | None = None) -> Tree:
    """Walks the directory root. Links to directories are not entered.

    Raises OSError for a directory that cannot be read. skip None: nothing is left out but the
    folders `.git`, `.dvc` and `.hg`.
    """
    tree = Tree(root, [], [], [])
    pending = [""]
    while pending:
        folder = Folder(pending.pop())
        children = _scan_folder(tree, folder, skip)
        tree.folders.append(folder)
        pending.extend(reversed(children))
    return tree


def _scan_folder(tree: Tree, folder: Folder, skip: Skip | None) -> list[str]:
    prefix = folder.path + "/" if folder.path else ""
    names, stats = folder.names, folder.stats
    add_name, add_stat = names.append, stats.extend
    children: list[str] = []
    with os.scandir(f"{tree.root}/{folder.path}" if folder.path else tree.root) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                name = entry.name
                if skip is not None and skip(prefix + name, False):
                    continue
                try:
                    s = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # removed while we walk: it is not there
                add_name(name)
                add_stat((s.st_mtime_ns, s.st_ctime_ns, s.st_size, s.st_ino))
            elif entry.is_dir(follow_symlinks=False):
                name = entry.name
                if name in _OWN_DIRS:
                    if _OWN_DIRS[name]:
                        tree.skipped.append((prefix + name, _OWN_DIRS[name]))
                elif skip is None or not skip(prefix + name, True):
                    why = _refused(name) if name[0] == "." or not _is_plain(name) else None
                    if why is None:
                        children.append(prefix + name)
                    else:
                        tree.problems.append((prefix + name, why))
            elif skip is None or not skip(prefix + entry.name, False):
                _other(tree, folder, entry)
    if names:
        _check_names(tree, folder)
    return children


def _other(tree: Tree, folder: Folder, entry: os.DirEntry[str]) -> None:
    path = folder.join(entry.name)
    try:
        found = os.stat(entry.path)
    except OSError as error:
        why = "it is a link to nothing" if entry.is_symlink() else os.strerror(error.errno or 0)
        tree.problems.append((path, why))
        return
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFREG:
        folder.names.append(entry.name)
        folder.links.append(entry.name)
        folder.stats.extend(stat_key(found))
    elif kind == stat.S_IFDIR:
        tree.skipped.append((path, "a link to a directory"))
    else:
        tree.problems.append((path, _KINDS.get(kind, "it is no regular file")))


def _check_names(tree: Tree, folder: Folder) -> None:
    """Sorts out what no list of files may hold: it would be refused when it is read again."""
    joined = "/" + "/".join(folder.names)
    if _is_plain(joined) and "/." not in joined:
        return
    for name in list(folder.names):
        if name == ".git":  # in a submodule or a work tree this is a file
            at = folder.names.index(name)
            del folder.names[at], folder.stats[at * FIELDS : (at + 1) * FIELDS]
            folder.links[:] = [link for link in folder.links if link != name]
            tree.skipped.append((folder.join(name), _OWN_DIRS[name]))
            continue
        why = _refused(name)
        if why is not None:
            tree.problems.append((folder.join(name), why))


def _is_plain(names: str) -> bool:
    """True for what the path rule has nothing against, but for a dot in front: one fast look."""
    return names.isascii() and "~" not in names


def _refused(name: str) -> str | None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not valid UTF-8"
    return reason_to_refuse(name)
