"""Overlay: what a project shows, its outputs laid over the files that are on disk or in Git.

A folder is a list of rows. What is on disk gives kind, size and mode; what is recorded gives the
digest, and everything for data that is not there. Folders of other projects are left out.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable

from pannier.core.events import Progress
from pannier.core.manifest import Manifest
from pannier.core.path import is_within
from pannier.core.record import dataclass, field
from pannier.core.typed import Protocol
from pannier.formats.ignore import NAME as IGNORE_FILE
from pannier.formats.ignore import IgnoreRules
from pannier.git.objects import FOLDER, SUBMODULE, Tree
from pannier.project.index import OutRef
from pannier.project.revisions import RevisionTree, WorkspaceTree
from pannier.project.sources import Place

Row = tuple[str, bool, bool, bool, int | None, str | None]
"""(path, is or lies in an output, is a folder, is executable, size in bytes, hex of its digest)."""

Local = tuple[str, bool, bool, int | None]
"""(name, is a folder, is executable, size in bytes) of what is there."""

Known = tuple[bool, bool, int | None, str | None]
"""(is or lies in an output, is executable, size in bytes, hex) of what is recorded."""

_EXECUTABLE = 0o111
_HIDDEN = {".git", ".dvc", ".hg"}


class Files(Protocol):
    """The files below a project's root. A folder is named by its path, '' for the root."""

    def children(self, folder: str) -> list[Local] | None:
        """What lies in a folder, in no order; None when it is no folder."""
        ...

    def look(self, path: str) -> Local | None: ...


class _Rules:
    """What `.dvcignore` leaves out, read folder by folder on the way down."""

    def __init__(self, read: RevisionTree | WorkspaceTree) -> None:
        self._read = read
        self._texts: dict[str, str] = {}
        self._asked: set[str] = set()
        self._rules = IgnoreRules([])

    def active(self, folder: str) -> bool:
        """False when nothing in a folder can be left out. To be asked for it before `matches`."""
        parts = folder.split("/") if folder else []
        fresh = False
        for count in range(len(parts) + 1):
            at = "/".join(parts[:count])
            if at not in self._asked:
                self._asked.add(at)
                data = self._read.read(posixpath.join(at, IGNORE_FILE))
                if data is not None:
                    self._texts[at] = data.decode("utf-8", "replace")
                    fresh = True
        if fresh:
            self._rules = IgnoreRules(self._texts.items())
        return self._rules.active(folder)

    def matches(self, path: str, is_dir: bool) -> bool:
        return self._rules.matches(path, is_dir)


class DiskFiles:
    """The workspace. sizes: sizes and modes are wanted, not only names."""

    def __init__(self, root: str, *, sizes: bool) -> None:
        self._root, self._sizes = root, sizes
        self._rules = _Rules(WorkspaceTree(root))

    def children(self, folder: str) -> list[Local] | None:
        path = f"{self._root}/{folder}" if folder else self._root
        prefix = folder + "/" if folder else ""
        rules = self._rules
        active, sizes = rules.active(folder), self._sizes
        found: list[Local] = []
        try:
            entries = os.scandir(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        with entries:
            for entry in entries:
                name = entry.name
                if entry.is_file(follow_symlinks=False):
                    if active and rules.matches(prefix + name, False):
                        continue
                    if not sizes:
                        found.append((name, False, False, None))
                        continue
                    try:
                        seen = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue  # removed while we look
                    found.append((name, False, bool(seen.st_mode & _EXECUTABLE), seen.st_size))
                elif name not in _HIDDEN and not (
                    active and rules.matches(prefix + name, entry.is_dir(follow_symlinks=False))
                ):
                    other = self._look(f"{path}/{name}", name)
                    if other is not None:
                        found.append(other)
        return found

    def look(self, path: str) -> Local | None:
        folder, _, name = path.rpartition("/")
        absolute = f"{self._root}/{path}"
        is_dir = os.path.isdir(absolute)
        if path and self._rules.active(folder) and self._rules.matches(path, is_dir):
            return None
        # A link that is named is followed: `list . link` shows what lies behind.
        if is_dir:
            return name, True, False, os.lstat(absolute).st_size
        return self._look(absolute, name)

    def _look(self, path: str, name: str) -> Local | None:
        """Anything but a plain file in a folder. Another project's folder is not shown."""
        try:
            seen = os.lstat(path)
        except OSError:
            return None
        if stat.S_ISLNK(seen.st_mode):
            try:
                return name, False, False, os.stat(path).st_size
            except OSError:
                return name, False, False, 0
        if not stat.S_ISDIR(seen.st_mode):
            return name, False, bool(seen.st_mode & _EXECUTABLE), seen.st_size
        return None if os.path.isdir(f"{path}/.dvc") else (name, True, False, seen.st_size)


class GitFiles:
    """One revision. sizes: as for DiskFiles."""

    def __init__(self, tree: RevisionTree, *, sizes: bool) -> None:
        self._tree, self._sizes = tree, sizes
        self._rules = _Rules(tree)

    def children(self, folder: str) -> list[Local] | None:
        entries = self._tree.entries(folder)
        if entries is None:
            return None
        prefix = folder + "/" if folder else ""
        active = self._rules.active(folder)
        shown = {
            name: entry
            for name, entry in entries.items()
            if name not in _HIDDEN
            and not (active and self._rules.matches(prefix + name, entry[0] == FOLDER))
        }
        inner = self._tree.git.objects.trees(oid for mode, oid in shown.values() if mode == FOLDER)
        others = {oid for oid, tree in inner.items() if tree.get(".dvc", (0, ""))[0] == FOLDER}
        return self._rows({n: e for n, e in shown.items() if e[1] not in others})

    def _rows(self, entries: Tree) -> list[Local]:
        sizes: dict[str, int | None] = {}
        if self._sizes:
            oids = (oid for mode, oid in entries.values() if mode != SUBMODULE)
            sizes = self._tree.git.objects.sizes(oids)
        return [
            (name, mode in (FOLDER, SUBMODULE), mode == 0o100755, sizes.get(oid))
            for name, (mode, oid) in entries.items()
        ]

    def look(self, path: str) -> Local | None:
        folder, _, name = path.rpartition("/")
        entry = self._tree.entry(path)
        if entry is None:
            return None
        if self._rules.active(folder) and self._rules.matches(path, entry[0] == FOLDER):
            return None
        return self._rows({name: entry})[0]

    def blobs(self, folder: str, *, recursive: bool) -> list[str]:
        """The objects whose sizes a look at a folder, or at everything below, will ask for."""
        found = self._tree.entry(folder)
        if found is None or found[0] != FOLDER:
            return [] if found is None or found[0] == SUBMODULE else [found[1]]
        objects = self._tree.git.objects
        if recursive:
            return [oid for _, mode, oid in objects.below(found[1]) if mode != SUBMODULE]
        rows = objects.trees([found[1]])[found[1]].values()
        return [oid for mode, oid in rows if mode not in (FOLDER, SUBMODULE)]


@dataclass(slots=True)
class _Folder:
    """What is recorded of one folder."""

    files: dict[str, Known] = field(default_factory=dict)
    folders: dict[str, Known] = field(default_factory=dict)


class _Recorded:
    """Outputs by folder. Those that are directories are opened when somebody looks inside."""

    def __init__(self, refs: Iterable[OutRef]) -> None:
        self._folders: dict[str, _Folder] = {}
        self.closed: dict[str, OutRef] = {}
        for ref in refs:
            out, meta = ref.out, ref.out.meta
            parent, _, name = ref.path.rpartition("/")
            digest = out.digest
            if out.files is not None or (digest is not None and digest.is_dir):
                known = True, False, meta.size_bytes, digest.hex if digest else None
                self._make(parent).folders[name] = known
                self.closed[ref.path] = ref
                continue
            # A stage that never ran has an output without size, of which DVC says 0.
            never = digest is None and ref.stage.name is not None
            size = 0 if never else meta.size_bytes
            hex = digest.hex if digest is not None else None
            self._make(parent).files[name] = True, False, size, hex

    def get(self, path: str) -> _Folder | None:
        return self._folders.get(path)

    def look(self, path: str) -> tuple[bool, Known] | None:
        """(is a folder, what is known) of one path."""
        parent, _, name = path.rpartition("/")
        folder = self._folders.get(parent)
        if folder is None:
            return None
        if name in folder.folders:
            return True, folder.folders[name]
        return (False, folder.files[name]) if name in folder.files else None

    def open(self, path: str, manifest: Manifest) -> None:
        """Lays a directory's files into their folders."""
        sizes = {row["relpath"]: row.get("size") for row in self.closed.pop(path).out.files or ()}
        last, folder = path, self._make(path)
        for inner, hex in zip(manifest.paths, manifest.hexes, strict=True):
            at = inner.rfind("/")
            where = f"{path}/{inner[:at]}" if at >= 0 else path
            if where != last:
                last, folder = where, self._make(where, inside=path)
            folder.files[inner[at + 1 :]] = (True, False, sizes.get(inner), hex)

    def _make(self, path: str, inside: str | None = None) -> _Folder:
        """The folder, with all above it. inside: the output that it lies in."""
        found = self._folders.get(path)
        if found is not None:
            return found
        made = self._folders[path] = _Folder()
        if path:
            parent, _, name = path.rpartition("/")
            is_out = inside is not None and path != inside
            self._make(parent, inside if is_out else None).folders.setdefault(
                name, (is_out, False, None, None)
            )
        return made


class Overlay:
    """A place in a source as a tree of folders. Paths start from the place's own root.

    outs_only: what is not recorded is left out, and nothing is looked at on disk.
    """

    def __init__(
        self, place: Place, progress: Progress, *, outs_only: bool = False, sizes: bool = True
    ) -> None:
        self._place, self._progress = place, progress
        refs = [ref for ref in place.index(progress).outs() if ref.tracked]
        self._recorded = _Recorded(refs)
        tree = place.source.tree(place.prefix)
        self._files: Files | None = None
        self._git: GitFiles | None = None
        if outs_only:
            return
        if tree is not None:
            self._files = self._git = GitFiles(tree, sizes=sizes)
        else:
            root = f"{place.source.root}/{place.prefix}" if place.prefix else place.source.root
            self._files = DiskFiles(root, sizes=sizes)
        self._sizes = sizes

    def prepare(self, path: str, depth: int | None) -> None:
        """Brings, all at once, what looking at a path so deep will need; None for all of it.

        Raises ListMissing.
        """
        mirror = self._place.source.mirror
        if mirror is not None and self._git is not None and self._sizes:
            assert self._place.source.sha is not None
            blobs = self._git.blobs(path, recursive=depth is None or depth > 1)
            mirror.bring_blobs(self._place.source.sha, blobs, self._progress)
        self._open(
            ref
            for at, ref in self._recorded.closed.items()
            if is_within(path, at)
            or (is_within(at, path) and (depth is None or _depth(at, path) < depth))
        )

    def look(self, path: str) -> Row | None:
        """The row of one path, by its name; None when nothing is there. '' is the root."""
        name = path.rpartition("/")[2]
        if not path:
            size = None
            if self._files is not None and self._git is None:
                found = self._files.look("")
                size = found[3] if found is not None else None
            return ".", False, True, False, size, None
        local, known = self.layers(path)
        if known is None:
            return None if local is None else (name, False, *local[1:], None)
        is_dir, (is_out, is_exec, size, hex) = known
        if local is not None:
            return name, is_out, *local[1:], hex
        return name, is_out, is_dir, is_exec, size, hex

    def layers(self, path: str) -> tuple[Local | None, tuple[bool, Known] | None]:
        """(what is there, whether what is recorded is a folder and what is known of it)."""
        closed = self._recorded.closed
        self._open(ref for at, ref in closed.items() if path != at and is_within(path, at))
        local = self._files.look(path) if self._files is not None else None
        return local, self._recorded.look(path)

    def names(self, folder: str) -> tuple[list[Local] | None, dict[str, Known], dict[str, Known]]:
        """A folder's (entries there, recorded files, recorded folders). Raises ListMissing."""
        if folder in self._recorded.closed:
            self._open([self._recorded.closed[folder]])
        known = self._recorded.get(folder) or _Folder()
        local = self._files.children(folder) if self._files is not None else None
        return local, known.files, known.folders

    def recorded_size(self, path: str) -> int | None:
        """The size on record of a directory that is an output and not on disk; else None."""
        found = self._recorded.look(path)
        if found is None or not found[0] or found[1][3] is None:
            return None
        if self._files is not None and self._files.look(path) is not None:
            return None
        return found[1][2] or 0

    def children(
        self, folder: str, prefix: str = "", *, opened: bool = True
    ) -> tuple[list[Row], list[Row]]:
        """(files, folders) in a folder, in no order. prefix: put before each name.

        opened: also what is recorded inside an output that is a directory; raises ListMissing.
        """
        if opened and folder in self._recorded.closed:
            self._open([self._recorded.closed[folder]])
        local = self._files.children(folder) if self._files is not None else None
        known = self._recorded.get(folder)
        files: list[Row] = []
        folders: list[Row] = []
        if known is None:
            for name, is_dir, is_exec, size in local or ():
                row = (prefix + name, False, is_dir, is_exec, size, None)
                (folders if is_dir else files).append(row)
            return files, folders
        seen: set[str] = set()
        if local is not None:
            seen = {entry[0] for entry in local}
            nothing = (False, False, None, None)
            known_files, known_folders, add = known.files, known.folders, files.append
            for name, is_dir, is_exec, size in local:
                if not is_dir:
                    found = known_files.get(name) or known_folders.get(name) or nothing
                    add((prefix + name, found[0], False, is_exec, size, found[3]))
                else:
                    found = known_folders.get(name) or known_files.get(name) or nothing
                    folders.append((prefix + name, found[0], True, is_exec, size, found[3]))
        if len(seen) < len(known.files) or not known.files.keys() <= seen:
            files += [
                (prefix + name, is_out, False, is_exec, size, hex)
                for name, (is_out, is_exec, size, hex) in known.files.items()
                if name not in seen
            ]
        folders += [
            (prefix + name, is_out, True, False, size, hex)
            for name, (is_out, _, size, hex) in known.folders.items()
            if name not in seen
        ]
        return files, folders

    def _open(self, refs: Iterable[OutRef]) -> None:
        refs = list(refs)
        if not refs:
            return
        for path, manifest in self._place.manifests(refs, self._progress).items():
            self._recorded.open(path, manifest)


def _depth(path: str, below: str) -> int:
    return (path[len(below) :].strip("/").count("/") + 1) if path != below else 0
