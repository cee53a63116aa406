"""`open`, `read` and `get_url`: one file of a project, here or elsewhere."""

from __future__ import annotations

import builtins
import errno
import io
import os
from types import TracebackType
from typing import IO, BinaryIO

from pannier.api.opening import Config, open_view
from pannier.core.reading_errors import IsDirectory, OutputNotFound, PathMissing
from pannier.core.typed import Any
from pannier.project.reading import View
from pannier.project.version_keys import url_at


def open(
    path: str,
    repo: str | None = None,
    rev: str | None = None,
    remote: str | None = None,
    mode: str = "r",
    encoding: str | None = None,
    config: Config | None = None,
    remote_config: Config | None = None,
) -> _OpenContextManager:
    """Opens a file of a project, tracked by DVC or by Git, for use in a `with` statement.

    path: from the project's root; in a workspace, from the working folder if that is inside.
    repo: a folder or the URL of a Git repository; None is the project around the working folder.
    rev: a Git revision; None is the workspace, or for a URL its HEAD. remote: instead of the
    default one; config, remote_config: settings on top of the project's. encoding: as in Python's
    open.

    What neither workspace nor cache hold is streamed from the remote, in ranges: nothing is stored.
    A file that is read from start to end has the recorded digest, or reading raises CorruptObject.

    Raises ValueError for a mode that does not read; inside `with`: PathMissing, IsDirectory,
    NotInProject, GitError, SourceError, ConfigError, TransportError.
    """
    return _prepare(path, repo, rev, remote, mode, encoding, config, remote_config)


def read(
    path: str,
    repo: str | None = None,
    rev: str | None = None,
    remote: str | None = None,
    mode: str = "r",
    encoding: str | None = None,
    config: Config | None = None,
    remote_config: Config | None = None,
) -> Any:
    """The whole content of a file: str, or bytes with a mode like "rb". See `open`.

    The bytes are verified: they have the recorded digest, or CorruptObject is raised.
    """
    with _prepare(path, repo, rev, remote, mode, encoding, config, remote_config) as file:
        return file.read()


def get_url(
    path: str,
    repo: str | None = None,
    rev: str | None = None,
    remote: str | None = None,
    config: Config | None = None,
    remote_config: Config | None = None,
) -> str:
    """Where the remote keeps, or would keep, the data of a file or directory that DVC tracks.

    Of a directory it is its list of files, `....dir`, or where a remote keeps cloud versions the
    place of its files. Arguments as for `open`. The remote is not
    asked whether it is there. Raises OutputNotFound, NoRemote, UnknownRemote, ListMissing.
    """
    view = open_view(repo, rev, config=config, remote=remote, remote_config=remote_config)
    try:
        item = None if os.path.isabs(path) else view.locate(view.key(path))
        if item is None:
            raise OutputNotFound(path)
        return url_at(item.project.settings.remote(item.remote), item)
    finally:
        view.close()


def _prepare(
    path: str,
    repo: str | None,
    rev: str | None,
    remote: str | None,
    mode: str,
    encoding: str | None,
    config: Config | None,
    remote_config: Config | None,
) -> _OpenContextManager:
    if "r" not in mode:
        raise ValueError("Only reading `mode` is supported.")
    arguments = {"rev": rev, "remote": remote, "config": config, "remote_config": remote_config}
    return _OpenContextManager(path, repo, arguments, mode, encoding)


class _OpenContextManager:
    """What `open` returns. The project is opened when the `with` statement begins."""

    def __init__(
        self,
        path: str,
        repo: str | None,
        arguments: dict[str, Any],
        mode: str,
        encoding: str | None,
    ) -> None:
        self._path, self._repo, self._arguments = path, repo, arguments
        self._mode, self._encoding = mode, encoding
        self._view: View | None = None
        self._file: IO[Any] | None = None

    def __enter__(self) -> IO[Any]:
        if set(self._mode) - set("rbt"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        self._view = open_view(self._repo, **self._arguments)
        try:
            self._file = self._opened(self._view)
        except BaseException:
            self._view.close()
            raise
        return self._file

    def _opened(self, view: View) -> IO[Any]:
        if os.path.isabs(self._path):
            raise PathMissing(self._path)
        try:
            file: BinaryIO = view.open(view.key(self._path))
        except PathMissing as error:
            raise PathMissing(self._path, is_recorded=error.is_recorded) from None
        except IsDirectory:
            raise IsDirectory(self._path) from None
        return file if "b" in self._mode else io.TextIOWrapper(file, encoding=self._encoding)

    def __exit__(
        self,
        _type: builtins.type[BaseException] | None,
        _value: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
        if self._view is not None:
            self._view.close()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError("dvc.api.open() should be used in a with statement.")
