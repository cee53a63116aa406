"""list: what is in a project, files of Git and outputs alike."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

from pannier.core.errors import BadTarget
from pannier.core.events import Progress
from pannier.core.path import relative
from pannier.core.record import dataclass
from pannier.project.further import ask_further
from pannier.project.overlay import Overlay, Row
from pannier.project.sources import Source, clamp


@dataclass(frozen=True, slots=True)
class ListOptions:
    """recursive: files only, of all levels. tree: files and folders of all levels, each folder
    before what it holds. depth: the deepest level, None for all; with neither it is 1.
    sizes: sizes and modes are wanted, and cost one look at each file.
    """

    recursive: bool = False
    tree: bool = False
    depth: int | None = None
    outs_only: bool = False
    sizes: bool = True


@dataclass(slots=True)
class Listing:
    """rows: sorted by path; of a tree in the order in which it is drawn, the first being what was
    listed, with the level of each in levels.
    """

    rows: list[Row]
    levels: list[int]


def list_path(
    source: Source, path: str | None, options: ListOptions, progress: Progress
) -> Listing:
    """Lists what a path of a source holds; a file is listed by its name.

    Raises BadTarget for a path that is not there, ListMissing.
    """
    where = clamp(source.cwd, path, source.root) if path else ""
    place = source.place(where)
    inner = where[len(place.prefix) :].lstrip("/")
    ask_further(place, progress)
    overlay = Overlay(place, progress, outs_only=options.outs_only, sizes=options.sizes)
    task = progress.task("Listing")
    depth = options.depth if options.recursive or options.tree else 1
    overlay.prepare(inner, depth)
    found = overlay.look(inner)
    if found is None and options.outs_only and Overlay(place, progress).look(inner) is not None:
        task.close()
        return Listing([], [])
    if found is None:
        raise BadTarget(f"[Errno 2] No such file or directory: '{_shown(source, path, where)}'")
    if options.tree or depth == 0:
        listing = _tree(overlay, inner, (path or ".", *found[1:]), depth)
    elif not found[2]:
        listing = Listing([found], [])
    else:
        listing = Listing(_flat(overlay, inner, depth), [])
        if not path and source.cwd:
            listing.rows = [(relative(row[0], source.cwd), *row[1:]) for row in listing.rows]
        listing.rows.sort(key=itemgetter(0))
    task.close()
    return listing


def _shown(source: Source, path: str | None, where: str) -> str:
    return f"{source.root}/{where}" if source.sha is None else f"/{where}"


def _flat(overlay: Overlay, folder: str, depth: int | None) -> list[Row]:
    """Files down to a depth, and the folders that lie just there."""
    rows: list[Row] = []
    pending = [("", 1)]
    while pending:
        prefix, level = pending.pop()
        here = f"{folder}/{prefix}" if folder else prefix
        files, folders = overlay.children(here.rstrip("/"), prefix)
        rows += files
        if depth is not None and level >= depth:
            rows += folders
        else:
            pending += [(row[0] + "/", level + 1) for row in folders]
    return rows


def _tree(overlay: Overlay, path: str, root: Row, depth: int | None) -> Listing:
    listing = Listing([root], [0])
    for level, row in _below(overlay, path, 1, depth) if root[2] else ():
        listing.rows.append(row)
        listing.levels.append(level)
    return listing


def _below(
    overlay: Overlay, folder: str, level: int, depth: int | None
) -> Iterator[tuple[int, Row]]:
    """Everything below a folder, each with its level, each folder before what it holds."""
    if depth is not None and level > depth:
        return
    files, folders = overlay.children(folder, "")
    stack = [iter(sorted(files + folders, key=itemgetter(0)))]
    trail = [folder]
    while stack:
        row = next(stack[-1], None)
        if row is None:
            stack.pop()
            trail.pop()
            continue
        yield level + len(stack) - 1, row
        if row[2] and (depth is None or level + len(stack) <= depth):
            here = f"{trail[-1]}/{row[0]}" if trail[-1] else row[0]
            files, folders = overlay.children(here, "")
            stack.append(iter(sorted(files + folders, key=itemgetter(0))))
            trail.append(here)
