"""Who is told of a change of a small file before it is made: the operation log.

`fsio.write_atomic` and `fsio.unlink` announce themselves here, so that whatever command uses them
can be undone without code of its own. One command runs at a time; nobody watches between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pannier.core.typed import Protocol


class Watcher(Protocol):
    def file_changes(self, path: str, data: bytes | None) -> None:
        """path (absolute) is about to hold data; None: to be removed.

        Raises DiskError when the change must not be made.
        """
        ...


_watcher: Watcher | None = None


@contextmanager
def watching(watcher: Watcher | None) -> Iterator[None]:
    """Tells watcher of every change from here to the end of the block; None: nobody."""
    global _watcher
    before, _watcher = _watcher, watcher
    try:
        yield
    finally:
        _watcher = before


def announce(path: str, data: bytes | None) -> None:
    if _watcher is not None:
        _watcher.file_changes(path, data)
