"""What of a file's stat tells that it is unchanged, as a tuple and in columns."""

from __future__ import annotations

import os

FIELDS = 4
"""Numbers per file in a column of stats: mtime_ns, ctime_ns, size_bytes, inode."""

STAT_BYTES = FIELDS * 8
"""The same, as bytes of an array."""

StatKey = tuple[int, int, int, int]


def stat_key(found: os.stat_result) -> StatKey:
    """What must be unchanged for a remembered digest to hold: (mtime_ns, ctime_ns, size, inode).

    Whole numbers, never float seconds: today's dates leave a float steps of 238 ns, hence false
    hits. ctime catches an edit whose writer put the old mtime back.
    """
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
