"""From the arguments that the functions share to an opened source."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pannier.core.errors import NotInProject
from pannier.core.events import Silent
from pannier.core.typed import Any
from pannier.formats.config import Tree
from pannier.git.locate import is_git_dir
from pannier.project.config_files import find_root
from pannier.project.reading import View
from pannier.project.sources import Source, SourceOptions, open_source

SILENT = Silent()
Config = Mapping[str, Any]


def open_view(
    repo: str | os.PathLike[str] | None,
    rev: str | None = None,
    *,
    config: Config | None = None,
    remote: str | None = None,
    remote_config: Config | None = None,
    cwd: str | None = None,
    subrepos: bool = False,
) -> View:
    """The project that the arguments of `dvc.api` name, its paths starting at its root.

    repo: a folder or URL, None for the project around cwd. rev: None is the workspace, or for a
    URL its HEAD. Raises NotInProject, SourceError, GitError, ConfigError.
    """
    cwd = cwd or os.getcwd()
    url = find_root(cwd) if repo is None else os.fspath(repo)
    folder = _folder(url, cwd)
    options = SourceOptions(
        rev=rev,
        remote=remote,
        remote_config=tuple((key, str(value)) for key, value in (remote_config or {}).items()),
        settings=_tree(config or {}),
    )
    source = open_source(url, options, cwd, SILENT)
    base = _base(source, folder) if folder is not None else ""
    return View(source, SILENT, base, subrepos=subrepos)


def _folder(url: str, cwd: str) -> str | None:
    """The folder here that a source is read in; None for what is read from a mirror."""
    if "://" in url:
        return None
    path = os.path.join(cwd, os.path.expanduser(url))
    return os.path.realpath(path) if os.path.isdir(path) and not is_git_dir(path) else None


def _base(source: Source, folder: str) -> str:
    """Where the project lies in the source: at a revision that is all of a Git repository."""
    try:
        root = find_root(folder)
    except NotInProject:
        root = folder
    below = os.path.relpath(root, os.path.realpath(source.root))
    return "" if below == "." or below.startswith("..") else below


def _tree(config: Config) -> Tree:
    """Settings as the text that a config file would have. Names of sections count in any case."""
    return {
        str(key).lower(): _tree(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
    }
