"""From a URL and options to a project opened for reading, its paths starting at its root."""

from __future__ import annotations

import os

from pannier.core.errors import NotInProject
from pannier.core.events import Progress
from pannier.git.locate import is_git_dir
from pannier.project.config_files import find_root
from pannier.project.reading import View
from pannier.project.sources import Source, SourceOptions, open_source


def open_project_view(
    url: str, options: SourceOptions, cwd: str, progress: Progress, *, subrepos: bool = False
) -> View:
    """url: a folder or URL. Raises NotInProject, SourceError, GitError, ConfigError."""
    folder = _folder(url, cwd)
    source = open_source(url, options, cwd, progress)
    base = _base(source, folder) if folder is not None else ""
    return View(source, progress, base, subrepos=subrepos)


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
