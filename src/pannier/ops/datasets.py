"""dataset add and dataset update: data elsewhere that stages depend on, by name.

Nothing is downloaded: what is recorded is a commit, or what the place tells of a path.
"""

from __future__ import annotations

import posixpath
from contextlib import closing

from pannier.core.datasets import Dataset, spec_of
from pannier.core.errors import GitError, PannierError
from pannier.core.events import Progress
from pannier.core.path import join, relative
from pannier.core.record import dataclass, replace
from pannier.core.source_errors import UrlMissing
from pannier.core.typed import Any
from pannier.disk import fsio
from pannier.formats import dataset_edit, pointer
from pannier.project.datasets import told_of
from pannier.project.imported import open_committed
from pannier.project.index import load_datasets
from pannier.project.lock_files import lock_name
from pannier.project.project import Project
from pannier.project.sources import SourceOptions
from pannier.project.tracking import read_bytes, stage_in_git
from pannier.project.urls import open_url
from pannier.project.workspace import sweep

_SHOWN_HEX = 9


@dataclass(frozen=True, slots=True)
class NewDataset:
    """One data set as it was asked for. type: "dvc", "url" or "dc". path, rev: of "dvc" only."""

    name: str
    type: str
    url: str
    path: str | None = None
    rev: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """shown: the data set and what became of it, None when nothing changed. changed: files,
    root-relative. staged: they are in Git's index already. files: (M, A or D, path in the data set)
    of each that is not as it was recorded."""

    shown: str | None
    changed: list[str]
    staged: bool = False
    files: tuple[tuple[str, str], ...] = ()


def add_dataset(
    project: Project, new: NewDataset, cwd: str, progress: Progress, *, force: bool = False
) -> DatasetReport:
    """Enters a data set into the `dvc.yaml` of a folder and records what it is now.

    cwd: root-relative. force: an old one of the name makes way. Raises PannierError, SourceError,
    GitError, UrlMissing, InvalidFile, DiskError.
    """
    sweep(project)
    if new.type == "dc":
        raise _no_datachain()
    file = join(cwd, pointer.PIPELINE_NAME)
    old = load_datasets(project).find(new.name)
    if old is not None and (old.file != file or not force):
        where = relative(old.file, cwd)
        here = "use the --force to overwrite"
        raise PannierError(
            f"{new.name} already exists in {where}, "
            + (here if old.file == file else "choose another name, or change it there")
        )
    if old is not None:
        dataset_edit.refuse_parametrized(read_bytes(project.absolute(file)), new.name, file)
    given = {"name": new.name, "url": new.url, "type": new.type, "path": new.path, "rev": new.rev}
    dataset = Dataset(file, spec_of(given))
    dataset = replace(dataset, locked=_measured(project, dataset, cwd, progress))
    changed = _write(project, dataset, declare=True)
    return DatasetReport(_address(dataset), changed, stage_in_git(project, changed))


def update_dataset(
    project: Project, name: str, rev: str | None, cwd: str, progress: Progress
) -> DatasetReport:
    """Records what a data set is now. rev: it is to follow this revision from now on.

    Raises DatasetNotFound and what `add_dataset` does.
    """
    sweep(project)
    old = load_datasets(project).get(name)
    kind = old.declared["type"]
    if kind == "dc":
        raise _no_datachain()
    if rev and kind != "dvc":
        raise PannierError("cannot update version/revision for a url")
    spec = spec_of(old.declared)
    declare = bool(rev) and rev != spec.get("rev")
    if declare:
        file = old.file
        dataset_edit.refuse_parametrized(read_bytes(project.absolute(file)), name, file)
        spec["rev"] = rev
    new = Dataset(old.file, {**old.declared, **spec})
    new = replace(new, locked=_measured(project, new, cwd, progress))
    if new.locked == old.locked and not declare:
        return DatasetReport(None, [])
    changed = _write(project, new, declare=declare)
    shown = _address(new)
    if old.is_in_sync and kind == "dvc":
        before, after = (str((one.locked or {}).get("rev_lock", "")) for one in (old, new))
        shown = f"{before[:_SHOWN_HEX]} -> {after[:_SHOWN_HEX]}"
    files = _changes(old.locked or {}, new.locked or {})
    return DatasetReport(shown, changed, stage_in_git(project, changed), files)


def _changes(old: dict[str, Any], new: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    before, after = (
        {str(row["relpath"]): row for row in one.get("files") or ()} for one in (old, new)
    )
    modified = [("M", path) for path in after if before.get(path, after[path]) != after[path]]
    added = [("A", path) for path in after if path not in before]
    return (*modified, *added, *(("D", path) for path in before if path not in after))


def _no_datachain() -> PannierError:
    return PannierError(
        "datasets of DataChain are not supported: they are kept by a service of its own, so name a"
        " Git repository with --dvc, or a path or URL with --url"
    )


def _address(dataset: Dataset) -> str:
    path, rev = dataset.declared.get("path"), dataset.declared.get("rev")
    shown = str(dataset.declared["url"])
    shown += f":/{path}" if path else ""
    return shown + (f" @ {rev}" if rev else "")


def _write(project: Project, dataset: Dataset, *, declare: bool) -> list[str]:
    """Both files are made before one is written. The lock file goes first: an entry that nothing
    declares is nobody's, so a killed command can be given again."""
    file, lock_file = dataset.file, lock_name(dataset.file)
    texts: list[tuple[str, bytes | None, bytes]] = []
    if declare:
        before = read_bytes(project.absolute(file))
        entry = {**spec_of(dataset.declared), **dataset.declared}  # the usual keys come first
        texts.append((file, before, dataset_edit.declare(before, entry, file)))
    before = read_bytes(project.absolute(lock_file))
    entry = dataset.locked or {}
    texts.append((lock_file, before, dataset_edit.record(before, entry, lock_file)))
    fsio.make_dirs(project.scratch)
    for path, _, text in reversed(texts):
        fsio.write_atomic(
            project.absolute(path), text, scratch=project.scratch, within=project.root
        )
    return [path for path, before, text in texts if before != text]


# -- what it is now ------------------------------------------------------------------------------


def _measured(project: Project, dataset: Dataset, cwd: str, progress: Progress) -> dict[str, Any]:
    """The entry of the lock file, keys in the order in which DVC writes them."""
    url = str(dataset.declared["url"])
    # `dataset add` writes into the folder that it is called in: relative paths start there.
    base = project.absolute(posixpath.dirname(dataset.file))
    spec = spec_of(dataset.declared)
    if dataset.declared["type"] == "dvc":
        return {**spec, "rev_lock": _commit(url, spec.get("rev"), base, progress)}
    return {**spec, **_told(project, dataset, base, cwd, progress)}


def _commit(url: str, rev: object, base: str, progress: Progress) -> str:
    options = SourceOptions(rev=None if rev is None else str(rev))
    with open_committed(url, options, base, progress) as source:
        if source.sha is None:
            raise GitError(f"No git repository was found at {url}")
        return source.sha


def _told(
    project: Project, dataset: Dataset, base: str, cwd: str, progress: Progress
) -> dict[str, Any]:
    url = str(dataset.declared["url"])
    with closing(open_url(url, project, base, trusted=False)) as origin:
        try:
            return told_of(origin, progress)
        except UrlMissing:
            raise UrlMissing.of_dependency(origin.shown(project, cwd)) from None
