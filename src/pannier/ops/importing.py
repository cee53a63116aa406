"""What import, import-url and update share: checking, storing, recording, placing.

Not a use case, like `tracking`. The order is that of `add` and `checkout`: objects, `.gitignore`,
the pointer, then the workspace (docs/durability.md, section 3.9). Whatever a kill leaves is a
project that `checkout` or `pull` completes.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable

from pannier.core.digest import MD5, Digest
from pannier.core.errors import (
    BadPath,
    FileChanged,
    OutsideProject,
    Overlap,
    PannierError,
    PointerIgnored,
    TrackedByGit,
    UnsavedChanges,
)
from pannier.core.events import Progress
from pannier.core.manifest import Manifest
from pannier.core.path import is_inside, is_within, reason_to_refuse
from pannier.core.plan import plan_checkout
from pannier.core.record import dataclass, field, replace
from pannier.core.source_errors import DestinationExists
from pannier.core.stage import Dep, Meta, Out, Stage
from pannier.disk.beneath import has_link_parent
from pannier.disk.mutex import check_not_busy
from pannier.formats import pointer
from pannier.formats.entries import reason_against_output
from pannier.project import snapshot as snapshots
from pannier.project.index import inner_project, load_index, refuse_other_record
from pannier.project.materialise import Materialiser
from pannier.project.project import Project
from pannier.project.removal import remove
from pannier.project.snapshot import ABSENT, OTHER
from pannier.project.targets import root_relative
from pannier.project.tracking import ignore_in_git, shown, stage_in_git, with_out, write_pointer
from pannier.project.workspace import scratch_folder
from pannier.store.cargo import Cargo, Got, pass_on, stow
from pannier.store.publishing import put_bytes
from pannier.store.remote import Remote

Ask = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """cwd: root-relative directory that paths start from. out: where to, as typed. force: what is
    there may go. run: False to write the pointer only. download: False to record what the source
    has, and bring nothing.
    """

    cwd: str = ""
    out: str | None = None
    force: bool = False
    run: bool = True
    download: bool = True
    jobs: int | None = None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """to_commit: root-relative paths for `git add`. staged: that was done already."""

    pointer: str
    to_commit: list[str] = field(default_factory=list)
    staged: bool = False


def new_stage(project: Project, name: str, dep: Dep, options: ImportOptions) -> Stage:
    """The stage of a new import, everything checked that can be before anything is brought.

    name: of the data at its source. Raises DestinationExists, OutsideProject, BadPath, Overlap,
    TrackedByGit, PointerIgnored.
    """
    typed = options.out or name
    path = root_relative(project, options.cwd, typed)
    if options.out and os.path.isdir(project.absolute(path)):
        path = f"{path}/{name}" if path else name
    check_path(project, path, typed)
    here = shown(path, options.cwd)
    absolute = project.absolute(path)
    if os.path.lexists(absolute) and not options.force:
        raise DestinationExists(here, is_dir=os.path.isdir(absolute))
    wdir = posixpath.dirname(path)
    if not os.path.isdir(project.absolute(wdir)):
        raise PannierError(
            f"stage working dir '{project.absolute(wdir)}' does not exist",
            hint=f"make it with: mkdir -p {shown(wdir, options.cwd)}",
        )
    out = Out(path=posixpath.basename(path))
    file = pointer.pointer_name(path)
    stage = Stage(file=file, wdir=wdir, outs=(out,), deps=(dep,), frozen=True)
    check_record(project, path, file, options.cwd)
    check_not_busy(project.rwlock, [absolute], writing=True)
    return stage


def check_path(project: Project, path: str, typed: str) -> None:
    if not is_inside(path):
        raise OutsideProject(os.path.normpath(project.absolute(path)))
    why = "it is the project itself" if path == "" else reason_to_refuse(path)
    link = has_link_parent(project.root, path) if why is None else None
    if link is not None:
        why = f"'{link}' is a link to elsewhere"
    inner = inner_project(project, path) if why is None else None
    if inner is not None:
        why = f"'{inner}' is a project of its own, whose commands have to track it"
    wdir, name = posixpath.split(path)
    why = why or reason_against_output(name, wdir, pointer.pointer_name(path), cache=True)
    if why is None and len(os.fsencode(f"{name}.dvc")) > 255:
        why = "its name leaves no room for '.dvc'"
    if why is not None:
        raise BadPath(path=typed, reason=why, where="the command line")


def check_record(project: Project, path: str, file: str, cwd: str) -> None:
    """Raises Overlap, TrackedByGit, PointerIgnored where file cannot become the record of path."""
    index = load_index(project, leave_out=[path])
    refuse_other_record(index, file, path)
    for ref in index.outs():
        if ref.stage.file == file:
            continue
        if is_within(ref.path, path) or is_within(path, ref.path):
            raise Overlap(
                f"The output paths:\n'{path}'('{file}')\n"
                f"'{ref.path}'('{ref.stage.address}')\n"
                "overlap and are thus in the same tracked directory.\n"
                "To keep reproducibility, outputs should be in separate tracked directories "
                "or tracked individually."
            )
    git = project.git
    if git is None:
        return
    if git.tracked([project.absolute(path)]):
        raise TrackedByGit(shown(path, cwd))
    if git.is_ignored(project.absolute(file)):
        raise PointerIgnored(shown(file, cwd))


def announce(stage: Stage, source: str, cwd: str, progress: Progress) -> None:
    path = shown(stage.path_of(stage.outs[0]), cwd)
    progress.note(f"Importing '{source}' -> '{path}'")


def bring(project: Project, cargo: Cargo, jobs: int | None, progress: Progress) -> Out:
    """Puts all that comes into the cache, durable; an output without a path that names it.

    Raises BadPath, TransferFailed, DiskError.
    """
    try:
        got = stow(project.store, cargo, jobs, progress)
    finally:
        cargo.close()
    return _out_of(project, cargo.is_dir, got)


def _out_of(project: Project, is_dir: bool, got: dict[str, Got]) -> Out:
    size = sum(row.size_bytes for row in got.values())
    if not is_dir:
        return Out("", Digest(MD5, got[""].md5), Meta(size))
    manifest = Manifest.of((path, row.md5) for path, row in got.items())
    name = manifest.digest_hex()
    put_bytes(project.store, name, manifest.to_bytes())
    project.store.keep_manifest(name, manifest)
    return Out("", Digest(MD5, name), Meta(size, len(manifest)))


def send_on(
    project: Project,
    stage: Stage,
    cargo: Cargo,
    remote: Remote,
    jobs: int | None,
    progress: Progress,
) -> Out:
    """Sends all that comes on to a remote, by way of a folder of our own; nothing stays here."""
    path = stage.path_of(stage.outs[0])
    with scratch_folder(project, path) as scratch:
        got = pass_on(cargo, remote, scratch, jobs, progress)
    remote.transport.flush()
    size = sum(row.size_bytes for row in got.values())
    if not cargo.is_dir:
        return Out("", Digest(MD5, got[""].md5), Meta(size))
    manifest = Manifest.of((path, row.md5) for path, row in got.items())
    name = manifest.digest_hex()
    remote.transport.write(remote.key(MD5, name), manifest.to_bytes())
    remote.transport.flush()
    return Out("", Digest(MD5, name), Meta(size, len(manifest)))


def record(project: Project, stage: Stage, brought: Out | None, *, sealed: bool = True) -> Stage:
    """The stage with what was brought, and the checksum of its pointer.

    brought: None when nothing is known of it. sealed: False for one that was never run.
    """
    digest, meta = (brought.digest, brought.meta) if brought is not None else (None, Meta())
    stage = replace(with_out(stage, stage.outs[0].path, digest, meta), md5=None)
    return replace(stage, md5=pointer.stage_checksum(stage)) if sealed else stage


def write(project: Project, stage: Stage) -> ImportReport:
    """Writes `.gitignore`, then the pointer: the commit point."""
    path = stage.path_of(stage.outs[0])
    changed = ignore_in_git(project, [path])
    write_pointer(project, stage)
    to_commit = list(dict.fromkeys([*changed, stage.file]))
    return ImportReport(stage.file, to_commit, stage_in_git(project, to_commit))


class Place:
    """The place of an import in the workspace: looked at before anything is changed, and filled
    when all is recorded."""

    def __init__(self, project: Project, stage: Stage, progress: Progress) -> None:
        self._project, self._progress = project, progress
        self.path = stage.path_of(stage.outs[0])
        link = has_link_parent(project.root, self.path)
        if link is not None:
            raise BadPath(self.path, f"'{link}' is a link", f"'{stage.file}'")
        self._look = snapshots.look(project, self.path, MD5, progress)
        if self._look.kind == OTHER:
            raise BadPath(
                self.path,
                "something that is no file or folder stands there",
                "the workspace",
                hint="nothing is written through links; move it away and repeat",
            )
        snapshots.measure_entries(project, self._look, progress)

    @property
    def kind(self) -> str:
        return self._look.kind

    def refuse_unsaved(self, want: Digest | None, ask: Ask) -> None:
        """Raises UnsavedChanges for files that would go and whose bytes are no objects."""
        project, look = self._project, self._look
        names = set(look.entries().values())
        if not names or look.digest == want:
            return
        present = project.store.present(names)
        good = present - project.store.verify(sorted(present))
        lost = [path for path, name in look.entries().items() if name not in good]
        if not lost:
            return
        base = look.absolute
        question = (
            f"file/directory '{self.path}' is going to be removed or changed, "
            f"and {len(lost)} of its files are not in the cache. Are you sure?"
        )
        if not ask(question):
            raise UnsavedChanges([f"{base}/{inner}" if inner else base for inner in lost])

    def clear(self, ask: Ask) -> None:
        """Takes away what is there: only its source is to be recorded. Raises UnsavedChanges."""
        if self._look.kind == ABSENT:
            return
        self.refuse_unsaved(None, ask)
        if not remove(self._project, self._look):
            raise FileChanged(self._look.absolute)

    def fill(self, out: Out) -> None:
        """Brings what was recorded into the workspace; what it replaces is kept for `undo`."""
        project, look = self._project, self._look
        digest = out.digest
        assert digest is not None
        if look.digest != digest:
            store = project.store
            want = {"": digest.hex}
            if digest.is_dir:
                want = dict(store.manifest(digest.hex))
            have: dict[str, str | None] = dict(look.entries())
            gone = {name for name in have.values() if name is not None}
            stored = store.present(gone | set(want.values()))
            stored -= store.verify(sorted(gone & stored))
            plan = plan_checkout(have, want, stored | set(want.values()))
            worker = Materialiser(project, look, False, self._progress)
            made = worker.apply(plan, want, digest.is_dir, digest, emptied=not want)
            if made.missing:
                raise PannierError(
                    f"'{self.path}' is recorded, but its data could not be put there",
                    hint=f"repeat that alone with 'dvc checkout {self.path}'",
                )
        project.statcache.put_links([(look.absolute, digest.hex, digest.algorithm)])
