"""DVCFileSystem: a project, here or elsewhere, as a read-only file system for fsspec.

Pandas, DuckDB, Dask, PyArrow and whatever else knows fsspec read a project's files through it, as
`dvc://path`, without downloading more than they look at.
"""

from __future__ import annotations

import errno
import io
import os
import posixpath
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import BinaryIO, cast

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.spec import AbstractFileSystem
from fsspec.utils import tokenize

from pannier.api.opening import Config, open_view
from pannier.api.shared import SharedFile
from pannier.core.reading_errors import IsDirectory, PathMissing
from pannier.core.typed import Any, NoReturn
from pannier.project.index import is_stage_file
from pannier.project.reading import BUFFER_BYTES, Node, View
from pannier.project.saving import save

Info = dict[str, Any]


class DVCFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """The files that a project shows: those of Git and the outputs, whether they are here or not.

    repo: a folder or the URL of a Git repository; None is the project around the working folder.
    rev: a Git revision; None is the workspace, or for a URL its HEAD. subrepos: projects inside it
    are shown, too. config, remote, remote_config: settings on top of the project's.
    fo, target_options, target_protocol: fsspec's names for parts of a chained URL; fo is the
    repository when repo is None. repo_factory is taken for DVC's sake and has no meaning here.

    Nothing is opened before something is asked. Threads may share one; a forked process opens the
    project anew. Paths may start with '/', which is the project's root; answers then do as well.
    Raises FileNotFoundError and IsADirectoryError for paths, else what `open_view` raises.
    """

    protocol = "dvc"
    root_marker = "/"
    cachable = False

    def __init__(
        self,
        repo: str | os.PathLike[str] | None = None,
        rev: str | None = None,
        subrepos: bool = False,
        repo_factory: Any = None,
        fo: str | None = None,
        target_options: dict[str, Any] | None = None,
        target_protocol: str | None = None,
        config: Config | None = None,
        remote: str | None = None,
        remote_config: Config | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._arguments: dict[str, Any] = {
            "repo": repo if repo is not None else fo,
            "rev": rev,
            "config": config,
            "remote": remote,
            "remote_config": remote_config,
            "cwd": os.getcwd(),
            "subrepos": subrepos,
        }
        self._views: dict[int, View] = {}

    @property
    def _view(self) -> View:
        """This process's own. Those of a parent stay referenced: it still uses what they hold."""
        pid = os.getpid()
        view = self._views.get(pid)
        if view is None:
            opened = open_view(**self._arguments)
            view = self._views.setdefault(pid, opened)
            if view is not opened:
                opened.close()  # another thread was faster
        return view

    def close(self) -> None:
        view = self._views.pop(os.getpid(), None)
        if view is not None:
            view.close()

    @property
    def repo_url(self) -> str | None:
        """The repository as it was named; None for the one around the working folder."""
        repo = self._arguments["repo"]
        return None if repo is None else os.fspath(repo)

    @property
    def fsid(self) -> str:
        view = self._view
        where = (view.source.url, view.source.root, view.source.sha, view.base)
        return f"dvcfs_{tokenize(*where)}"

    # -- looking ----

    def info(self, path: str, **kwargs: Any) -> Info:
        """What is known of a path: name, type ("file" or "directory"), size in bytes.

        dvc_info: of what DVC tracks, with isout, isdvc, md5 (a directory's ends in `.dir`), isexec
        and the recorded size. fs_info and isexec: of what is on disk or in Git; md5 where nothing
        is. The size of a file that nobody recorded is asked of the cache, else of the remote.
        """
        node = self._look(path)
        info = self._info(node, self._strip_protocol(path) if path else "")
        if info["size"] is None and not node.is_dir:
            info["size"] = self._view.sizes([node]).get(node.path)
        return info

    def ls(
        self,
        path: str,
        detail: bool = True,
        dvc_only: bool = False,
        dvcfiles: bool = False,
        **kwargs: Any,
    ) -> Any:
        """What a folder holds, or a file itself. dvc_only: only what DVC tracks, and the way to it.
        dvcfiles: also `.dvc` files, `dvc.yaml` and `.dvcignore`.

        detail: as `info`, but sizes that nobody recorded stay None.
        """
        node = self._look(path)
        shown = self._strip_protocol(path) if path else ""
        if not node.is_dir:
            found = [(shown, node)]
        else:
            prefix = shown if shown.endswith("/") or not shown else shown + "/"
            children = self._view.children(node.path)
            found = [(prefix + posixpath.basename(child.path), child) for child in children]
            if not dvcfiles:
                found = [(name, child) for name, child in found if not _is_of_dvc(name)]
        if dvc_only:
            found = [(name, child) for name, child in found if child.known is not None]
        return [self._info(child, at) if detail else at for at, child in found]

    def exists(self, path: str, **kwargs: Any) -> bool:
        return self._view.look(self._key(path)) is not None

    def isdir(self, path: str) -> bool:
        node = self._view.look(self._key(path))
        return node is not None and node.is_dir

    def isfile(self, path: str) -> bool:
        node = self._view.look(self._key(path))
        return node is not None and not node.is_dir

    def isdvc(self, path: str, **kwargs: Any) -> bool:
        """Tells whether a path is an output of DVC or lies in one."""
        node = self._view.look(self._key(path))
        return node is not None and node.is_out

    def modified(self, path: str) -> datetime:
        """When a path last became what it is: by the disk, or by what records it."""
        return datetime.fromtimestamp(self._view.modified_s(self._look(path)), UTC)

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **kwargs: Any,
    ) -> Any:
        """All files below a path, sorted, as fsspec has it. dvc_only as for `ls`."""
        self._view.prepare(self._key(path), maxdepth)
        return super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **kwargs)

    def glob(self, path: str, maxdepth: int | None = None, **kwargs: Any) -> Any:
        """Paths that match a pattern, as fsspec has it; `*.csv` matches at the root, too."""
        found = super().glob(path, maxdepth=maxdepth, **kwargs)
        pattern = self._strip_protocol(path)
        if found or pattern.startswith("/"):
            return found
        # fsspec compares with names that begin with the root's '/'.
        found = super().glob(f"/{pattern}", maxdepth=maxdepth, **kwargs)
        if isinstance(found, dict):
            return {name.lstrip("/"): info | {"name": name[1:]} for name, info in found.items()}
        return [name.lstrip("/") for name in found]

    def du(
        self,
        path: str,
        total: bool = True,
        maxdepth: int | None = None,
        withdirs: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Bytes of the files below a path, in all or by path. Sizes that nobody recorded are asked
        of the remote, all at once; a file that is nowhere counts as 0."""
        found = self.find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True, **kwargs)
        unknown = {self._key(name): name for name, info in found.items() if info["size"] is None}
        nodes = [node for key in unknown if (node := self._view.look(key)) is not None]
        known = {unknown[key]: size for key, size in self._view.sizes(nodes).items()}
        sizes = {name: known.get(name, info["size"] or 0) for name, info in found.items()}
        return sum(sizes.values()) if total else sizes

    # -- reading ----

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> BinaryIO:
        """A file in memory, on disk, or at the remote, where it is read in ranges."""
        if mode != "rb":
            _refuse()
        try:
            file = self._view.open(self._key(path))
        except PathMissing as error:
            raise _missing(path, error.is_recorded) from None
        except IsDirectory:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path) from None
        raw = file.detach() if isinstance(file, io.BufferedReader) else file
        return cast(BinaryIO, SharedFile(raw, BUFFER_BYTES))

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any
    ) -> bytes:
        """A file's bytes, or those from start up to end; negative ones count from its end."""
        with self._open(path) as file:
            if start is None and end is None:
                return file.read()
            size = file.seek(0, os.SEEK_END)
            first, last, _ = slice(start, end).indices(size)
            file.seek(first)
            return file.read(max(last - first, 0))

    def get_file(
        self,
        rpath: str,
        lpath: str | os.PathLike[str],
        callback: Any = DEFAULT_CALLBACK,
        outfile: Any = None,
        **kwargs: Any,
    ) -> None:
        """Copies one file to lpath, verified; it takes its place whole or not at all."""
        if outfile is not None:
            with self._open(rpath) as file:
                while data := file.read(1 << 20):
                    outfile.write(data)
            return
        self._save([(rpath, os.fspath(lpath))])

    def get(
        self,
        rpath: str | Sequence[str],
        lpath: str | Sequence[str],
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Copies files, with recursive whole folders, as fsspec's `get` names them.

        What the remote alone has is downloaded side by side, and verified.
        """
        pairs = _Collected(self)
        AbstractFileSystem.get(
            pairs, rpath, lpath, recursive=recursive, callback=callback, maxdepth=maxdepth
        )
        self._save(pairs.found)

    def _save(self, pairs: Iterable[tuple[str, str]]) -> None:
        try:
            save(self._view, [(self._key(path), os.path.abspath(target)) for path, target in pairs])
        except PathMissing as error:
            raise _missing(error.path, error.is_recorded) from None

    # -- what does not change ----

    def _read_only(self, *_: Any, **__: Any) -> NoReturn:
        _refuse()

    mkdir = makedirs = rmdir = rm = rm_file = _rm = cp_file = put_file = pipe_file = _read_only
    touch = mv = put = copy = _read_only

    # -- paths ----

    join = staticmethod(posixpath.join)
    normpath = staticmethod(posixpath.normpath)
    isabs = staticmethod(posixpath.isabs)

    def getcwd(self) -> str:
        return self.root_marker

    # -- how ----

    def _key(self, path: str) -> str:
        return self._view.key(self._strip_protocol(path) if path else "")

    def _look(self, path: str) -> Node:
        node = self._view.look(self._key(path))
        if node is None:
            raise _missing(path)
        return node

    def _info(self, node: Node, name: str) -> Info:
        info: Info = {
            "name": name,
            "type": "directory" if node.is_dir else "file",
            "size": node.size,
        }
        if node.known is not None:
            is_dir, (is_out, _, size, hex) = node.known
            info["dvc_info"] = {
                "name": node.path,
                "type": "directory" if is_dir else "file",
                "size": size,
                "isexec": is_out and self._view.is_executable(node.path),
                "isout": is_out,
                "isdvc": is_out,
            }
            if hex is not None:
                info["dvc_info"]["md5"] = hex
                if node.local is None:
                    info["md5"] = hex
        if node.local is not None:
            info["isexec"] = node.local[2]
            info["fs_info"] = self._there(node)
        return info

    def _there(self, node: Node) -> Info:
        """What the disk or Git says of a path."""
        assert node.local is not None
        kind = "directory" if node.local[1] else "file"
        source = self._view.source
        info: Info = {
            "name": node.path,
            "type": kind,
            "size": node.local[3],
            "isexec": node.local[2],
        }
        if source.sha is None:
            path = posixpath.join(source.root, self._view.base, node.path).rstrip("/")
            info["name"] = path
            try:
                found = os.lstat(path)
            except OSError:
                return info  # gone while we look
            info |= {"mode": found.st_mode, "mtime": found.st_mtime, "ino": found.st_ino}
        return info


class _Collected(AbstractFileSystem):  # type: ignore[misc]
    """What fsspec's `get` would copy file by file, so that it is copied all together."""

    cachable = False

    def __init__(self, fs: DVCFileSystem) -> None:
        super().__init__()
        self._fs = fs
        self.found: list[tuple[str, str]] = []

    def _strip_protocol(self, path: Any) -> Any:
        return DVCFileSystem._strip_protocol(path)

    def expand_path(self, path: Any, **kwargs: Any) -> Any:
        return self._fs.expand_path(path, **kwargs)

    def isdir(self, path: str) -> bool:
        return self._fs.isdir(path)

    def get_file(self, rpath: str, lpath: str, **kwargs: Any) -> None:
        self.found.append((rpath, lpath))


def _is_of_dvc(name: str) -> bool:
    name = posixpath.basename(name)
    return is_stage_file(name) or name == ".dvcignore"


def _missing(path: str, is_recorded: bool = False) -> FileNotFoundError:
    why = "No storage files available" if is_recorded else os.strerror(errno.ENOENT)
    return FileNotFoundError(errno.ENOENT, why, path)


def _refuse() -> NoReturn:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))
