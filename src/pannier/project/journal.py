"""Journal: the operation log of a project, read. Who writes it is pannier.project.recording."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from pannier.core.events import Progress
from pannier.disk import trees
from pannier.formats.oplog import Entry
from pannier.formats.oplog_reading import parse_entry
from pannier.project.recording import folder_of, link_on_the_way, numbers_in

# O_NONBLOCK: nobody waits for a pipe.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Journal:
    """The entries of one project, by number. Looking at them changes nothing."""

    def __init__(self, root: str) -> None:
        self.folder = folder_of(root)
        self._usable = link_on_the_way(root) is None

    def entry(self, number: int) -> Entry | None:
        """One entry, as far as it is whole; None when it is not there or cannot be read."""
        if not self._usable:
            return None
        try:
            fd = os.open(f"{self.folder}/{number}", _READ)
        except OSError:
            return None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            return None
        with open(fd, "rb") as file:
            return parse_entry(file.read(), number)

    def newest_first(self, progress: Progress) -> Iterator[Entry]:
        """All entries. Of one that a power loss left without its beginning only a warning is told:
        that command had not changed anything yet.
        """
        for number, names in reversed(numbers_in(self.folder).items()):
            if not self._usable or str(number) not in names:
                continue
            entry = self.entry(number)
            if entry is None:
                progress.warn(f"entry {number} of the operation log cannot be read: passed over")
            else:
                yield entry

    def kept_bytes(self, number: int) -> int:
        """What an entry holds back of the disk's room."""
        folder = f"{self.folder}/{number}.kept"
        there = os.path.isdir(folder) and not os.path.islink(folder)
        return trees.size_bytes(folder) if there else 0
