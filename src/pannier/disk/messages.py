"""Messages over a pipe: a length, then so many bytes."""

from __future__ import annotations

import os
import struct

_HEAD = struct.Struct("<Q")


def write_message(fd: int, data: bytes) -> None:
    view = memoryview(_HEAD.pack(len(data)) + data)
    while view:
        view = view[os.write(fd, view) :]


def read_message(fd: int) -> bytes | None:
    """One message as a whole; None when the other side is gone."""
    head = _read(fd, _HEAD.size)
    return _read(fd, _HEAD.unpack(head)[0]) if head is not None else None


def _read(fd: int, size: int) -> bytes | None:
    parts: list[bytes] = []
    while size:
        data = os.read(fd, min(size, 1 << 20))
        if not data:
            return None
        parts.append(data)
        size -= len(data)
    return b"".join(parts)
