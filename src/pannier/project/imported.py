"""What the pointer of an import says of its source, and opening that source again."""

from __future__ import annotations

import os
import posixpath

from pannier.core.errors import GitError
from pannier.core.events import Progress
from pannier.core.path import join
from pannier.core.record import replace
from pannier.core.stage import Dep, Stage
from pannier.core.typed import Any
from pannier.formats.config import Tree
from pannier.project.project import Project
from pannier.project.sources import Source, SourceOptions, open_source, read_given


def repo_of(url: str, options: SourceOptions, cwd: str) -> dict[str, Any]:
    """The `repo` mapping of a new import, as DVC writes it (docs/formats.md, section 8.1)."""
    repo: dict[str, Any] = {"url": url}
    if options.rev:
        repo["rev"] = options.rev
    given = dict(options.remote_config)
    if options.remote and given:
        tree: Tree = read_given(os.path.join(cwd, options.config)) if options.config else {}
        repo["config"] = {
            **tree,
            "core": {**_section(tree, "core"), "remote": options.remote},
            "remote": {**_section(tree, "remote"), options.remote: given},
        }
        return repo
    if options.config:
        repo["config"] = options.config
    if options.remote or given:
        repo["remote"] = options.remote or given
    return repo


def _section(tree: Tree, name: str) -> dict[str, Any]:
    found = tree.get(name)
    return found if isinstance(found, dict) else {}


def shown_source(dep: Dep) -> str:
    """How messages name the source of an import from a project."""
    assert dep.repo is not None
    return f"{dep.path} ({dep.repo['url']})"


def open_origin(
    project: Project, stage: Stage, rev: str | None, cwd: str, progress: Progress
) -> Source:
    """Opens the source of an import at a revision; None for what its own branch has now.

    cwd: absolute. A folder is always read as it was committed: what is recorded must be there
    again tomorrow. Raises SourceError, GitError, ConfigError.
    """
    repo = stage.deps[0].repo
    assert repo is not None
    options = _options(repo, project, stage, cwd)
    url = str(repo["url"])
    base = base_of(url, project, stage, cwd)
    return open_committed(url, replace(options, rev=rev), base, progress)


def open_committed(url: str, options: SourceOptions, cwd: str, progress: Progress) -> Source:
    """A source at a commit; that of a folder without Git is its workspace."""
    source = open_source(url, options, cwd, progress)
    if source.sha is not None:
        return source
    source.close()
    try:
        return open_source(url, replace(options, rev="HEAD"), cwd, progress)
    except GitError:
        return open_source(url, options, cwd, progress)


def base_of(url: str, project: Project, stage: Stage, cwd: str) -> str:
    """The folder that a relative path in a pointer starts from.

    It is written as it was typed, so where it was typed is not known: tried are the current folder
    (as DVC does), the project's root, and the pointer's folder.
    """
    if "://" in url or os.path.isabs(url):
        return cwd
    folder = project.absolute(posixpath.dirname(stage.file))
    for base in (cwd, project.root, folder):
        if os.path.isdir(os.path.join(base, url)):
            return base
    return cwd


def _options(repo: dict[str, Any], project: Project, stage: Stage, cwd: str) -> SourceOptions:
    config, remote = repo.get("config"), repo.get("remote")
    recorded: Tree = {}
    if isinstance(config, str):
        folder = project.absolute(posixpath.dirname(stage.file))
        for base in (cwd, project.root, folder):
            if os.path.isfile(os.path.join(base, config)):
                recorded = read_given(os.path.join(base, config))
                break
        else:
            recorded = read_given(os.path.join(cwd, config))
    elif isinstance(config, dict):
        recorded = dict(config)
    if isinstance(remote, dict):
        pairs = tuple((str(name), str(value)) for name, value in remote.items())
        return SourceOptions(remote_config=pairs, recorded=recorded or None)
    return SourceOptions(remote=remote or None, recorded=recorded or None)


def is_repo_import(stage: Stage) -> bool:
    return stage.is_import and stage.deps[0].repo is not None


def is_partial(stage: Stage) -> bool:
    """True for an import of which only the source is recorded, not yet what it holds."""
    return stage.is_import and stage.outs[0].digest is None and stage.outs[0].files is None


def out_path(stage: Stage) -> str:
    return join(stage.wdir, stage.outs[0].path)
