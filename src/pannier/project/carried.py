"""Cloud versions that still hold after an output was recorded anew: those of what did not change.

As DVC has it, so that the next push uploads only what changed (docs/formats.md, section 9).
"""

from __future__ import annotations

import os
import stat

from pannier.core.record import replace
from pannier.core.stage import Out, Stage
from pannier.core.typed import Any
from pannier.project.presence import manifest_of
from pannier.project.project import Project


def carry_versions(project: Project, old: Stage, new: Stage) -> Stage:
    """new, with the versions that old records of the same bytes under the same paths."""
    if not any(out.files or out.cloud for out in old.outs):
        return new
    before = {out.path: out for out in old.outs}
    outs = [
        _carried(project, new, before[out.path], out) if out.path in before else out
        for out in new.outs
    ]
    return replace(new, outs=tuple(outs))


def _carried(project: Project, stage: Stage, old: Out, new: Out) -> Out:
    if old.digest == new.digest:
        return replace(new, meta=old.meta, files=old.files, cloud=old.cloud, extra=old.extra)
    if not old.files or new.digest is None or not new.digest.is_dir:
        return new
    manifest = manifest_of(project, new.digest)
    if manifest is None:
        return new
    known = {(row["relpath"], row.get("md5")): row for row in old.files}
    base = project.absolute(stage.path_of(new))
    rows = [
        known.get((path, md5)) or _row(f"{base}/{path}", path, md5)
        for path, md5 in sorted(manifest)
    ]
    return replace(new, files=tuple(rows))


def _row(absolute: str, path: str, md5: str) -> dict[str, Any]:
    row: dict[str, Any] = {"relpath": path, "md5": md5}
    try:
        found = os.stat(absolute)
    except OSError:
        return row
    row["size"] = found.st_size
    if found.st_mode & stat.S_IXUSR:
        row["isexec"] = True
    return row
