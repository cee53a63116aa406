"""Index: all stages and outputs of the workspace or of one revision."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Collection, Iterable, Iterator

from pannier.core.errors import IgnoredOutput, InvalidFile, Overlap
from pannier.core.path import is_inside, is_within, join
from pannier.core.record import dataclass, field
from pannier.core.stage import Out, Stage
from pannier.core.typed import TYPE_CHECKING, Protocol
from pannier.disk import fsio
from pannier.disk.reading import read_small, unreadable
from pannier.formats import pointer
from pannier.formats.ignore import IgnoreRules
from pannier.project.project import Project

if TYPE_CHECKING:
    from pannier.core.datasets import Datasets

_PIECE_BYTES = 1 << 16
_LOCK_NAME = "dvc.lock"

Read = Callable[[str], bytes | None]
"""Root-relative path -> bytes, or None when it is not there."""


@dataclass(frozen=True, slots=True)
class OutRef:
    """One output and the stage it belongs to. path: root-relative."""

    stage: Stage
    out: Out
    path: str

    @property
    def tracked(self) -> bool:
        """True when its bytes live in the store."""
        return self.out.cache and is_inside(self.path) and "://" not in self.out.path


@dataclass(slots=True)
class Index:
    """The stages found, in the order of their files' paths. warnings: of pipelines. rules: by the
    folder whose `.dvcignore` is the last of them."""

    stages: list[Stage] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rules: dict[str, IgnoreRules] = field(default_factory=dict)
    _outs: list[OutRef] | None = None

    def outs(self) -> list[OutRef]:
        if self._outs is None:
            self._outs = [ref for stage in self.stages for ref in outs_of(stage)]
        return self._outs

    def out_covering(self, path: str) -> OutRef | None:
        """The output that is path or that path lies in."""
        for ref in self.outs():
            if is_within(path, ref.path):
                return ref
        return None


def outs_of(stage: Stage) -> list[OutRef]:
    return [
        OutRef(stage, out, out.path if "://" in out.path else stage.path_of(out))
        for out in stage.outs
    ]


def refuse_other_record(index: Index, file: str, path: str) -> None:
    """Raises Overlap where a new record of path in this file would drop what it records now."""
    for stage in index.stages:
        others = [ref.path for ref in outs_of(stage) if ref.path != path]
        if stage.file == file and (others or not stage.outs):
            what = f"'{others[0]}'" if others else "no data, but a stage"
            raise Overlap(
                f"'{file}' is there already, and records {what}",
                hint="give that file another name, and repeat the command",
            )


class Reader(Protocol):
    """The files of the workspace, or of one revision."""

    def read(self, path: str) -> bytes | None: ...


def parse_stage_file(
    project: Project,
    read: Read,
    path: str,
    *,
    whole: bool = False,
    warnings: list[str] | None = None,
) -> list[Stage]:
    """The stages of one `.dvc` or `dvc.yaml` file; none when it is not there.

    whole: the bytes come from Git, so a missing last newline does not mean that they were cut.
    warnings: gets sentences for those who are about to run something.
    Raises InvalidFile: an empty or cut file is an error, never "nothing tracked".
    """
    data = read(path)
    if data is None:
        return []
    if pointer.is_pointer_name(posixpath.basename(path)):
        return [pointer.parse(data, path, whole=whole)]
    # Half of all that the formats are, and most projects have no pipeline.
    from pannier.formats import lockfile, pipeline

    options = pipeline.PipelineOptions(
        bool_style=project.settings.get("parsing.bool") or "store_true",
        list_style=project.settings.get("parsing.list") or "nargs",
    )
    parsed = pipeline.parse(data, path, read, options)
    if warnings is not None:
        warnings += parsed.warnings
    lock_path = path.removesuffix(".yaml") + ".lock"
    lock_data = read(lock_path)
    locked = lockfile.parse(lock_data, lock_path, whole=whole) if lock_data is not None else {}
    return [lockfile.apply(stage, locked.get(stage.name or "")) for stage in parsed.stages]


def load_datasets(project: Project) -> Datasets:
    """The data sets that the pipelines of the workspace declare, and what is recorded of them.

    Raises InvalidFile, DiskError.
    """
    from pannier.core import datasets
    from pannier.formats import dataset_edit, pipeline

    read = workspace_reader(project)
    index, found = Index(), datasets.Datasets()
    for path in find_stage_files(project, "", index):
        index.stages.extend(parse_stage_file(project, read, path))
        data = read(path) if pointer.is_pipeline_name(posixpath.basename(path)) else None
        if data is None:
            continue
        lock_path = path.removesuffix(".yaml") + ".lock"
        lock_data = read(lock_path)
        locked = dataset_edit.recorded(lock_data, lock_path) if lock_data is not None else {}
        for one in pipeline.parse(data, path, read, pipeline.PipelineOptions()).datasets:
            found.add(datasets.Dataset(path, one, locked.get(one["name"])))
    return found


def workspace_reader(project: Project) -> Read:
    def read(path: str) -> bytes | None:
        try:
            return read_small(project.absolute(path))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise unreadable(error, project.absolute(path)) from None

    return read


def load_index(
    project: Project, below: str = "", leave_out: Collection[str] = (), *, strict: bool = False
) -> Index:
    """Walks the workspace below a root-relative directory and reads every stage file.

    Outputs' own directories are not entered: what lies there is data; nor are those in leave_out.
    strict: a directory that may not be read is an error (DiskError), not passed over. Raises
    IgnoredOutput, InvalidFile.
    """
    read = workspace_reader(project)
    index = Index()
    for path in find_stage_files(project, below, index, leave_out, strict=strict):
        index.stages.extend(parse_stage_file(project, read, path, warnings=index.warnings))
    _refuse_ignored(project, index)
    return index


def refuse_ignored(project: Project, stages: Collection[Stage]) -> None:
    """Raises IgnoredOutput for an output that `.dvcignore` leaves out."""
    index = Index(list(stages))
    for folder in {posixpath.dirname(ref.path) for ref in index.outs() if is_inside(ref.path)}:
        index.rules[folder] = ignore_rules(project, folder)
    _refuse_ignored(project, index)


def _refuse_ignored(project: Project, index: Index) -> None:
    active = {folder: rules for folder, rules in index.rules.items() if rules.active(folder)}
    if not active:
        return
    for ref in index.outs():
        if "://" in ref.out.path or not is_inside(ref.path):
            continue
        above = reversed(list(ancestors(posixpath.dirname(ref.path))))
        folder = next((folder for folder in above if folder in index.rules), None)
        rules = active.get(folder) if folder is not None else None
        if rules is None or not any(rules.matches(ref.path, is_dir) for is_dir in (False, True)):
            continue
        absolute = project.absolute(ref.path)
        digest = ref.out.digest
        kinds = [digest.is_dir] if digest is not None else [False, True]
        if os.path.lexists(absolute):
            kinds = [os.path.isdir(absolute)]
        for kind in kinds:
            found = rules.explain(ref.path, kind) if rules.matches(ref.path, kind) else None
            if found is not None:
                raise IgnoredOutput(ref.stage.file, absolute, f"{found[0]}:{found[1]}:{found[2]}")


def find_stage_files(
    project: Project,
    below: str,
    found: Index,
    leave_out: Collection[str] = (),
    *,
    strict: bool = False,
) -> Iterator[str]:
    """Yields root-relative paths; `found` must hold the stages of those yielded before."""
    pending = [(below, ignore_rules(project, below))]
    found.rules[below] = pending[0][1]
    seen = 0
    outs: set[str] = set(leave_out)
    while pending:
        folder, rules = pending.pop()
        try:
            entries = list(os.scandir(project.absolute(folder)))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            if strict:
                fsio.fail(error, folder or ".")
            continue
        names = {entry.name: entry for entry in entries}
        if folder != below and ".dvcignore" in names:
            rules = found.rules[folder] = ignore_rules(project, folder)
        if folder and folder != below and ".dvc" in names and names[".dvc"].is_dir():
            continue  # a project of its own
        active = rules.active(folder)
        for name in sorted(names):
            is_lock = name == _LOCK_NAME and pointer.PIPELINE_NAME in names
            if not is_lock and not is_stage_file(name):
                continue
            path = f"{folder}/{name}" if folder else name
            if active and rules.matches(path, False):
                continue
            if _is_there(names[name], path) and not is_lock:
                yield path
        for stage in found.stages[seen:]:
            outs.update(ref.path for ref in outs_of(stage))
        seen = len(found.stages)
        for name in sorted(names, reverse=True):
            if name in (".dvc", ".git", ".hg") or not names[name].is_dir(follow_symlinks=False):
                continue
            path = f"{folder}/{name}" if folder else name
            if path not in outs and not (active and rules.matches(path, True)):
                pending.append((path, rules))


def _is_there(entry: os.DirEntry[str], path: str) -> bool:
    """False for a directory that happens to have the name. Raises InvalidFile for what is neither:
    what it should say is not known, and that is not nothing."""
    if not entry.is_symlink():
        if entry.is_file():
            return True
        why = "it is no regular file"
    else:
        if os.path.isfile(entry.path):
            return True
        why = "it is a link that leads to no file"
    if os.path.isdir(entry.path):
        return False
    raise InvalidFile(path, why)


def is_stage_file(name: str) -> bool:
    return pointer.is_pointer_name(name) or pointer.is_pipeline_name(name)


def stage_files_of(names: Iterable[str]) -> list[str]:
    """Those of the names in a folder that are stage files'; data has many that are not."""
    ends = (pointer.SUFFIX, pointer.PIPELINE_NAME)
    return [name for name in names if name.endswith(ends) and is_stage_file(name)]


def ignore_rules(project: Project, folder: str) -> IgnoreRules:
    """The rules of every `.dvcignore` from the root down to a root-relative directory."""
    read = workspace_reader(project)
    texts = []
    for directory in ancestors(folder):
        data = read(join(directory, ".dvcignore"))
        if data is not None:
            texts.append((directory, data.decode("utf-8", "replace")))
    return IgnoreRules(texts)


def ancestors(path: str) -> Iterable[str]:
    """'' , 'a', 'a/b' for 'a/b'."""
    yield ""
    parts = path.split("/") if path else []
    for count in range(1, len(parts) + 1):
        yield "/".join(parts[:count])


def inner_project(project: Project, path: str) -> str | None:
    """The folder of another project, below this one's root, that a root-relative path lies in."""
    for place in ancestors(posixpath.dirname(path)):
        if place and os.path.isdir(project.absolute(f"{place}/.dvc")):
            return place
    return None
