"""Answers of an SFTP server: bytes to values. What is no such answer raises ValueError, IndexError
or struct.error; a refusal raises Refused.

Each function takes the kind of the packet and its body, from the request's number on.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

VERSION = 3
END, NO_SUCH_FILE, DENIED, FAILURE = 1, 2, 3, 4
"""Codes of Refused."""

_IS_STATUS, _IS_HANDLE, _IS_DATA, _IS_NAME, _IS_ATTRS, _IS_EXTENDED = 101, 102, 103, 104, 105, 201
_HAS_SIZE, _HAS_OWNER, _HAS_MODE, _HAS_TIMES, _HAS_MORE = 0x1, 0x2, 0x4, 0x8, 0x80000000
_NUMBER = struct.Struct(">I")
_PAIR = struct.Struct(">II")


class Refused(Exception):
    """The server said no. code: of the protocol; message: its words."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Attrs(NamedTuple):
    """What a server tells of a file; None where it does not."""

    size_bytes: int | None
    mode: int | None
    mtime_s: int | None


class Room(NamedTuple):
    """A server's file system."""

    free_bytes: int
    free_files: int
    read_only: bool


def _string_at(body: bytes, at: int) -> tuple[bytes, int]:
    """A string, and where what follows it begins."""
    end = at + 4 + int(_NUMBER.unpack_from(body, at)[0])
    if end > len(body):
        raise ValueError
    return body[at + 4 : end], end


def _raise_status(kind: int, body: bytes) -> None:
    """Raises Refused, unless this is another kind of answer."""
    if kind != _IS_STATUS:
        raise ValueError
    code = _PAIR.unpack_from(body)[1]
    if code:
        message = _string_at(body, 8)[0] if len(body) > 8 else b""
        raise Refused(code, message.decode("utf-8", "replace"))


def as_nothing(kind: int, body: bytes) -> None:
    _raise_status(kind, body)


def as_handle(kind: int, body: bytes) -> bytes:
    if kind != _IS_HANDLE:
        _raise_status(kind, body)
        raise ValueError
    return _string_at(body, 4)[0]


def as_data(kind: int, body: bytes) -> bytes:
    if kind == _IS_DATA:
        data = _string_at(body, 4)[0]
        if not data:
            raise ValueError
        return data
    try:
        _raise_status(kind, body)
    except Refused as error:
        if error.code == END:
            return b""
        raise
    raise ValueError


def as_attrs(kind: int, body: bytes) -> Attrs:
    if kind != _IS_ATTRS:
        _raise_status(kind, body)
        raise ValueError
    return _attrs_at(body, 4)[0]


def as_names(kind: int, body: bytes) -> list[tuple[bytes, Attrs]]:
    if kind != _IS_NAME:
        try:
            _raise_status(kind, body)
        except Refused as error:
            if error.code == END:
                return []
            raise
        raise ValueError
    found = []
    count, at = _PAIR.unpack_from(body)[1], 8
    for _ in range(count):
        name, at = _string_at(body, at)
        _, at = _string_at(body, at)  # a line as `ls -l` writes it
        attrs, at = _attrs_at(body, at)
        found.append((name, attrs))
    if not found:
        raise ValueError
    return found


def _attrs_at(body: bytes, at: int) -> tuple[Attrs, int]:
    flags = _NUMBER.unpack_from(body, at)[0]
    at += 4
    size = mode = mtime = None
    if flags & _HAS_SIZE:
        size = struct.unpack_from(">Q", body, at)[0]
        at += 8
    if flags & _HAS_OWNER:
        at += 8
    if flags & _HAS_MODE:
        mode = _NUMBER.unpack_from(body, at)[0]
        at += 4
    if flags & _HAS_TIMES:
        mtime = _PAIR.unpack_from(body, at)[1]
        at += 8
    if flags & _HAS_MORE:
        count = _NUMBER.unpack_from(body, at)[0]
        at += 4
        for _ in range(2 * count):
            _, at = _string_at(body, at)
    return Attrs(size, mode, mtime), at


def as_extensions(body: bytes) -> dict[bytes, bytes]:
    found, at = {}, 4
    if _NUMBER.unpack_from(body)[0] < VERSION:
        raise ValueError
    while at < len(body):
        name, at = _string_at(body, at)
        found[name], at = _string_at(body, at)
    return found


def as_limits(kind: int, body: bytes) -> tuple[int, int]:
    if kind != _IS_EXTENDED:
        _raise_status(kind, body)
        raise ValueError
    _, read_max, write_max, _ = struct.unpack_from(">QQQQ", body, 4)
    return read_max, write_max


def as_room(kind: int, body: bytes) -> Room:
    if kind != _IS_EXTENDED:
        _raise_status(kind, body)
        raise ValueError
    _, block, _, _, free, _, _, files, _, flags, _ = struct.unpack_from(">11Q", body, 4)
    return Room(block * free, files, bool(flags & 1))
