"""Lock files: entering stages into the `dvc.lock` beside their `dvc.yaml`, and reading them anew.

One object serves one command. Another one may record stages while this one runs a stage: `fresh`
sees that. The project lock must be held while one is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from pannier.core.record import replace
from pannier.core.stage import Meta, Out, Stage
from pannier.core.typed import Any
from pannier.disk import fsio
from pannier.formats import lockfile
from pannier.formats.lock_document import LockDocument
from pannier.formats.lock_items import out_fields
from pannier.project.project import Project
from pannier.project.tracking import read_bytes

_Signature = tuple[int, int, int] | None


def lock_name(file: str) -> str:
    """The lock file of a `dvc.yaml`, root-relative."""
    return file.removesuffix(".yaml") + ".lock"


class LockFiles:
    """The lock files of a project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._signatures: dict[str, _Signature] = {}
        self._order: dict[str, dict[str, int]] = {}
        self._documents: dict[str, tuple[_Signature, LockDocument]] = {}
        self._locked: dict[str, dict[str, lockfile.LockedStage]] = {}

    def watch(self, stages: Iterable[Stage]) -> None:
        """Says that these stages were just read, under the project's lock; new entries will stand
        in their order, whichever is recorded first."""
        named = [stage for stage in stages if stage.name is not None]
        for place, stage in enumerate(named):
            self._order.setdefault(lock_name(stage.file), {})[str(stage.name)] = place
        for file in {stage.file for stage in named}:
            self._signatures[lock_name(file)] = self._signature(lock_name(file))

    def fresh(self, stage: Stage) -> Stage:
        """The stage with what its lock file says now, if somebody wrote that since it was read.

        Raises InvalidFile.
        """
        if stage.name is None:
            return stage
        path = lock_name(stage.file)
        now = self._signature(path)
        if now != self._signatures.get(path):
            data = read_bytes(self._project.absolute(path))
            self._locked[path] = lockfile.parse(data, path) if data is not None else {}
            self._signatures[path] = now
        if path not in self._locked:
            return stage
        return lockfile.apply(_unrecorded(stage), self._locked[path].get(stage.name))

    def record(self, stages: Iterable[Stage]) -> list[str]:
        """Enters stages of pipelines, each file written once; returns the files that changed.

        Raises InvalidFile for a lock file that cannot be read, DiskError.
        """
        entries: dict[str, dict[str, dict[str, Any]]] = {}
        for stage in stages:
            assert stage.name is not None
            entries.setdefault(lock_name(stage.file), {})[stage.name] = lockfile.entry(stage)
        return [path for path, some in entries.items() if self._update(path, some)]

    def record_outs(self, stage: Stage, outs: Iterable[Out]) -> None:
        """Enters outputs into the entry of a stage, of which all else stays as it is recorded."""
        assert stage.name is not None
        path = lock_name(stage.file)
        previous = read_bytes(self._project.absolute(path))
        fields = lockfile.recorded_entry(previous or b"", stage.name, path)
        new = {out.path: out_fields(out) for out in outs}
        fields["outs"] = [new.get(str(old["path"]), old) for old in fields.get("outs", ())]
        self._update(path, {stage.name: fields})

    def _update(self, path: str, entries: dict[str, dict[str, Any]]) -> bool:
        project = self._project
        absolute = project.absolute(path)
        before = self._signature(path)
        is_known = before == self._signatures.get(path, ())
        known = self._documents.get(path)
        if known is None or known[0] != before:
            known = before, LockDocument(read_bytes(absolute), path)
        document = known[1]
        previous = document.data
        data = document.update(entries, self._order.get(path))
        if data is None or data == previous:
            return False
        fsio.make_dirs(project.scratch)
        fsio.write_atomic(absolute, data, scratch=project.scratch, within=project.root)
        after = self._signature(path)
        self._documents[path] = after, document
        if is_known and path not in self._locked:
            self._signatures[path] = after  # only our own entries are new
        return True

    def _signature(self, path: str) -> _Signature:
        try:
            found = os.stat(self._project.absolute(path))
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _unrecorded(stage: Stage) -> Stage:
    """The stage as its `dvc.yaml` alone declares it."""
    return replace(
        stage,
        cmd_locked=None,
        deps=tuple(
            replace(
                dep,
                digest=None,
                checksum=None,
                meta=Meta(),
                files=None,
                extra={key: value for key, value in dep.extra.items() if key != "dataset"},
            )
            for dep in stage.deps
        ),
        outs=tuple(
            replace(out, digest=None, meta=Meta(), files=None, cloud=None) for out in stage.outs
        ),
        params=tuple(replace(one, locked=None) for one in stage.params),
    )
