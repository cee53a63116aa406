"""Sources: a project here or elsewhere, in the workspace or at a revision, opened for reading.

`list` and `du` look at one; what brings data from other projects starts from the same value. A
folder is read where it is. A repository that is named by a URL is read out of a mirror
(pannier.git.mirror), which never becomes a working tree.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Callable, Iterable
from types import TracebackType

from pannier.core.digest import Digest
from pannier.core.errors import (
    ConfigError,
    CorruptObject,
    DiskError,
    GitError,
    ListMissing,
    NoRemote,
    NotInProject,
    SourceError,
)
from pannier.core.events import Progress
from pannier.core.manifest import Manifest, parse_manifest
from pannier.core.path import join
from pannier.core.record import dataclass, field, replace
from pannier.disk.hashing import hash_bytes
from pannier.disk.reading import read_regular
from pannier.formats import config_schema as schema
from pannier.formats.config import Tree
from pannier.git.locate import is_git_dir
from pannier.git.mirror import Mirror
from pannier.git.objects import FOLDER
from pannier.git.repo import GitRepo
from pannier.project import config_files as files
from pannier.project import known_lists
from pannier.project.index import Index, OutRef, load_index
from pannier.project.presence import recorded_manifest
from pannier.project.project import Project, make_project, token_of
from pannier.project.revisions import RevisionTree, TreeMemo
from pannier.project.settings import Settings
from pannier.project.used import index_at
from pannier.store.remote import Remote


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """rev: None for the workspace, or for a URL its HEAD. config: a file merged into the project's
    settings; settings: the same as a tree. remote: instead of its default one; remote_config:
    options of that remote. recorded: settings that a pointer names, as values; believed no more
    than the source's own.
    """

    rev: str | None = None
    config: str | None = None
    remote: str | None = None
    remote_config: tuple[tuple[str, str], ...] = ()
    settings: Tree = field(default_factory=dict)
    recorded: Tree | None = None


@dataclass(slots=True)
class Source:
    """Where projects are read. root: absolute, what paths start from; of a mirror, its folder.

    sha: None for a workspace. cwd: where the user stands below root, '' at it or elsewhere.
    """

    url: str
    root: str
    options: SourceOptions
    sha: str | None = None
    git: GitRepo | None = None
    mirror: Mirror | None = None
    cwd: str = ""
    memo: TreeMemo = field(default_factory=TreeMemo)

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if self.git is not None:
            self.git.close()

    def tree(self, prefix: str = "") -> RevisionTree | None:
        """The files below prefix at the revision; None for a workspace."""
        if self.sha is None:
            return None
        assert self.git is not None
        return RevisionTree(self.git, self.sha, prefix, self.memo)

    def place(self, path: str) -> Place:
        """The innermost project at or above a path, or the whole source as a plain folder."""
        parts = path.split("/") if path else []
        for count in range(len(parts), -1, -1):
            prefix = "/".join(parts[:count])
            if self._is_project(prefix):
                return Place(self, prefix, self._project(prefix))
        return Place(self, "", None)

    def _is_project(self, prefix: str) -> bool:
        tree = self.tree(prefix)
        if tree is None:
            return os.path.isdir(f"{self.root}/{prefix}/.dvc")
        found = tree.entry(".dvc")
        return found is not None and found[0] == FOLDER

    def _project(self, prefix: str) -> Project:
        root = f"{self.root}/{prefix}" if prefix else self.root
        settings = _settings(self, prefix, root)
        kept = known_lists.cache_folder() if self.mirror is not None else None
        return make_project(root, settings, self.git, kept)


@dataclass(slots=True)
class Place:
    """One project in a source, or a folder that is none. prefix: where it lies in the source.

    known: lists of files that somebody found out already, by the path of their output. further:
    asks elsewhere for the list of an output that the cache does not have, before the remote.
    """

    source: Source
    prefix: str
    project: Project | None
    known: dict[str, Manifest] = field(default_factory=dict)
    further: Callable[[OutRef], Manifest | None] | None = None
    _index: Index | None = None

    def index(self, progress: Progress) -> Index:
        """Its stages, of the workspace or of the revision."""
        if self._index is None:
            self._index = self._load(progress)
        return self._index

    def _load(self, progress: Progress) -> Index:
        if self.project is None:
            return Index()
        tree = self.source.tree(self.prefix)
        if tree is None:
            return load_index(self.project)
        assert self.source.sha is not None
        if self.source.mirror is not None:
            names = [*tree.ignore_files(), *tree.stage_files()]
            names += [name.removesuffix(".yaml") + ".lock" for name in names]
            oids = [oid for name in names if (oid := tree.oid(name)) is not None]
            self.source.mirror.bring_blobs(self.source.sha, oids, progress)
        return index_at(self.project, self.source.sha, self.source.memo)

    def manifests(self, refs: Iterable[OutRef], progress: Progress) -> dict[str, Manifest]:
        """Path of each output that is a directory -> its content.

        From the cache, else from what was kept of earlier answers, else from the project's remote.
        Raises ListMissing for one that is nowhere.
        """
        found: dict[str, Manifest] = {}
        wanted: dict[tuple[str | None, str], dict[str, str]] = {}
        for ref in refs:
            assert self.project is not None
            if ref.path in self.known:
                found[ref.path] = self.known[ref.path]
                continue
            if ref.out.files is not None:
                listed = recorded_manifest(self.project, ref.out)
                assert listed is not None
                found[ref.path] = listed
                continue
            digest = ref.out.digest
            assert digest is not None
            here = self._stored(self.project, digest)
            if here is None and self.further is not None:
                here = self.further(ref)
            if here is not None:
                found[ref.path] = here
            else:
                group = wanted.setdefault((ref.out.remote, digest.algorithm), {})
                group[ref.path] = digest.hex
        for (own, algorithm), names in wanted.items():
            found |= self._fetched(own, algorithm, names, progress)
        return found

    def _stored(self, project: Project, digest: Digest) -> Manifest | None:
        for kept in (False, True) if self.source.mirror is None else (True,):
            path = project.store_of(digest.algorithm).path(digest.hex)
            try:
                data = known_lists.read(digest) if kept else read_regular(path)
            except OSError:
                continue
            # Not by the store itself: it would move what is damaged to quarantine, and a foreign
            # project may name any folder of ours as its cache.
            if hash_bytes(data, digest.algorithm) == digest.hex[:32]:
                return parse_manifest(data, digest.hex)
        return None

    def _fetched(
        self, own: str | None, algorithm: str, names: dict[str, str], progress: Progress
    ) -> dict[str, Manifest]:
        assert self.project is not None
        first = next(iter(names))
        try:
            config = self.project.settings.remote(own)
        except NoRemote as error:
            raise ListMissing(
                first,
                "its list of files is not in the cache, and the project has no default remote",
                hint="name one with '--remote <name>', or '--remote-config url=<url>' beside it",
            ) from error
        if config.is_versioned:  # a pointer has the list of what was pushed there
            raise ListMissing(
                first, f"its list of files is not in the cache, and remote '{config.name}' has none"
            )
        task = progress.task(f"Fetching from {config.name}", len(names))
        with Remote(config) as remote:
            data, failed = remote.read_many(algorithm, set(names.values()), remote.jobs)
        task.close()
        for path, name in names.items():
            if name in failed:
                why = failed[name]
                if isinstance(why, CorruptObject):
                    raise ListMissing(path, why.message)
                raise ListMissing(
                    path,
                    f"its list of files is neither in the cache nor in remote '{config.name}'",
                    hint="run 'dvc push' where the data is, or name another remote: --remote",
                )
        known_lists.keep(algorithm, data)
        return {path: parse_manifest(data[name], name) for path, name in names.items()}


def open_source(url: str, options: SourceOptions, cwd: str, progress: Progress) -> Source:
    """Opens what url names: a folder here, or a Git repository anywhere.

    Raises SourceError, GitError for an unknown revision, ConfigError.
    """
    path = os.path.join(cwd, os.path.expanduser(url)) if "://" not in url else ""
    if path and os.path.isdir(path) and not is_git_dir(path):
        return _open_folder(url, os.path.realpath(path), options, os.path.realpath(cwd))
    if path and os.path.exists(path) and not os.path.isdir(path):
        raise SourceError(url, "it is a file", hint="name the project, then the path in it")
    address = os.path.abspath(path) if path and os.path.exists(path) else url
    folder = f"{known_lists.sources_folder()}/{token_of(address)}"
    mirror = Mirror(address, folder)
    sha = mirror.update(options.rev, progress)
    git = mirror.open()
    return Source(url, git.root, options, sha, git, mirror)


def _open_folder(url: str, path: str, options: SourceOptions, cwd: str) -> Source:
    if options.rev is not None:
        git = GitRepo.find(path)
        if git is None:
            raise GitError(f"{path} is not a git repository")
        return Source(url, git.root, options, git.resolve(options.rev), git)
    try:
        root = files.find_root(path)
    except NotInProject:
        root = path
    below = os.path.relpath(cwd, root)
    inside = "" if below == "." or below == ".." or below.startswith("../") else below
    return Source(url, root, options, cwd=inside)


# -- settings ------------------------------------------------------------------------------------


def _settings(source: Source, prefix: str, root: str) -> Settings:
    """What the source's project, the user and the command line say together."""
    levels = [files.read_level(files.SYSTEM, None), files.read_level(files.GLOBAL, None)]
    tree = source.tree(prefix)
    if tree is None:
        levels.append(files.read_level(files.REPO, f"{root}/.dvc"))
    else:
        text = (tree.read(".dvc/config") or b"").decode("utf-8", "replace")
        at = f"{origin_folder(source, prefix) or root}/.dvc/config"
        levels.append(files.parse_level(files.REPO, at, text.replace("\r\n", "\n")))
    if source.mirror is None:
        levels.append(_local_level(f"{root}/.dvc"))
    options = source.options
    if options.recorded is not None:
        levels.append(files.Level(files.REPO, "", "the import's pointer", options.recorded))
    if options.config is not None:
        levels.append(_given_file(options.config))
    if options.settings:
        levels.append(files.Level("given", "", "the settings given", options.settings))
    if options.remote is not None or options.remote_config:
        merged = files.merge([level.tree for level in levels])
        name = options.remote or merged.get("core", {}).get("remote")
        if not name:
            raise ConfigError(
                "the options are for the project's default remote, and it has none",
                hint="name one: --remote <name> --remote-config url=<url>",
            )
        given: Tree = {"core": {"remote": name}}
        if options.remote_config:
            given["remote"] = {name.lower(): dict(options.remote_config)}
        levels.append(files.Level("given", "", "the command line", given))
    settings = Settings(levels, f"{root}/.dvc")
    settings.warnings += schema.validate(settings.merged)
    if options.remote is not None:
        settings.remote(options.remote)
    return settings


def origin_folder(source: Source, prefix: str) -> str | None:
    """The folder that a mirror was made of, when that is one: relative remotes start there."""
    if source.mirror is None:
        return None
    path = source.mirror.url.removeprefix("file://")
    return join(path, prefix) if path.startswith("/") else None


def _local_level(dvc_dir: str) -> files.Level:
    """`.dvc/config.local`; in somebody else's project it counts no more than the committed one."""
    level = files.read_level(files.LOCAL, dvc_dir)
    try:
        ours = os.stat(level.path).st_uid == os.getuid()
    except OSError:
        return level
    return level if ours else replace(level, name=files.REPO)


def read_given(path: str) -> Tree:
    """The settings of a file that the command line names. Raises DiskError, ConfigError."""
    return _given_file(path).tree


def _given_file(path: str) -> files.Level:
    path = os.path.abspath(path)
    if not os.path.isfile(path):
        raise DiskError(path, errno.ENOENT, os.strerror(errno.ENOENT))
    try:
        return files.parse_level("given", path, files.read_text(path))
    except ConfigError as error:
        error.hint = f"mend the file '{path}'"
        raise


def clamp(cwd: str, path: str, root: str) -> str:
    """A path as typed, from the source's root; one that leaves it above stays at the root."""
    if os.path.isabs(path):
        real = os.path.normpath(path)
        inside = real == root or real.startswith(root + "/")
        return posixpath.normpath("/" + (real[len(root) :] if inside else path))[1:].lstrip("/")
    return posixpath.normpath(f"/{cwd}/{path}").lstrip("/")
