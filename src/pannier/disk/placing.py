"""Small files copied and named as one group: staged, flushed, then given their names.

For `pool`'s workers. What has a name is complete and flushed (docs/durability.md, D2).
"""

from __future__ import annotations

import contextlib
import errno
from array import array

from pannier.disk import copying, fsio
from pannier.disk.anchor import Anchor, folder_of_prefixes
from pannier.disk.copying import Copies, Odd

_SLICE_FILES = 64
_FLUSH_BYTES = 256 << 20
"""So much is staged before it is flushed and named: what a kill can lose of a group."""


def place_batch(batch: list[tuple[str, str, str]], staging: str, first: int, mode: int) -> Copies:
    """Copies files to their names: (source, name, expected md5 hex or "") each.

    staging: a folder on the same file system. The file with index n is staged there as first + n,
    and still is where its code is EEXIST and no path is told: then something has that name. Codes
    as of `copy_batch`; no name is ever given to bytes that are not flushed.
    """
    group = _Group(staging, batch, first)
    try:
        for start in range(0, len(batch), _SLICE_FILES):
            staged = [
                (source, group.staged(start + index), expected)
                for index, (source, _, expected) in enumerate(batch[start : start + _SLICE_FILES])
            ]
            group.note(start, copying.copy_batch(staged, mode))
        group.publish()
        return group.codes.tobytes(), group.sizes.tobytes(), group.odd
    finally:
        group.barrier.close()


class _Group:
    def __init__(self, staging: str, batch: list[tuple[str, str, str]], first: int) -> None:
        self.barrier = fsio.Barrier(staging)  # opened before the first write: see there
        self.codes, self.sizes = array("i"), array("q")
        self.odd: list[Odd] = []
        self._staging, self._batch, self._first = staging, batch, first
        self._waiting: list[int] = []
        self._bytes = 0

    def staged(self, index: int) -> str:
        return f"{self._staging}/{self._first + index}"

    def note(self, start: int, copied: Copies) -> None:
        """Enters what was copied; what is staged gets its name when it is enough."""
        codes, sizes = array("i", copied[0]), array("q", copied[1])
        self.codes += codes
        self.sizes += sizes
        self.odd += [(start + at, md5, path) for at, md5, path in copied[2]]
        wrong = {at for at, md5, _ in copied[2] if md5 and self._batch[start + at][2]}
        self._waiting += [
            start + at for at, code in enumerate(codes) if not code and at not in wrong
        ]
        self._bytes += sum(sizes)
        if self._bytes >= _FLUSH_BYTES:
            self.publish()

    def publish(self) -> None:
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        try:
            self.barrier.flush(fsio.at_most_few(self.staged(at) for at in waiting))
        except OSError as error:
            for at in waiting:
                self._fail(at, error, self._staging)
            return
        if not waiting:
            return
        with Anchor(folder_of_prefixes(self._batch[waiting[0]][1])) as names:
            for at in waiting:
                try:
                    if not fsio.publish_below(self.staged(at), names, self._batch[at][1]):
                        self.codes[at] = errno.EEXIST
                except OSError as error:
                    self._fail(at, error, self._batch[at][1])

    def _fail(self, at: int, error: OSError, path: str) -> None:
        self.codes[at] = error.errno or errno.EIO
        self.odd.append((at, "", path))
        with contextlib.suppress(OSError):
            fsio.unlink(self.staged(at))
