"""From the arguments that the functions share to an opened source."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pannier.core.events import Silent
from pannier.core.typed import Any
from pannier.formats.config import Tree
from pannier.project.config_files import find_root
from pannier.project.reading import View
from pannier.project.sources import SourceOptions
from pannier.project.views import open_project_view

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
    options = SourceOptions(
        rev=rev,
        remote=remote,
        remote_config=tuple(_tree(remote_config or {}).items()),
        settings=_tree(config or {}),
    )
    return open_project_view(url, options, cwd, SILENT, subrepos=subrepos)


def _tree(config: Config) -> Tree:
    """Settings as the text that a config file would have. Names of sections count in any case."""
    return {str(key).lower(): _text(value) for key, value in config.items() if value is not None}


def _text(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _tree(value)
    if isinstance(value, list | tuple):
        return [_text(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)
