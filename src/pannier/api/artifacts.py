"""`artifacts_show`: a model or data set by the name and version that Git tags give it."""

from __future__ import annotations

from pannier.api.opening import SILENT, open_view
from pannier.project.artifacts import find_artifact


def artifacts_show(
    name: str,
    version: str | None = None,
    stage: str | None = None,
    repo: str | None = None,
) -> dict[str, str]:
    """Where an artifact is: {"rev": full name of a commit, "path": from the project's root}.

    name, version, stage: see `find_artifact`. repo: a folder or URL, None for the project around.

    Raises ArtifactNotFound, ValueError for both version and stage, GitError, SourceError.
    """
    if version and stage:
        raise ValueError("Artifact version and stage are mutually exclusive.")
    sha, path = find_artifact(lambda rev: open_view(repo, rev), name, version, stage, SILENT)
    return {"rev": sha, "path": path}
