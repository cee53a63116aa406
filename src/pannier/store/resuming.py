"""Downloads that broke off: what they brought is found again, and only the rest travels.

A staging folder (`publishing.Staging`) whose file `names` says what its files are to become stays
when its process dies. The next fetch takes out what it wants. Nothing is believed of it: a file
counts as an object when its bytes have the digest, and as the beginning of one only for
`Continuing`, which looks at the digest of the whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Collection, Iterator

from pannier.core.digest import is_object_name
from pannier.disk import fsio, trees
from pannier.disk.hashing import hex_of_file
from pannier.disk.pool import cpu_count
from pannier.store.objects import Store
from pannier.store.publishing import KEPT_NAMES, Staging
from pannier.store.transports.threads import Team

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
_LIST_MAX = 8 << 20


def note_names(staging: Staging, names: list[str]) -> None:
    """Says what the files 0, 1, ... of a staging folder are to become, and keeps them from then on
    until `keep` is cleared."""
    path = f"{staging.path}/{KEPT_NAMES}"
    fd = fsio.create_new(path, 0o600)
    try:
        fsio.write_all(fd, "".join(f"{name}\n" for name in names).encode(), path)
    finally:
        os.close(fd)
    staging.keep = True


def take_over(store: Store, staging: Staging, names: list[str]) -> set[int]:
    """Moves what dead runs brought of these names to their numbers in our staging folder."""
    numbers = {name: at for at, name in enumerate(names)}
    taken: set[int] = set()
    parent = f"{store.root}/tmp"
    for entry in os.scandir(parent):
        if len(taken) == len(names):
            break
        if not os.path.exists(f"{entry.path}/{KEPT_NAMES}"):
            continue
        with contextlib.suppress(OSError), _left_behind(entry.path) as folder:
            if folder:
                taken |= _take(folder, staging, numbers, taken)
                if os.listdir(folder) == [KEPT_NAMES]:
                    trees.remove_tree(entry.path)
    return taken


@contextlib.contextmanager
def _left_behind(path: str) -> Iterator[str]:
    """A way to a staging folder that stays the same one whatever others rename; "" for one that is
    in use or not ours."""
    fd = os.open(path, _FLAGS)
    try:
        way = f"/proc/{os.getpid()}/fd/{fd}"
        ours = os.fstat(fd).st_uid == os.geteuid()
        if ours:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield (way if os.path.isdir(way) else path) if ours else ""
    finally:
        os.close(fd)


def _take(
    folder: str, staging: Staging, numbers: dict[str, int], taken: Collection[int]
) -> set[int]:
    with open(f"{folder}/{KEPT_NAMES}", encoding="ascii", errors="replace") as file:
        names = file.read(_LIST_MAX).splitlines()
    there = set(os.listdir(folder))
    found: set[int] = set()
    for number, name in enumerate(names):
        at = numbers.get(name)
        if at is None or at in taken or at in found or str(number) not in there:
            continue
        if not is_object_name(name):
            continue
        path = f"{folder}/{number}"
        info = os.lstat(path)
        if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1:
            continue
        if not info.st_size:
            fsio.unlink(path)
            continue
        fsio.replace(path, staging.file(at))
        found.add(at)
    return found


def complete(
    staging: Staging,
    numbers: Collection[int],
    names: list[str],
    sizes: dict[str, int | None],
    algorithm: str,
) -> set[int]:
    """Those of the files taken over whose bytes are all there and right."""

    def is_whole(at: int) -> tuple[int, bool]:
        name, path = names[at], staging.file(at)
        if os.path.getsize(path) < (sizes.get(name) or 0):
            return at, False
        return at, hex_of_file(path, algorithm) == name[:32]

    if not numbers:
        return set()
    team: Team[int, tuple[int, bool]] = Team(is_whole, cpu_count())
    return {at for at, whole in team.map(sorted(numbers)) if whole}
