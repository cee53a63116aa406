"""A project at several moments: in the workspace and at revisions, read as one needs them.

What one moment read serves the others: Git's objects, pipelines whose files are the same, values
of files that Git names alike. Data that is not there is read from the cache, else the remote.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from pannier.core.errors import GitError
from pannier.core.events import Progress
from pannier.core.manifest import Manifest
from pannier.core.path import is_inside, is_within, join
from pannier.core.reading_errors import PathMissing
from pannier.core.typed import Any
from pannier.formats.pointer import is_pipeline_name
from pannier.git.objects import FOLDER
from pannier.project.declared import Declared, Reads, declare, is_of_dvc
from pannier.project.index import Index, OutRef, find_stage_files, parse_stage_file
from pannier.project.project import Project
from pannier.project.reading import View
from pannier.project.revisions import RevisionTree, TreeMemo, WorkspaceTree
from pannier.project.sources import Place, Source, SourceOptions
from pannier.project.stored import StoredObject
from pannier.project.used import stage_files_at
from pannier.project.version_keys import recorded_files

Parse = Callable[[bytes, str], Any]
"""(bytes, path) -> value. Raises InvalidFile."""


class Moments:
    """The moments of one project. To be closed."""

    def __init__(self, project: Project, progress: Progress) -> None:
        self.project, self.progress = project, progress
        self.memo = TreeMemo()
        self.source = Source(project.root, project.root, SourceOptions())
        self.parsed: dict[tuple[str, str], list[tuple[Reads, Declared]]] = {}
        self.documents: dict[tuple[str, bytes], Any] = {}
        self.values: dict[tuple[str, str, Parse], Any] = {}
        self._moments: dict[str | None, Moment] = {}
        self._view: View | None = None

    def at(self, sha: str | None) -> Moment:
        """The project at a commit; None: in the workspace."""
        if sha not in self._moments:
            self._moments[sha] = Moment(self, sha)
        return self._moments[sha]

    def foresee(self, shas: Iterable[str | None]) -> None:
        """Says which commits will be looked at."""
        git = self.project.git
        if git is not None:
            with suppress(GitError):  # of each on its own it is told
                git.objects.foresee([sha for sha in shas if sha is not None])

    def forget_values(self) -> None:
        """Forgets what files hold: who draws many of them needs few at a time."""
        self.values.clear()

    def object(self, item: StoredObject, path: str) -> bytes:
        """The bytes of an object. Raises PathMissing, TransportError, CorruptObject."""
        if self._view is None:
            self._view = View(self.source, self.progress)
        with self._view.open_object(item, path) as file:
            return file.read()

    def close(self) -> None:
        if self._view is not None:
            self._view.close()


class Moment:
    """A project at one commit, or in the workspace. Paths start at its root."""

    def __init__(self, moments: Moments, sha: str | None) -> None:
        self._all, self.sha = moments, sha
        self.project = moments.project
        self._tree: RevisionTree | WorkspaceTree | None = None
        self._index: Index | None = None
        self._paths: list[str] = []
        self._pipelines: list[Declared] | None = None

    @property
    def is_there(self) -> bool:
        """False at a commit that does not hold the project yet."""
        tree = self._open()
        return isinstance(tree, WorkspaceTree) or tree.entries("") is not None

    def pipelines(self) -> list[Declared]:
        """What its pipelines declare, by their paths. Raises InvalidFile."""
        if self._pipelines is None:
            tree = self._open()
            self._pipelines = [
                self._declared(tree, path)
                for path in self._paths
                if is_pipeline_name(posixpath.basename(path))
            ]
        return self._pipelines

    def index(self) -> Index:
        """All its stages. Raises InvalidFile."""
        tree = self._open()
        if self._index is None:
            self._index = Index()
            for path in self._paths:
                stages = parse_stage_file(self.project, tree.read, path, whole=True)
                self._index.stages.extend(stages)
        return self._index

    def read(self, path: str) -> bytes:
        """A file: on disk or in Git, else as the output that it is. Raises PathMissing."""
        data = self._open().read(path)
        if data is not None:
            return data
        ref = self._out(path)
        item = None if ref is None else self._object(ref, path)
        if item is None:
            raise PathMissing(path, is_recorded=ref is not None)
        return self._all.object(item, path)

    def foresee(self, paths: Sequence[str]) -> None:
        """Says which files will be read, some hundred small ones at most."""
        tree = self._open()
        if isinstance(tree, RevisionTree):
            with suppress(GitError):  # of each on its own it is told
                tree.read_many(paths)

    def load(self, path: str, parse: Parse) -> Any:
        """The value of a file; not to be changed. Raises PathMissing, InvalidFile."""
        oid = self._open().oid(path)
        if oid is None:
            return parse(self.read(path), path)
        values = self._all.values
        key = (oid, path, parse)
        if key not in values:
            values[key] = parse(self.read(path), path)
        return values[key]

    def holds(self, path: str) -> bool:
        """True when a file is there, in the workspace or in Git."""
        return self._open().read(path) is not None

    def has(self, path: str) -> bool:
        """True for a file, in the workspace or in Git, and for what an output is or holds."""
        if self.holds(path):
            return True
        ref = self._out(path)
        return ref is not None and (ref.path == path or self._object(ref, path) is not None)

    def files(self, path: str) -> list[str]:
        """The files of a folder, sorted; the path itself when it is none."""
        tree = self._open()
        found: set[str] = set()
        if isinstance(tree, WorkspaceTree):
            if is_inside(path) and os.path.isfile(self.project.absolute(path)):
                return [path]
            is_dir = self._on_disk(path, found)
        else:
            entry = tree.entry(path)
            if entry is not None and entry[0] != FOLDER:
                return [path]
            is_dir = self._in_git(tree, path, found)
        for ref in self.index().outs() if is_inside(path) else ():
            digest = ref.out.digest
            if digest is None or not (is_within(ref.path, path) or is_within(path, ref.path)):
                continue
            if not digest.is_dir and ref.out.files is None:
                found.update([ref.path] if ref.path != path else [])
                continue
            names = {f"{ref.path}/{name}" for name in self._members(ref).paths}
            found |= {name for name in names if is_within(name, path) and name != path}
        return sorted(found) if found or is_dir else [path]

    # -- how ----

    def _open(self) -> RevisionTree | WorkspaceTree:
        if self._tree is None:
            if self.sha is not None:
                self._tree, self._paths = stage_files_at(self.project, self.sha, self._all.memo)
            else:
                self._tree = WorkspaceTree(self.project.root)
                self._index = Index()
                for path in find_stage_files(self.project, "", self._index):
                    self._paths.append(path)
                    stages = parse_stage_file(self.project, self._tree.read, path)
                    self._index.stages.extend(stages)
        return self._tree

    def _declared(self, tree: RevisionTree | WorkspaceTree, path: str) -> Declared:
        oid = tree.oid(path)
        if oid is None:
            return declare(self.project, tree.read, path)[0]
        known = self._all.parsed.setdefault((path, oid), [])
        for reads, result in known:
            if all(tree.oid(name) == seen for name, seen in reads.items()):
                return result
        result, names = declare(self.project, tree.read, path, self._all.documents)
        known.append(({name: tree.oid(name) for name in names}, result))
        return result

    def _on_disk(self, path: str, found: set[str]) -> bool:
        top = self.project.absolute(path)
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if name not in (".dvc", ".git", ".hg")]
            at = os.path.relpath(folder, self.project.root)
            found.update(join(at, name) for name in names if not is_of_dvc(name))
        return os.path.isdir(top)

    def _in_git(self, tree: RevisionTree, path: str, found: set[str]) -> bool:
        entries = tree.entries(path)
        for name, (mode, _) in (entries or {}).items():
            if mode == FOLDER:
                if name != ".dvc":
                    self._in_git(tree, join(path, name), found)
            elif not is_of_dvc(name):
                found.add(join(path, name))
        return entries is not None

    def _out(self, path: str) -> OutRef | None:
        """The output that a path is or lies in, tracked by the cache or not."""
        refs = (ref for ref in self.index().outs() if is_within(path, ref.path))
        return next((ref for ref in refs if ref.path and is_inside(ref.path)), None)

    def _object(self, ref: OutRef, path: str) -> StoredObject | None:
        """What a path in an output is recorded as; None when nothing is. Raises ListMissing."""
        digest = ref.out.digest
        if digest is None:
            return None
        hex_, size = digest.hex, ref.out.meta.size_bytes
        if digest.is_dir:
            hex_, size = self._members(ref).get(path[len(ref.path) + 1 :]) or "", None
        elif path != ref.path:
            return None
        if not hex_:
            return None
        entry = next((row for at, _, row in recorded_files(ref) if at == path), {})
        algorithm = digest.algorithm
        return StoredObject(self.project, algorithm, hex_, size, ref.out.remote, path, entry)

    def _members(self, ref: OutRef) -> Manifest:
        """What an output that is a directory holds. Raises ListMissing."""
        place = Place(self._all.source, "", self.project)
        return place.manifests([ref], self._all.progress)[ref.path]
