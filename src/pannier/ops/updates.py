"""What the sources of imports have now that is not recorded: for `status`."""

from __future__ import annotations

from contextlib import closing

from pannier.core.errors import PannierError
from pannier.core.events import Progress
from pannier.core.source_errors import UrlMissing
from pannier.core.stage import Dep, Stage
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
        if not stage.is_import:
            found: dict[str, str] = {}
            for dep in stage.deps:
                if dep.is_url and not dep.is_dataset and not stage.frozen:
                    found |= self._of_url(stage, dep)
            return found
        dep = stage.deps[0]
        if dep.db is not None or (stage.frozen and not dep.is_versioned):
            return {}
        return self._of_url(stage, dep)

    def measure(self, stage: Stage, dep: Dep) -> Dep:
        """A URL that a command reads, as it is now. Raises UrlMissing."""
        with closing(origin_of(self._project, stage, dep=dep)) as origin:
            try:
                return measured(self._project, dep, origin, self._progress)
            except UrlMissing:
                raise UrlMissing.of_dependency(dep.path) from None

    def _of_url(self, stage: Stage, dep: Dep) -> dict[str, str]:
        with closing(origin_of(self._project, stage, dep=dep)) as origin:
            shown = origin.shown(self._project, self._cwd) if stage.is_import else dep.path
            try:
                now = measured(self._project, dep, origin, self._progress)
            except UrlMissing:
                return {shown: "deleted"}
        known = dep.digest is not None or dep.checksum is not None or dep.files is not None
        if stage.is_import and not known:
            return {shown: "new"}
        if is_same(dep, now):
            return {}
        single = dep.is_versioned and not dep.files
        return {shown: "update available" if single else "modified"}

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
