"""The file systems that hold a folder and what is below it, and where they begin."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from pannier.disk import fsio

_MOUNTS = "/proc/self/mountinfo"
_ESCAPED = re.compile(rb"\\([0-7]{3})")


def flush_below(folders: Iterable[str]) -> None:
    """Makes all that stands in folders, names and bytes, survive a power loss. Raises DiskError."""
    for place in places_below(folders):
        try:
            with fsio.barrier(place) as disk:
                disk.flush()
        except OSError as error:
            fsio.fail(error, place)


def places_below(folders: Iterable[str]) -> list[str]:
    """A folder on each file system that lies at or below one of these. A folder that is gone, or
    may not be looked into, is left out: what cannot be reached there is no data of ours."""
    roots = [os.path.realpath(folder) for folder in folders]
    mounted = _mounted() if roots else []
    below = [p for p in mounted if any(p.startswith(root.rstrip("/") + "/") for root in roots)]
    found: dict[int, str] = {}
    for place in (*roots, *below):
        try:
            if os.path.isdir(place) and os.access(place, os.R_OK):
                found.setdefault(os.stat(place).st_dev, place)
        except OSError:
            continue
    return list(found.values())


def is_mounted_on(path: str) -> bool:
    """True where another file system, or another part of one, begins at a directory or below it.

    path: absolute, no links in it. False where the system does not tell.
    """
    return any(place == path or place.startswith(path + "/") for place in _mounted())


def _mounted() -> list[str]:
    """Where file systems are mounted; nothing where the system does not tell it in a file."""
    try:
        with open(_MOUNTS, "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return []
    rows = (line.split(b" ") for line in lines)
    names = (row[4] for row in rows if len(row) > 4)
    return [os.fsdecode(_ESCAPED.sub(lambda m: bytes([int(m[1], 8)]), name)) for name in names]
