"""checkout: bring the workspace's data to what the pointers and lock files record."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence

from pannier.core.digest import Digest
from pannier.core.errors import (
    BadPath,
    CheckoutFailed,
    DiskError,
    PannierError,
    UnsavedChanges,
)
from pannier.core.events import Progress
from pannier.core.path import is_within, relative
from pannier.core.plan import CheckoutPlan, plan_checkout
from pannier.core.record import dataclass, field, replace
from pannier.disk.beneath import has_link_parent
from pannier.disk.mutex import check_not_busy
from pannier.disk.pool import hire_ahead
from pannier.project import snapshot as snapshots
from pannier.project.index import inner_project
from pannier.project.materialise import Made, Materialiser
from pannier.project.presence import recorded_manifest, was_complete
from pannier.project.privatise import keep_edits
from pannier.project.project import Project
from pannier.project.removal import remove
from pannier.project.snapshot import ABSENT, DIRECTORY, OTHER, Snapshot
from pannier.project.targets import ALL_TARGETS, Selected, TargetOptions, select_outs
from pannier.project.workspace import is_linked, sweep
from pannier.store.objects import Store

Ask = Callable[[str], bool]
_FEW = 4


@dataclass(frozen=True, slots=True)
class CheckoutOptions:
    """force: give up unsaved changes. relink: make links of the configured kind anew.
    allow_missing: data that is not in the cache is no failure."""

    targets: TargetOptions = ALL_TARGETS
    force: bool = False
    relink: bool = False
    allow_missing: bool = False


@dataclass(slots=True)
class CheckoutReport:
    """Outputs by what became of them (as the user sees them; directories end in '/'), and counts
    of files. failed: outputs that are not complete now. unrecorded: those of them that no stage
    has recorded yet, by the address of their stage."""

    added: list[str] = field(default_factory=list)
    modified: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    unrecorded: dict[str, list[str]] = field(default_factory=dict)
    files_added: int = 0
    files_modified: int = 0
    files_deleted: int = 0
    relinked: bool = False


def checkout(
    project: Project,
    targets: Sequence[str],
    options: CheckoutOptions,
    ask: Ask,
    progress: Progress,
) -> CheckoutReport:
    """Does all that can be done and reports the rest in `failed`.

    ask: whether unsaved files may go; asked once, with their names. Raises UnsavedChanges before
    anything of that output is touched, BadTarget, InvalidFile, DiskError, NoSpace.
    """
    sweep(project)
    selected = select_outs(project, targets, options.targets)
    chosen = [item for item in selected if item.ref.tracked]
    check_not_busy(
        project.rwlock,
        [project.absolute(item.ref.path) for item in chosen],
        writing=True,
    )
    worker = _Checkout(project, options, ask, progress)
    snapshots.foresee(
        project,
        ((item.ref.path, item.ref.out.digest.algorithm) for item in chosen if item.ref.out.digest),
    )
    for item in chosen:
        worker.one(item)
    if not targets:
        worker.drop_unused([item.ref.path for item in selected])
    worker.report.relinked = options.relink
    return worker.report


def raise_if_failed(
    report: CheckoutReport, options: CheckoutOptions, *, fetched: bool = False
) -> None:
    """Raises CheckoutFailed when data was missing and that was not allowed.

    fetched: the remote was asked already, so it is no help.
    """
    if report.failed and not options.allow_missing:
        if sum(map(len, report.unrecorded.values())) == len(report.failed):
            names = " ".join(report.unrecorded) if len(report.unrecorded) < _FEW else "-P"
            hint = f"nobody has made it yet: 'dvc repro {names}' does"
        elif fetched:
            hint = "whoever has the data can bring it to the remote with 'dvc push'"
        else:
            hint = "bring what is missing from the remote with 'dvc pull'"
        raise CheckoutFailed(report.failed, hint=hint)


class _Checkout:
    def __init__(
        self, project: Project, options: CheckoutOptions, ask: Ask, progress: Progress
    ) -> None:
        self._project, self._options, self._ask = project, options, ask
        self._progress = progress
        self._given_up: set[str] = set()
        self.report = CheckoutReport()

    def one(self, item: Selected) -> None:
        out, path = item.ref.out, item.ref.path
        digest = out.digest
        if digest is None and out.files is None:
            self._never_recorded(item)
            return
        project = self._project
        link = has_link_parent(project.root, path)
        if link is not None:
            raise BadPath(path=path, reason=f"'{link}' is a link", where=f"'{item.ref.stage.file}'")
        algorithm = digest.algorithm if digest is not None else "md5"
        look = snapshots.look(project, path, algorithm, self._progress, lost=True)
        look = self._sane(look)
        redo = self._options.relink or bool(look.lost)
        if look.digest is not None and look.digest == digest and not redo:
            return
        snapshots.measure(project, look, self._progress)
        if look.digest is not None and look.digest == digest and not redo:
            self._note_link(path, digest)
            return
        if look.kind == ABSENT:
            hire_ahead(out.meta.nfiles or 0)
        want = self._wanted(item)
        if want is None and digest is not None and look.digest == digest:
            # What is there tells what belongs there; only links may be amiss.
            want = snapshots.measure_entries(project, look, self._progress).entries()
        if want is None:
            self._fail(path)
            return
        is_dir = (digest is not None and digest.is_dir) or out.files is not None
        self._apply(item, look, want, is_dir)

    def _never_recorded(self, item: Selected) -> None:
        """Nothing says what belongs there: what is there stays, what is not there is a failure. An
        import without a digest is for `pull`."""
        path, stage = item.ref.path, item.ref.stage
        absolute = self._project.absolute(path)
        if stage.is_import or os.path.lexists(absolute):
            return
        self._progress.warn(f"No file hash info found for '{absolute}'. It won't be created.")
        self._fail(path)
        if stage.cmd is None or self._options.allow_missing:
            return
        name = stage.address_from(self._options.targets.cwd)
        self.report.unrecorded.setdefault(name, []).append(path)

    def _sane(self, look: Snapshot) -> Snapshot:
        """A dangling link into our own cache holds no data; any other oddity is left alone."""
        if look.kind != OTHER:
            return look
        target = os.readlink(look.absolute) if look.is_link else ""
        if target.startswith(self._project.cache_dir + "/"):
            return look
        raise DiskError(
            look.absolute,
            0,
            "something that is no file or directory stands where data belongs",
            hint="nothing is written through links; move it away and repeat",
        )

    def _wanted(self, item: Selected) -> dict[str, str] | None:
        """Path -> hex of everything recorded; None when the list of files is not known."""
        out = item.ref.out
        manifest = recorded_manifest(self._project, out)
        if manifest is not None:
            return dict(manifest)
        if out.digest is None or out.digest.is_dir:
            return None
        return {"": out.digest.hex}

    def _apply(self, item: Selected, look: Snapshot, want: dict[str, str], is_dir: bool) -> None:
        project, path = self._project, item.ref.path
        store = project.store_of(look.algorithm)
        snapshots.measure_entries(project, look, self._progress)
        # A link of ours to what is gone from the cache holds no data: see `_sane`.
        empty = [""] if look.kind == OTHER else look.lost
        have: dict[str, str | None] = {**look.entries(), **dict.fromkeys(empty)}
        if item.inside:
            have, want = self._limit(item, have, want)
        have |= self._left_out(look, have, want)
        redo = self._other_links(look, want, store) if self._options.relink else set()
        recorded = item.ref.out.digest if not item.inside else None
        if look.kind == ABSENT and recorded and was_complete(project, look.absolute, recorded):
            stored: Collection[str] = set(want.values())
        else:
            stored = self._stored(store, have, want)
        plan = plan_checkout(have, want, stored, redo)
        only_links = bool(redo) and plan_checkout(have, want, stored).is_empty
        del stored
        if empty:
            plan = replace(plan, unsaved=[path for path in plan.unsaved if path not in empty])
        self._check_unsaved(plan, path)
        unsaved = (f"{path}/{inner}" if inner else path for inner in plan.unsaved)
        if keep_edits(project, unsaved, self._progress):
            self.one(item)
            return
        if plan.is_empty and look.kind != ABSENT:
            self._note_link(path, item.ref.out.digest)
            return
        if plan.missing and plan.delete:
            # An incomplete checkout takes nothing away: what is there may be all that is left.
            plan = replace(plan, delete=[])
        if plan.missing and look.kind == ABSENT and not plan.create:
            self._fail(path)
            return
        is_exec = item.ref.out.meta.is_exec
        worker = Materialiser(project, look, is_exec, self._progress)
        made = worker.apply(plan, want, is_dir, recorded)
        if not (only_links and not made.missing):
            self._account(item, look, made, is_dir)

    def _limit(
        self, item: Selected, have: dict[str, str | None], want: dict[str, str]
    ) -> tuple[dict[str, str | None], dict[str, str]]:
        """Only a part of the directory was asked for: the rest stays as it is."""
        inside = item.inside
        # Also a file that stands where a directory leads to what was asked for.
        kept: dict[str, str | None] = {
            p: d for p, d in have.items() if is_within(p, inside) or is_within(inside, p)
        }
        return kept, {p: d for p, d in want.items() if is_within(p, inside)}

    def _left_out(
        self, look: Snapshot, have: Mapping[str, str | None], want: Mapping[str, str]
    ) -> dict[str, str | None]:
        """Recorded files that `.dvcignore` leaves out, and that hold what was recorded."""
        if look.kind != DIRECTORY or snapshots.skip_rule(self._project, look.path) is None:
            return {}
        found: dict[str, str | None] = {}
        for path, name in want.items():
            if path in have or not os.path.isfile(f"{look.absolute}/{path}"):
                continue
            if has_link_parent(self._project.root, f"{look.path}/{path}") is not None:
                continue
            one = snapshots.look(
                self._project, f"{look.path}/{path}", look.algorithm, self._progress
            )
            if snapshots.measure(self._project, one, self._progress).digest == Digest(
                look.algorithm, name
            ):
                found[path] = name
        return found

    def _other_links(self, look: Snapshot, want: Mapping[str, str], store: Store) -> set[str]:
        """Paths of files that are not links of the configured kind to what is wanted there."""
        kind = self._project.link_kinds()[0]
        return {
            path
            for source in look.sources
            for index, name in enumerate(source.folder.names)
            if (path := source.folder.join(name) if look.kind == DIRECTORY else "") in want
            and not is_linked(source.path(index), store, want[path], kind)
        }

    def _stored(
        self, store: Store, have: Mapping[str, str | None], want: Mapping[str, str]
    ) -> Collection[str]:
        """Digests whose objects are there; those of files that would go are verified in full."""
        needed = set(want.values())
        at_risk = {
            name for path, name in have.items() if name is not None and want.get(path) != name
        }
        present = store.present(needed | at_risk)
        # With --force, too: what is no good object now is kept for `undo`.
        return present - store.verify(sorted(at_risk & present))

    def _check_unsaved(self, plan: CheckoutPlan, path: str) -> None:
        if not plan.unsaved or self._options.force or path in self._given_up:
            return
        base = self._project.absolute(path)
        names = [f"{base}/{inner}" if inner else base for inner in plan.unsaved]
        question = (
            f"file/directory '{path}' is going to be removed or changed, "
            f"and {len(names)} of its files are not in the cache. Are you sure?"
        )
        if not self._ask(question):
            kept = self._project.settings.own_integer("undo_days") != 0
            raise UnsavedChanges(names, kept=kept)
        self._given_up.add(path)

    def _account(self, item: Selected, look: Snapshot, made: Made, is_dir: bool) -> None:
        path = item.ref.path
        report = self.report
        name = self._shown(path) + ("/" if is_dir else "")
        report.files_added += made.created
        report.files_modified += made.replaced
        report.files_deleted += made.deleted
        if made.missing:
            self._fail(path)
        if not (made.created or made.replaced or made.deleted) and is_dir and look.kind != ABSENT:
            return
        if made.missing and not (made.created or made.replaced or made.deleted):
            return
        (report.added if look.kind == ABSENT else report.modified).append(name)
        if not made.missing:
            self._note_link(path, item.ref.out.digest)

    def _fail(self, path: str) -> None:
        if not self._options.allow_missing:
            self.report.failed.append(self._shown(path))

    def _shown(self, path: str) -> str:
        return relative(path, self._options.targets.cwd)

    def _note_link(self, path: str, digest: Digest | None) -> None:
        if digest is not None:
            absolute = self._project.absolute(path)
            self._project.statcache.put_links([(absolute, digest.hex, digest.algorithm)])

    # -- what checkout made earlier and no pointer names any more ----

    def drop_unused(self, used: list[str]) -> None:
        """Deletes outputs that add or checkout put into place and that no stage records now.

        Only when they are as they were then, Git does not know them, and every byte of them is
        verified to be in the cache (docs/durability.md, D5).
        """
        project = self._project
        wanted = {project.absolute(path) for path in used}
        gone = []
        for absolute, name, algorithm in project.statcache.links():
            if absolute in wanted or not absolute.startswith(project.root + "/"):
                continue
            path = os.path.relpath(absolute, project.root)
            if any(is_within(path, other) or is_within(other, path) for other in used):
                gone.append(absolute)
                continue
            if self._drop_one(path, Digest(algorithm, name)):
                gone.append(absolute)
        project.statcache.drop_links(gone)

    def _drop_one(self, path: str, recorded: Digest) -> bool:
        project = self._project
        if has_link_parent(project.root, path) is not None:
            return True
        if inner_project(project, path) is not None:
            return True  # what is used there is not known here
        try:
            look = snapshots.look(project, path, recorded.algorithm, self._progress)
            snapshots.measure_entries(project, look, self._progress)
        except PannierError:
            return True
        if look.kind == ABSENT or look.digest != recorded:
            return True  # the user's own now
        if project.git is not None and project.git.tracked([look.absolute]):
            return True
        store = project.store_of(recorded.algorithm)
        names = set(look.entries().values())
        if recorded.is_dir:
            names.add(recorded.hex)
        if store.missing(names) or store.verify(sorted(names)):
            self._progress.warn(
                f"'{path}' belongs to no output now, but stays: its data is not in the cache"
            )
            return True
        if not remove(project, look):
            return True
        is_dir = look.kind == DIRECTORY
        self.report.deleted.append(self._shown(path) + ("/" if is_dir else ""))
        self.report.files_deleted += len(look.entries())
        return True
