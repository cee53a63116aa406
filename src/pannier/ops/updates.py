"""What the sources of imports have now that is not recorded: for `status`."""

from __future__ import annotations

from contextlib import closing

from pannier.core.errors import PannierError
from pannier.core.events import Progress
from pannier.core.source_errors import UrlMissing
from pannier.core.stage import Stage
from pannier.project.imported import is_repo_import, open_origin, shown_source
from pannier.project.imported_urls import is_same, measured, origin_of
from pannier.project.project import Project


class Updates:
    """Asks each source once, however many imports come from it."""

    def __init__(self, project: Project, cwd: str, progress: Progress) -> None:
        self._project, self._cwd, self._progress = project, cwd, progress
        self._commits: dict[tuple[str, str | None], str | None] = {}

    def of(self, stage: Stage) -> dict[str, str]:
        """Dependency as shown -> its state. Raises SourceError, GitError."""
        if is_repo_import(stage):
            return self._of_project(stage)
        return {} if stage.frozen or stage.deps[0].db is not None else self._of_url(stage)

    def _of_url(self, stage: Stage) -> dict[str, str]:
        dep = stage.deps[0]
        with closing(origin_of(self._project, stage)) as origin:
            shown = origin.shown(self._project, self._cwd)
            try:
                now = measured(self._project, dep, origin, self._progress)
            except UrlMissing:
                return {shown: "deleted"}
        if dep.digest is None and dep.checksum is None:
            return {shown: "new"}
        return {} if is_same(dep, now) else {shown: "modified"}

    def _of_project(self, stage: Stage) -> dict[str, str]:
        dep = stage.deps[0]
        assert dep.repo is not None
        locked, rev = dep.repo.get("rev_lock"), dep.repo.get("rev")
        if not locked:
            return {}
        key = str(dep.repo["url"]), rev
        if key not in self._commits:
            self._commits[key] = self._commit(stage, rev)
        return {shown_source(dep): "update available"} if self._commits[key] != locked else {}

    def _commit(self, stage: Stage, rev: str | None) -> str | None:
        try:
            cwd = self._project.absolute(self._cwd)
            with open_origin(self._project, stage, rev, cwd, self._progress) as source:
                return source.sha
        except PannierError as error:
            error.hint = error.hint or "'dvc status --no-updates' does not ask the sources"
            raise
