"""list-url: what lies at a URL."""

from __future__ import annotations

import os
from collections.abc import Callable
from operator import itemgetter

from pannier.core.events import Progress
from pannier.core.record import dataclass
from pannier.core.source_errors import UrlMissing
from pannier.project.overlay import Row
from pannier.project.urls import Origin
from pannier.store.transport import facts_of

Children = Callable[[str], list[tuple[str, bool, int | None]]]
"""What lies in a folder, by its path below the URL: (name, is a folder, size in bytes)."""


@dataclass(frozen=True, slots=True)
class UrlListOptions:
    """recursive: files of all levels. tree: files and folders, each folder before what it holds.
    depth: the deepest level, None for all; with neither it is 1."""

    recursive: bool = False
    tree: bool = False
    depth: int | None = None


@dataclass(slots=True)
class UrlListing:
    """rows and levels as those of `ops.listing.Listing`."""

    rows: list[Row]
    levels: list[int]


def list_url(origin: Origin, cwd: str, options: UrlListOptions, progress: Progress) -> UrlListing:
    """Lists a folder, or names a file. Raises UrlMissing, TransportError."""
    facts = facts_of(origin.transport, origin.key) if origin.key else None
    if facts is not None:
        name = os.path.join(cwd, origin.url) if origin.path is not None else origin.url
        return UrlListing([(name, False, False, False, facts.size_bytes, None)], [])
    if not origin.is_folder():
        raise UrlMissing(origin.url)
    task = progress.task("Listing")
    depth = options.depth if options.recursive or options.tree else 1
    children = _here(origin.path) if origin.path is not None else _there(origin, depth)
    if options.tree or depth == 0:
        size = os.lstat(origin.path).st_size if origin.path is not None else None
        listing = UrlListing([(origin.url, False, True, False, size, None)], [0])
        _draw(children, "", 1, depth, listing)
    else:
        listing = UrlListing(_flat(children, depth), [])
    task.close()
    return listing


def _flat(children: Children, depth: int | None) -> list[Row]:
    rows: list[Row] = []
    pending = [("", 1)]
    while pending:
        prefix, level = pending.pop()
        for name, is_dir, size in children(prefix.rstrip("/")):
            if is_dir and (depth is None or level < depth):
                pending.append((f"{prefix}{name}/", level + 1))
            else:
                rows.append((prefix + name, False, is_dir, False, size, None))
    return sorted(rows, key=itemgetter(0))


def _draw(
    children: Children, folder: str, level: int, depth: int | None, listing: UrlListing
) -> None:
    if depth is not None and level > depth:
        return
    for name, is_dir, size in sorted(children(folder)):
        listing.rows.append((name, False, is_dir, False, size, None))
        listing.levels.append(level)
        if is_dir:
            _draw(children, f"{folder}/{name}" if folder else name, level + 1, depth, listing)


def _here(root: str) -> Children:
    def children(folder: str) -> list[tuple[str, bool, int | None]]:
        with os.scandir(f"{root}/{folder}" if folder else root) as entries:
            return [
                (
                    entry.name,
                    entry.is_dir(follow_symlinks=False),
                    entry.stat(follow_symlinks=False).st_size,
                )
                for entry in entries
            ]

    return children


def _there(origin: Origin, depth: int | None) -> Children:
    """By one listing of everything below; of one level alone where the place can do that."""
    below = f"{origin.key}/" if origin.key else ""
    ask = getattr(origin.transport, "folder", None)
    if depth == 1 and ask is not None:
        rows: list[tuple[str, bool, int | None]] = ask(below)
        return lambda folder: rows
    folders: dict[str, dict[str, tuple[bool, int | None]]] = {"": {}}
    for entry in origin.transport.list(below):
        parts = entry.key[len(below) :].split("/")
        for count, name in enumerate(parts):
            here = folders.setdefault("/".join(parts[:count]), {})
            is_dir = count < len(parts) - 1
            if name:
                here.setdefault(name, (is_dir, None if is_dir else entry.size_bytes))
    return lambda folder: [(name, *row) for name, row in folders.get(folder, {}).items()]
