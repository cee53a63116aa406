"""Run cache: what commands made earlier of the same inputs, so that they need not run again.

Records are small files in `runs/` of the cache; they name objects and hold none. One is written
when the objects it names are durable, and believed when all of them are there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from pannier.core.errors import InvalidFile
from pannier.core.events import Progress
from pannier.core.record import replace
from pannier.core.stage import Stage
from pannier.disk import fsio
from pannier.disk.derived import write_derived
from pannier.disk.reading import read_small
from pannier.formats import lockfile, run_record
from pannier.project.presence import is_in_cache
from pannier.project.project import Project
from pannier.project.snapshot import Snapshot
from pannier.project.workspace import save


class RunCache:
    """The records of one project's cache."""

    def __init__(self, project: Project, progress: Progress) -> None:
        self._project, self._progress = project, progress
        self.folder = f"{project.cache_dir}/runs"

    def find(self, stage: Stage) -> Stage | None:
        """The stage with the outputs that its command once made of these inputs, the newest whose
        objects are all in the cache; None when there is none.

        stage: with its dependencies and parameters as they are now.
        """
        for found in self.records(stage):
            if self.is_complete(found):
                return found
        return None

    def records(self, stage: Stage) -> Iterator[Stage]:
        """All that is recorded for a stage with these inputs, newest first."""
        if not run_record.can_be_kept(stage):
            return
        key = run_record.key_of(lockfile.entry(stage))
        if key is None:
            return
        folder = f"{self.folder}/{key[:2]}/{key}"
        for path in _newest_first(folder):
            try:
                locked = run_record.parse(read_small(path), path)
            except (InvalidFile, OSError):
                self._progress.warn(f"corrupted cache file '{path}'.")
                fsio.remove_if_there(path)
                continue
            outs = lockfile.apply(stage, locked).outs
            if all(out.path in locked.outs for out in stage.outs):
                yield replace(stage, outs=outs)

    def is_complete(self, stage: Stage) -> bool:
        return all(out.digest and is_in_cache(self._project, out.digest) for out in stage.outs)

    def keep(self, stage: Stage, *, by_hand: bool = False) -> None:
        """Records what a stage's command made. What Git keeps must be in the cache as well, or it
        could not be restored: see `wants`. Raises DiskError."""
        entry = lockfile.entry(stage)
        key = run_record.key_of(entry) if self.wants(stage, by_hand=by_hand) else None
        if key is None:
            return
        value = run_record.value_of(entry)
        folder = f"{self.folder}/{key[:2]}/{key}"
        path = f"{folder}/{value}"
        if os.path.exists(path):
            return
        self._project.legacy.make_dir(folder)
        fsio.make_dirs(self._project.scratch)
        # Not flushed: one that a power loss cuts is no record, and the stage runs once more.
        write_derived(path, run_record.dump(entry), scratch=self._project.scratch)

    def store(self, stage: Stage, looks: dict[str, Snapshot], *, by_hand: bool = False) -> bool:
        """Puts what Git keeps of a stage's outputs into the cache, too, so that it can be brought
        back; False for a stage that `keep` does not record. Raises FileChanged, DiskError."""
        if stage.name is None or not self.wants(stage, by_hand=by_hand):
            return False
        for out in stage.outs:
            if not out.cache:
                save(self._project, looks[out.path], self._progress)
        return True

    def wants(self, stage: Stage, *, by_hand: bool = False) -> bool:
        """Whether a stage is one that `keep` records. by_hand: with `commit`, which keeps plain
        outputs without cache, too, as DVC does."""
        return run_record.can_be_kept(stage) and (
            by_hand or all(out.cache or out.kind != "out" for out in stage.outs)
        )


def _newest_first(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            found = [(entry.stat().st_mtime_ns, entry.path) for entry in entries if entry.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [path for _, path in sorted(found, reverse=True) if "." not in os.path.basename(path)]
