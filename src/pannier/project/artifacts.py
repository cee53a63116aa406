"""Artifacts: models and data sets by the names that `dvc.yaml` gives them and the versions that
Git tags give them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from pannier.core.errors import GitError
from pannier.core.events import Progress
from pannier.core.reading_errors import ArtifactNotFound
from pannier.git.repo import GitRepo
from pannier.project.declared import declared
from pannier.project.reading import View

_TAG = re.compile(
    r"(?P<name>[^@#!]+)(?:@(?P<version>[^#@!]+)|#(?P<stage>[^#@!]+)#(?P<count>\d+))(?P<off>!)?\Z"
)
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+.*)?\Z")


def find_artifact(
    open_at: Callable[[str | None], View],
    name: str,
    version: str | None,
    stage: str | None,
    progress: Progress,
) -> tuple[str, str]:
    """(full name of a commit, path from the project's root) of an artifact.

    open_at: opens the project at a revision, None for what it has now. name: as in `artifacts` of
    the root's `dvc.yaml`; `folder:name` or `folder/dvc.yaml:name` for that of a folder. Versions
    are tags `name@v1.2.3`, stages of a model registry tags `name#prod#4`; without either it is the
    highest version. Raises ArtifactNotFound, GitError.
    """
    folder, colon, inner = name.rpartition(":")
    shown = f"{name} @ {version or stage}" if version or stage else name
    if colon and not folder:
        raise ArtifactNotFound(shown)
    folder = posixpath.dirname(folder) if folder.endswith("dvc.yaml") else folder
    view = open_at(None)
    try:
        git = view.source.git or GitRepo.find(view.source.root)
        if git is None:
            raise GitError(f"{view.source.root} is not a git repository")
        sha = _commit(git, f"{folder}={inner}" if folder else inner, version, stage)
        git.close()
    finally:
        view.close()
    if sha is None:
        raise ArtifactNotFound(shown)
    view = open_at(sha)
    try:
        for one in declared(view.root_place(), progress):
            if one.folder == folder and inner in one.pipeline.artifacts:
                path = one.pipeline.artifacts[inner].get("path")
                if path is not None:
                    return sha, posixpath.join(folder, path)
    finally:
        view.close()
    raise ArtifactNotFound(shown)


def _commit(git: GitRepo, tagged: str, version: str | None, stage: str | None) -> str | None:
    versions: dict[str, str] = {}
    stages: dict[int, tuple[str, bool]] = {}
    gone: set[str] = set()
    for tag, sha in git.tags():
        found = _TAG.match(tag)
        if found is None or found["name"] != tagged:
            continue
        if found["version"]:
            if found["off"]:
                gone.add(found["version"])
            else:
                versions[found["version"]] = sha
        elif found["stage"] == stage:
            stages[int(found["count"])] = sha, bool(found["off"])
    if stage:
        ended = {sha for sha, is_off in stages.values() if is_off}
        live = [count for count, (sha, is_off) in stages.items() if not is_off and sha not in ended]
        return stages[max(live)][0] if live else None
    live_versions = [one for one in versions if one not in gone]
    if version:
        return versions.get(version) if version in live_versions else None
    return versions[max(live_versions, key=_order)] if live_versions else None


def _order(version: str) -> tuple[object, ...]:
    """Sorts as semantic versions do; what is none comes first."""
    found = _VERSION.match(version)
    if found is None:
        return (0,)
    major, minor, patch = (int(found[group]) for group in (1, 2, 3))
    before = found[4]
    parts = [
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in (before.split(".") if before else ())
    ]
    return (1, major, minor, patch, before is None, parts)
