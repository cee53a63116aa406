"""`params_show` and `metrics_show`: the values of a project, of the workspace or of a revision."""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Iterable

from pannier.api.opening import SILENT, Config, open_view
from pannier.core.reading_errors import PathMissing
from pannier.core.typed import Any
from pannier.formats.values import load_any, load_params, metrics_of, picked
from pannier.formats.variables import DEFAULT_FILE
from pannier.project.declared import (
    Declared,
    WantedParams,
    declared,
    is_of_dvc,
    stages_named,
)
from pannier.project.reading import View


def params_show(
    *targets: str,
    repo: str | None = None,
    stages: str | Iterable[str] | None = None,
    rev: str | None = None,
    deps: bool = False,
    config: Config | None = None,
) -> dict[str, Any]:
    """The parameters of a project, merged into one dict.

    targets: files, or folders of them, to be shown whole, whether a pipeline names them or not;
    without any, `params.yaml` and the files named at the top of each `dvc.yaml` are shown whole,
    and of others what stages depend on. stages: only what these depend on: `train`,
    `sub/dvc.yaml:train`. deps: only what stages depend on. repo, rev, config: as for `open`.

    A key at the top that several files have is given as `file:key`. Raises FileNotFoundError for
    a file that is nowhere, InvalidFile, BadTarget for a stage that is not there.
    """
    view = open_view(repo, rev, config=config)
    try:
        wanted = WantedParams()
        for path in _files(view, targets):
            wanted.whole(path)
        if stages is not None or not targets:
            _add_declared(view, wanted, stages, deps)
        found = {path: _params(view, path, names) for path, names in wanted.names.items()}
        return _merged(view, found)
    finally:
        view.close()


def metrics_show(
    *targets: str,
    repo: str | None = None,
    rev: str | None = None,
    config: Config | None = None,
) -> dict[str, Any]:
    """The metrics of a project, merged into one dict: numbers, texts and truth values.

    targets: files, or folders of them, whether a pipeline names them or not; without any, all that
    pipelines name. repo, rev, config: as for `open`. A file that holds a single number stands
    under its path.

    A key at the top that several files have is given as `file:key`. Raises FileNotFoundError for
    a file that is nowhere, InvalidFile.
    """
    view = open_view(repo, rev, config=config)
    try:
        paths = _files(view, targets)
        if not targets:
            for one in _declared(view):
                paths += [path for each in one.metrics() for path in _files(view, ["/" + each])]
        found = {path: metrics_of(load_any(_read(view, path), path)) for path in paths}
        return _merged(view, found)
    finally:
        view.close()


def _add_declared(
    view: View, wanted: WantedParams, stages: str | Iterable[str] | None, deps: bool
) -> None:
    pipelines = _declared(view)
    if stages is not None:
        names = [stages] if isinstance(stages, str) else list(stages)
        wanted.stages(stages_named(pipelines, names, view.source.cwd))
        return
    if not deps:
        node = view.look(DEFAULT_FILE)
        if node is not None and not node.is_dir:
            wanted.whole(DEFAULT_FILE)
    wanted.pipelines(pipelines, deps=deps)


def _declared(view: View) -> list[Declared]:
    return declared(view.root_place(), SILENT)


def _files(view: View, targets: Iterable[str]) -> list[str]:
    """The files that targets name, or that lie in the folders that they name."""
    found: list[str] = []
    for target in targets:
        path = view.key(target)
        node = view.look(path)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), target.lstrip("/"))
        pending = [node]
        while pending:
            node = pending.pop()
            if node.is_dir:
                inner = sorted(view.children(node.path), key=lambda child: child.path)
                pending += reversed([child for child in inner if not is_of_dvc(child.path)])
            else:
                found.append(node.path)
    return found


def _read(view: View, path: str) -> bytes:
    try:
        with view.open(path) as file:
            return file.read()
    except PathMissing as error:
        why = "No storage files available" if error.is_recorded else os.strerror(errno.ENOENT)
        raise FileNotFoundError(errno.ENOENT, why, path) from None


def _params(view: View, path: str, names: list[str]) -> dict[str, Any]:
    values = load_params(_read(view, path), path)
    return picked(values, names) if names else values


def _merged(view: View, found: dict[str, Any]) -> dict[str, Any]:
    """All values in one dict; a key at the top that several files have is put behind its file."""
    counts: dict[str, int] = {}
    for values in found.values():
        for key in values if isinstance(values, dict) else ():
            counts[key] = counts.get(key, 0) + 1
    merged: dict[str, Any] = {}
    for path, values in found.items():
        shown = posixpath.relpath(f"/{path}", f"/{view.source.cwd}")
        if isinstance(values, dict):
            for key, value in values.items():
                merged[key if counts[key] == 1 else f"{shown}:{key}"] = value
        elif values is not None:
            merged[shown] = values
    return merged
