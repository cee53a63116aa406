"""Lists of files that were fetched for a look at a source, kept for the next one.

They lie in the user's own cache folder, of all sources together, and save a question: one that is
lost is fetched again. So they end as mirrors do: whoever keeps a new one removes those that nobody
has asked for in thirty days.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping

from pannier.core.digest import Digest
from pannier.core.errors import PannierError
from pannier.disk import clock, fsio
from pannier.disk.reading import read_regular
from pannier.git.mirror import DAYS_KEPT
from pannier.project.project import make_project
from pannier.project.settings import Settings, own_cache
from pannier.store.objects import Store
from pannier.store.publishing import put_bytes

_DAY_S = 86400


def sources_folder() -> str:
    """Mirrors, and lists of files that were fetched; the user's own."""
    return f"{os.path.realpath(own_cache())}/sources"


def cache_folder() -> str:
    """What a project in a mirror has for a cache."""
    return f"{sources_folder()}/cache"


def read(digest: Digest) -> bytes:
    """A list as it was kept, unverified. Raises OSError when it was not."""
    path = _store(digest.algorithm).path(digest.hex)
    data = read_regular(path)
    # Its time says when it was asked for, and once a day is enough for that.
    with contextlib.suppress(OSError):
        if os.stat(path).st_mtime < time.time() - _DAY_S:
            clock.touch(path)
    return data


def keep(algorithm: str, lists: Mapping[str, bytes]) -> None:
    """Keeps lists by their names. Where they cannot be kept, the answer is the same without."""
    store = _store(algorithm)
    with contextlib.suppress(OSError, PannierError):
        store.make_dir(store.root)
        for name, data in lists.items():
            put_bytes(store, name, data)
        _remove_unused(store.root, time.time() - DAYS_KEPT * _DAY_S)


def _store(algorithm: str) -> Store:
    return make_project(sources_folder(), Settings([], None), None, cache_folder()).store_of(
        algorithm
    )


def _remove_unused(root: str, before_s: float) -> None:
    """Removes what was last asked for before a time. A reader has a list whole, or not at all."""
    with os.scandir(root) as folders:
        names = [f.path for f in folders if len(f.name) == 2 or f.name == "quarantine"]
    for folder in names:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < before_s:
                        fsio.unlink(entry.path)
