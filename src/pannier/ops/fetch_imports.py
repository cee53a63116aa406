"""The data of imports, from where it came: for `fetch` and `pull`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

from pannier.core.digest import Digest
from pannier.core.errors import AccessDenied, DiskError, PannierError
from pannier.core.events import Progress
from pannier.core.record import dataclass, field
from pannier.core.stage import Out, Stage
from pannier.ops.importing import Place, bring
from pannier.project.imported import is_partial, open_origin
from pannier.project.imported_urls import brought_from, is_same, recorded_origin, told_of
from pannier.project.origins import cargo_at
from pannier.project.project import Project
from pannier.project.snapshot import ABSENT
from pannier.project.targets import Selected


@dataclass(slots=True)
class SourcesReport:
    """transferred: objects that came. placed: paths put into the workspace, as the user sees them
    from the root, with the number of their files. brought: digests that are in the cache now.
    failed: (pointer, why not)."""

    transferred: int = 0
    placed: list[tuple[str, int]] = field(default_factory=list)
    brought: set[str] = field(default_factory=set)
    failed: list[tuple[str, PannierError]] = field(default_factory=list)


def fetch_imports(
    project: Project,
    items: Iterable[Selected],
    cwd: str,
    jobs: int | None,
    progress: Progress,
    *,
    place: bool,
) -> SourcesReport:
    """Brings the data of imports into the cache.

    place: put those into the workspace of which only the source is recorded; without it they are
    passed over, for nothing says what their data would be called. cwd: root-relative. A source
    that cannot be reached, or has something else now, does not stop the others.
    """
    report = SourcesReport()
    done: set[tuple[str, str]] = set()
    for item in items:
        stage, digest = item.ref.stage, item.ref.out.digest
        key = stage.file, digest.hex if digest is not None else ""
        if key in done or (digest is None and not place):
            continue
        done.add(key)
        try:
            if digest is None:
                _place(project, stage, cwd, jobs, progress, report)
            else:
                _fetch(project, stage, digest, cwd, jobs, progress, report)
        except (DiskError, AccessDenied):
            raise
        except PannierError as error:
            report.failed.append((stage.file, error))
    return report


def _fetch(
    project: Project,
    stage: Stage,
    digest: Digest,
    cwd: str,
    jobs: int | None,
    progress: Progress,
    report: SourcesReport,
) -> None:
    brought, count = _bring(project, stage, cwd, jobs, progress)
    if brought is None:
        return
    if brought.digest != digest:
        raise PannierError(
            f"its source has other data for '{stage.file}' than what is recorded",
            hint=f"take what is there now with 'dvc update {stage.file}'",
        )
    report.transferred += count
    report.brought.add(digest.hex)


def _bring(
    project: Project, stage: Stage, cwd: str, jobs: int | None, progress: Progress
) -> tuple[Out | None, int]:
    """What an import's source has at the recorded state, and how many objects came: of a folder
    its files, and its list where the source has one. None where there is no such source."""
    dep = stage.deps[0]
    if dep.db is not None:
        return None, 0
    if dep.repo is None:
        found = _bring_url(project, stage, jobs, progress)
        count = found.meta.nfiles
        return found, 1 if count is None else count + (not dep.files)
    rev = dep.repo.get("rev_lock") or dep.repo.get("rev")
    with open_origin(project, stage, rev, project.absolute(cwd), progress) as source:
        cargo = cargo_at(source, dep.path, progress)
        return bring(project, cargo, jobs, progress), cargo.count + cargo.has_list


def _bring_url(project: Project, stage: Stage, jobs: int | None, progress: Progress) -> Out:
    """Raises PannierError for a source that changed since."""
    dep = stage.deps[0]
    with closing(recorded_origin(project, stage)) as origin:
        told = told_of(dep, origin)
        if told is None or is_same(dep, told):
            brought = bring(project, origin.cargo(), jobs, progress)
            if is_same(dep, brought_from(dep, origin, told, brought)):
                return brought
    raise PannierError(
        f"the source of '{stage.file}' changed since it was imported",
        hint=f"take what is there now with 'dvc update {stage.file}'",
    )


def _place(
    project: Project,
    stage: Stage,
    cwd: str,
    jobs: int | None,
    progress: Progress,
    report: SourcesReport,
) -> None:
    """An import without recorded data: what stands in its place is the user's, and stays."""
    if not is_partial(stage):
        return
    place = Place(project, stage, progress)
    if place.kind != ABSENT:
        return
    repo = stage.deps[0].repo
    if repo is not None and not repo.get("rev_lock"):
        # Neither digest nor commit: a pointer of anybody's could name any file of the user's.
        raise PannierError(
            f"'{stage.file}' does not say which state of its source is meant",
            hint=f"if you trust it, take what is there now with 'dvc update {stage.file}'",
        )
    brought, count = _bring(project, stage, cwd, jobs, progress)
    if brought is None or brought.digest is None:
        return
    place.fill(brought)
    report.transferred += count
    name = place.path + ("/" if brought.digest.is_dir else "")
    report.placed.append((name, brought.meta.nfiles or 1))
