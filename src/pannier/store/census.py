"""What is in a store, found by asking for objects or by listing its folders, whatever costs less.

Knows the layout `<2 hex>/<30 hex>` below a root and the clock of its disk; opens no object and
changes nothing.
"""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Collection, Iterable, Iterator

from pannier.core.hashes import blake2b
from pannier.disk.clock import has_passed
from pannier.store.statcache import DIGEST_SIZE

_LIST_ABOVE = 1500
"""Asking for one object costs one lstat, listing costs all names: up to here we ask."""

_HEX_PREFIXES = [f"{number:02x}" for number in range(256)]


def is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def present(root: str, names: Collection[str]) -> set[str]:
    """Those of names that exist.

    What is no file (a link, a folder, a pipe: nobody's doing but a stranger's) is no object; a
    listing does not tell, there it shows when the object is opened.
    """
    if len(names) <= _LIST_ABOVE:
        return {name for name in names if is_file(f"{root}/{name[:2]}/{name[2:]}")}
    wanted = set(names)
    found: set[str] = set()
    for prefix in {name[:2] for name in wanted}:
        found |= wanted.intersection([prefix + rest for rest in _listed(root, prefix)])
    return found


def has_all(root: str, columns: Iterable[bytes | bytearray]) -> bool:
    """True when everything exists. columns: digests of 16 bytes each, end to end.

    Names are made for one folder at a time: a million digests cost 16 MB here.
    """
    groups = [bytearray() for _ in _HEX_PREFIXES]
    for column in columns:
        for start in range(0, len(column), DIGEST_SIZE):
            groups[column[start]] += column[start : start + DIGEST_SIZE]
    width = DIGEST_SIZE * 2
    for prefix, group in zip(_HEX_PREFIXES, groups, strict=True):
        here = _listed(root, prefix) if group else set()
        text = group.hex()
        if not here.issuperset([text[at + 2 : at + width] for at in range(0, len(text), width)]):
            return False
    return True


def _listed(root: str, prefix: str) -> set[str]:
    """All names in one of the folders, without their first two digits."""
    try:
        return set(os.listdir(f"{root}/{prefix}"))
    except (FileNotFoundError, NotADirectoryError):
        return set()


def presence(root: str, *, lasting: bool, ticks: int) -> bytes:
    """A value that changes whenever an object appears or disappears.

    lasting: what changes from now on shows for certain; b"" when a folder changed so recently
    that one more change might have the same time stamp. ticks: as `clock.has_passed` has them.
    """
    times = array("q")
    newest = 0
    for prefix in _HEX_PREFIXES:
        try:
            found = os.stat(f"{root}/{prefix}")
        except OSError:
            times.append(0)
            continue
        times.extend((found.st_mtime_ns, found.st_ctime_ns, found.st_ino))
        newest = max(newest, found.st_mtime_ns, found.st_ctime_ns)
    if not newest or (lasting and not has_passed(f"{root}/tmp", newest, ticks=ticks)):
        return b""
    return blake2b(times.tobytes(), digest_size=16).digest()


def listing(root: str) -> Iterator[str]:
    """Names of all objects, in no order. Other files are left out."""
    for prefix in _HEX_PREFIXES:
        for name in _listed(root, prefix):
            if len(name) == 30 or (len(name) == 34 and name.endswith(".dir")):
                yield prefix + name
