"""du: how much room the content of a project takes."""

from __future__ import annotations

from pannier.core.errors import BadTarget
from pannier.core.events import Progress
from pannier.core.record import dataclass
from pannier.formats.ignore import NAME as IGNORE_FILE
from pannier.formats.pointer import is_pipeline_name, is_pointer_name
from pannier.project.overlay import Overlay, Row
from pannier.project.sources import Source, clamp


@dataclass(slots=True)
class Usage:
    """entries: (name, size in bytes), by name; empty with `summarize`."""

    entries: list[tuple[str, int]]
    total: int


def disk_usage(source: Source, path: str | None, summarize: bool, progress: Progress) -> Usage:
    """Sizes of what a path of a source holds. Files in which outputs are written down count not.

    Data that is not on disk counts with its recorded size, which only whole outputs have.
    Raises BadTarget for a path that is not there.
    """
    where = clamp(source.cwd if path else "", path or "", source.root)
    place = source.place(where)
    inner = where[len(place.prefix) :].lstrip("/")
    overlay = Overlay(place, progress)
    found = overlay.look(inner)
    if found is None:
        shown = f"{source.root}/{where}" if source.sha is None else f"/{where}"
        raise BadTarget(f"[Errno 2] No such file or directory: '{shown}'")
    task = progress.task("Listing")
    if not found[2]:
        usage = Usage([], found[4] or 0)
    elif summarize:
        usage = Usage([], _size(overlay, inner))
    else:
        entries = [
            (row[0], _entry_size(overlay, _join(inner, row[0]), row))
            for row in _counted(overlay, inner, opened=True)
        ]
        usage = Usage(sorted(entries), sum(size for _, size in entries))
    task.close()
    return usage


def _entry_size(overlay: Overlay, path: str, row: Row) -> int:
    """Of one line: a link to a folder counts with what lies behind, as in DVC."""
    if row[2]:
        return _size(overlay, path)
    behind = overlay.look(path) if not row[1] else None
    return _size(overlay, path) if behind is not None and behind[2] else row[4] or 0


def _size(overlay: Overlay, folder: str) -> int:
    recorded = overlay.recorded_size(folder)
    if recorded is not None:
        return recorded
    total = 0
    for row in _counted(overlay, folder, opened=False):
        total += _size(overlay, _join(folder, row[0])) if row[2] else row[4] or 0
    return total


def _counted(overlay: Overlay, folder: str, *, opened: bool) -> list[Row]:
    files, folders = overlay.children(folder, opened=opened)
    return folders + [row for row in files if not _keeps_record(row[0])]


def _keeps_record(name: str) -> bool:
    return is_pointer_name(name) or is_pipeline_name(name) or name == IGNORE_FILE


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
