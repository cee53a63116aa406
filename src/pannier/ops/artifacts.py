"""artifacts: where a model or data set lies that Git tags give a version."""

from __future__ import annotations

from pannier.core.errors import PannierError
from pannier.core.events import Progress
from pannier.core.record import replace
from pannier.project.artifacts import find_artifact
from pannier.project.reading import View
from pannier.project.sources import SourceOptions
from pannier.project.views import open_project_view


def artifact_path(
    url: str,
    name: str,
    version: str | None,
    stage: str | None,
    source: SourceOptions,
    cwd: str,
    progress: Progress,
) -> tuple[str, str]:
    """(commit, path in the repository that url names) of an artifact.

    Raises ArtifactNotFound, GitError, SourceError, PannierError for both version and stage.
    """
    if version and stage:
        raise PannierError("Artifact version and stage are mutually exclusive.")
    base = ""

    def open_at(rev: str | None) -> View:
        nonlocal base
        view = open_project_view(url, replace(source, rev=rev), cwd, progress)
        base = view.base
        return view

    sha, path = find_artifact(open_at, name, version, stage, progress)
    return sha, f"{base}/{path}" if base else path
