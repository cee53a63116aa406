"""Lock documents: one lock file that many stages are entered into, one after the other.

Each entry costs what it changes; `lockfile.update`, which does the same for one time, reads the
whole file twice. Source: docs/formats.md, section 12.
"""

from __future__ import annotations

from collections.abc import Mapping

from pannier.core.errors import InvalidFile
from pannier.core.typed import Any
from pannier.formats import lockfile, yamlio
from pannier.formats.lock_text import pieces_of, render


class LockDocument:
    """The bytes of a lock file and what they say. data: None for a file that is not there."""

    def __init__(self, data: bytes | None, file: str) -> None:
        """file: for messages only. Raises InvalidFile."""
        self.data, self._file = data, file
        self._known: dict[str, Any] = {}
        self._added: set[str] = set()
        self._pieces: dict[str, bytes] | None = None
        self._head = self._tail = b""
        self._take(data)

    def _take(self, data: bytes | None) -> None:
        self.data = data
        self._pieces = None
        if data is None:
            return
        document = yamlio.load(data, self._file)
        if not isinstance(document, dict) or not isinstance(document.get("stages", {}), dict):
            raise InvalidFile(self._file, "expected a dictionary")
        self._known = document.get("stages", {})
        cut = pieces_of(data, self._known)
        if cut is not None:
            self._head, self._pieces, self._tail = cut

    def update(
        self, entries: Mapping[str, dict[str, Any]], order: Mapping[str, int] | None = None
    ) -> bytes | None:
        """Enters stages; returns the file then. Nothing is touched that is as it should be.

        order: places of names among the new ones, which stand at the end of the file: they do not
        depend on which stage was done first.
        """
        changed = {
            name: wanted
            for name, wanted in entries.items()
            if name not in self._known or not lockfile.is_same(self._known[name], wanted)
        }
        if not changed:
            return self.data
        new = [name for name in changed if name not in self._known]
        self._added.update(new)
        texts = {name: render(name, entry) for name, entry in changed.items()}
        pieces = self._pieces
        if pieces is None or not all(_reads_as(texts[name], name, changed[name]) for name in texts):
            self._take(lockfile.update(self.data, changed, self._file))
            return self.data
        pieces |= texts
        self._known |= changed
        if order is not None and new:
            self._pieces = pieces = self._sorted(pieces, order)
        self.data = b"".join([self._head, *pieces.values(), self._tail])
        return self.data

    def _sorted(self, pieces: dict[str, bytes], order: Mapping[str, int]) -> dict[str, bytes]:
        """The entries with those that were added here in their order, behind the others."""
        added = [name for name in pieces if name in self._added]
        added.sort(key=lambda name: order.get(name, len(order)))
        old = {name: text for name, text in pieces.items() if name not in self._added}
        return old | {name: pieces[name] for name in added}


def _reads_as(text: bytes, name: str, wanted: dict[str, Any]) -> bool:
    """Tells whether the text of one entry means what it should."""
    try:
        return bool(yamlio.load(b"stages:\n" + text, "") == {"stages": {name: wanted}})
    except InvalidFile:
        return False
