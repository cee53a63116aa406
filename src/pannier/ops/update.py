"""update: imports brought to what their sources have now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, suppress

from pannier.core.errors import NoRemote, PannierError
from pannier.core.events import Progress
from pannier.core.record import dataclass, replace
from pannier.core.source_errors import UrlMissing
from pannier.core.stage import Dep, Out, Stage
from pannier.ops.importing import Ask, Place, bring, record, send_on, write
from pannier.project.databases import question_of, rows_of
from pannier.project.imported import is_partial, is_repo_import, open_origin, shown_source
from pannier.project.imported_urls import brought_from, is_same, measured, origin_of, told_of
from pannier.project.index import OutRef, outs_of
from pannier.project.origins import cargo_at
from pannier.project.project import Project
from pannier.project.targets import TargetOptions, select_named
from pannier.project.tracking import shown
from pannier.project.urls import Origin
from pannier.project.versions import write_outs
from pannier.project.workspace import sweep
from pannier.project.worktree import out_as_there
from pannier.store.cargo import Cargo
from pannier.store.remote import Remote
from pannier.store.versioned import VersionedRemote


@dataclass(frozen=True, slots=True)
class UpdateOptions:
    """rev: of the source, instead of the one that is recorded. download: False to record what the
    source has, and bring nothing. to_remote: data goes straight to a remote (the one of that
    name, else the default one), and nothing stays here.
    """

    targets: TargetOptions
    rev: str | None = None
    download: bool = True
    to_remote: bool = False
    remote: str | None = None
    jobs: int | None = None


def update(
    project: Project, targets: Sequence[str], options: UpdateOptions, ask: Ask, progress: Progress
) -> None:
    """Updates the imports that targets name, one after the other; each is old or new.

    ask: whether unsaved files may go. Raises BadTarget, SourceError, GitError, PathMissing,
    UnsavedChanges, TransferFailed.
    """
    sweep(project)
    worker = _Update(project, options, ask, progress)
    for stage, _ in select_named(project, targets, options.targets):
        worker.one(stage)


class _Update:
    def __init__(
        self, project: Project, options: UpdateOptions, ask: Ask, progress: Progress
    ) -> None:
        self._project, self._options, self._ask = project, options, ask
        self._progress = progress
        self._cwd = options.targets.cwd

    def one(self, stage: Stage) -> None:
        if not stage.is_import:
            for ref in outs_of(stage):
                self._from_worktree(ref)
        elif is_repo_import(stage):
            self._from_project(stage)
        elif stage.deps[0].db is not None:
            self._from_database(stage)
        else:
            self._from_url(stage)

    def _from_worktree(self, ref: OutRef) -> None:
        """Takes what others changed at a worktree remote. Raises UnsavedChanges, TransferFailed."""
        project, options, progress = self._project, self._options, self._progress
        config = None
        with suppress(NoRemote):
            config = project.settings.remote(options.remote or ref.out.remote)
        if config is None or not config.flag("worktree") or ref.out.digest is None:
            path = shown(ref.path, self._cwd)
            progress.warn(f"Could not update '{path}', it was never pushed to a remote")
            return
        with VersionedRemote(config) as remote:
            out = out_as_there(project, remote, ref, options.jobs, progress)
        if out is None:
            raise PannierError(
                f"'{shown(ref.path, self._cwd)}' is not at remote '{config.name}'",
                hint="'dvc push' brings it there",
            )
        if out == ref.out:
            return
        place = Place(project, replace(ref.stage, outs=(ref.out,)), progress)
        place.refuse_unsaved(out.digest, self._ask)
        place.fill(out)
        write_outs(project, ref.stage, {out.path: out})

    def _from_project(self, stage: Stage) -> None:
        project, options, progress = self._project, self._options, self._progress
        dep = stage.deps[0]
        assert dep.repo is not None
        rev = options.rev or dep.repo.get("rev")
        cwd = project.absolute(self._cwd)
        with open_origin(project, stage, rev, cwd, progress) as source:
            same = source.sha is not None and source.sha == dep.repo.get("rev_lock")
            known = not is_partial(stage) or not options.download
            if same and known and rev == dep.repo.get("rev") and not options.to_remote:
                self._unchanged(stage)
                return
            repo = {key: value for key, value in dep.repo.items() if key != "rev_lock"}
            if rev:
                repo["rev"] = rev
            if source.sha is not None:
                repo["rev_lock"] = source.sha
            new = replace(stage, deps=(replace(dep, repo=repo),))
            self._announce(shown_source(dep), stage)
            cargo = cargo_at(source, dep.path, progress)
            if not options.download:
                cargo.close()
                self._without_data(new)
                return
            if options.to_remote:
                self._send_on(new, cargo)
                return
            place = Place(project, stage, progress)
            brought = bring(project, cargo, options.jobs, progress)
        self._finish(place, record(project, new, brought))

    def _from_database(self, stage: Stage) -> None:
        """Asked again: nothing else tells whether the answer is another one."""
        project, options = self._project, self._options
        dep = stage.deps[0]
        if options.to_remote or not options.download:
            raise PannierError(
                "only the data of an import from a database can be updated",
                hint=f"dvc update {stage.address_from(self._cwd)}",
            )
        self._announce(question_of(dep).shown, stage)
        cargo = rows_of(project, dep)
        place = Place(project, stage, self._progress)
        brought = bring(project, cargo, options.jobs, self._progress)
        self._finish(place, record(project, stage, brought))

    def _from_url(self, stage: Stage) -> None:
        project, options, progress = self._project, self._options, self._progress
        dep = stage.deps[0]
        with closing(origin_of(project, stage, options.rev)) as origin:
            shown_url = origin.shown(project, self._cwd)
            known = not is_partial(stage) or not options.download
            try:
                told = told_of(dep, origin) if origin.path is None or options.to_remote else None
                if options.to_remote:
                    self._send_on(
                        stage, origin.cargo(), lambda out: brought_from(dep, origin, told, out)
                    )
                    return
                if known and stage.md5 and self._is_same(dep, origin, told):
                    self._unchanged(stage)
                    return
                self._announce(shown_url, stage)
                if not options.download:
                    now = measured(project, dep, origin, progress)
                    self._without_data(replace(stage, deps=(now,)))
                    return
                cargo = origin.cargo()
                place = Place(project, stage, progress)
                brought = bring(project, cargo, options.jobs, progress)
            except UrlMissing:
                raise UrlMissing.of_dependency(shown_url) from None
            now = brought_from(dep, origin, told, brought)
            self._finish(place, record(project, replace(stage, deps=(now,)), brought))

    def _without_data(self, new: Stage) -> None:
        """The old data goes, as with DVC: nothing would tell that it is not what is recorded."""
        Place(self._project, new, self._progress).clear(self._ask)
        self._write(record(self._project, new, None))

    def _finish(self, place: Place, new: Stage) -> None:
        """The pointer comes last: by it the same command again knows that there is more to do."""
        place.refuse_unsaved(new.outs[0].digest, self._ask)
        place.fill(new.outs[0])
        self._write(new)

    def _is_same(self, dep: Dep, origin: Origin, told: Dep | None) -> bool:
        """Tells whether the source is as it was. Where it tells nothing it is read."""
        now = told or measured(self._project, dep, origin, self._progress)
        return is_same(dep, now)

    def _send_on(
        self, stage: Stage, cargo: Cargo, dep_of: Callable[[Out], Dep] | None = None
    ) -> None:
        project = self._project
        with Remote(project.settings.remote(self._options.remote)) as remote:
            sent = send_on(project, stage, cargo, remote, self._options.jobs, self._progress)
        if dep_of is not None:
            stage = replace(stage, deps=(dep_of(sent),))
        self._write(record(project, stage, sent))

    def _unchanged(self, stage: Stage) -> None:
        self._progress.note(f"'{stage.address_from(self._cwd)}' didn't change, skipping")

    def _announce(self, source: str, stage: Stage) -> None:
        path = shown(stage.path_of(stage.outs[0]), self._cwd)
        self._progress.note(f"Importing '{source}' -> '{path}'")

    def _write(self, stage: Stage) -> None:
        write(self._project, stage)
