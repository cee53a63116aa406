"""SFTP, version 3 (draft-ietf-secsh-filexfer-02), spoken on a channel that somebody else opened.

Requests go out without waiting for each other's answers, and those of one turn of the event loop
in one write: with many small files the processor time of each request is what limits. All methods
are for the event loop's thread, and return futures.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

from pannier.core.typed import Any, TypeAlias
from pannier.store.transports.sftp_answers import (
    VERSION,
    Attrs,
    Refused,
    Room,
    as_attrs,
    as_data,
    as_extensions,
    as_handle,
    as_limits,
    as_names,
    as_nothing,
    as_room,
)

READ, WRITE, CREATE, EXCLUSIVE = 0x01, 0x02, 0x08, 0x20
"""Flags of open."""

_INIT, _OPEN, _CLOSE, _READ, _WRITE, _FSTAT = 1, 3, 4, 5, 6, 8
_OPENDIR, _READDIR, _REMOVE, _MKDIR, _RMDIR, _STAT, _RENAME = 11, 12, 13, 14, 15, 17, 18
_EXTENDED = 200
_IS_VERSION = 2

_FSYNC, _POSIX_RENAME = b"fsync@openssh.com", b"posix-rename@openssh.com"
_LIMITS, _STATVFS = b"limits@openssh.com", b"statvfs@openssh.com"

_PACKET_MAX = 1 << 20
"""Longer answers are not SFTP: text of a login script, most likely."""

_SAFE_DATA = 32 << 10
"""So much every server takes in one request (section 3 of the draft)."""

_DATA_MAX = 255 << 10
_NO_ATTRS = struct.pack(">I", 0)
_NUMBER = struct.Struct(">I")


class Lost(Exception):
    """There is nobody on the other side any more, or somebody who does not speak SFTP."""


_Decode: TypeAlias = Callable[[int, bytes], Any]


class Session:
    """One SFTP session; as an asyncssh session it takes what its channel receives.

    lost: no request can be made any more. read_max, write_max: bytes of data in one request.
    """

    def __init__(self) -> None:
        self.lost: Lost | None = None
        self.read_max = self.write_max = _SAFE_DATA
        self.extensions: dict[bytes, bytes] = {}
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._channel: Any = None
        self._number = 0
        self._waiting: dict[int, tuple[asyncio.Future[Any], _Decode]] = {}
        self._out: list[bytes] = []
        self._in = bytearray()

    @property
    def under_way(self) -> int:
        """Requests that are not answered yet."""
        return len(self._waiting)

    async def start(self) -> None:
        """Agrees on the version and asks for the limits. Raises Lost."""
        await self._ready
        if self.extensions.get(_LIMITS) == b"1":
            try:
                read_max, write_max = await self._ask(_EXTENDED, _string(_LIMITS), decode=as_limits)
            except Refused:
                return
            self.read_max = min(read_max or _SAFE_DATA, _DATA_MAX)
            self.write_max = min(write_max or _SAFE_DATA, _DATA_MAX)

    # -- requests ----

    def open(self, path: bytes, flags: int) -> asyncio.Future[bytes]:
        """A handle. What is created has the mode that the server's umask gives it."""
        return self._ask(_OPEN, _string(path), _NUMBER.pack(flags), _NO_ATTRS, decode=as_handle)

    def close(self, handle: bytes) -> asyncio.Future[None]:
        return self._ask(_CLOSE, _string(handle))

    def read(self, handle: bytes, offset: int, size: int) -> asyncio.Future[bytes]:
        """At most size bytes, b"" at the end of the file."""
        where = struct.pack(">QI", offset, size)
        return self._ask(_READ, _string(handle), where, decode=as_data)

    def write(self, handle: bytes, offset: int, data: bytes | memoryview) -> asyncio.Future[None]:
        where = struct.pack(">QI", offset, len(data))
        return self._ask(_WRITE, _string(handle), where, data)

    @property
    def can_fsync(self) -> bool:
        return self.extensions.get(_FSYNC) == b"1"

    def fsync(self, handle: bytes) -> asyncio.Future[None]:
        return self._ask(_EXTENDED, _string(_FSYNC), _string(handle))

    def fstat(self, handle: bytes) -> asyncio.Future[Attrs]:
        return self._ask(_FSTAT, _string(handle), decode=as_attrs)

    def stat(self, path: bytes) -> asyncio.Future[Attrs]:
        """Of what a link leads to."""
        return self._ask(_STAT, _string(path), decode=as_attrs)

    def opendir(self, path: bytes) -> asyncio.Future[bytes]:
        return self._ask(_OPENDIR, _string(path), decode=as_handle)

    def readdir(self, handle: bytes) -> asyncio.Future[list[tuple[bytes, Attrs]]]:
        """Some more names, `.` and `..` among them; none at the end."""
        return self._ask(_READDIR, _string(handle), decode=as_names)

    def remove(self, path: bytes) -> asyncio.Future[None]:
        return self._ask(_REMOVE, _string(path))

    def make_folder(self, path: bytes) -> asyncio.Future[None]:
        return self._ask(_MKDIR, _string(path), _NO_ATTRS)

    def remove_folder(self, path: bytes) -> asyncio.Future[None]:
        return self._ask(_RMDIR, _string(path))

    @property
    def can_replace(self) -> bool:
        return self.extensions.get(_POSIX_RENAME) == b"1"

    def replace(self, old: bytes, new: bytes) -> asyncio.Future[None]:
        """Renames, over what is there."""
        return self._ask(_EXTENDED, _string(_POSIX_RENAME), _string(old), _string(new))

    def rename(self, old: bytes, new: bytes) -> asyncio.Future[None]:
        """Renames; servers refuse when the new name is taken."""
        return self._ask(_RENAME, _string(old), _string(new))

    @property
    def can_statvfs(self) -> bool:
        return self.extensions.get(_STATVFS) == b"2"

    def statvfs(self, path: bytes) -> asyncio.Future[Room]:
        return self._ask(_EXTENDED, _string(_STATVFS), _string(path), decode=as_room)

    def _ask(
        self, kind: int, *parts: bytes | memoryview, decode: _Decode | None = None
    ) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.lost is not None:
            future.set_exception(self.lost)
            return future
        self._number = number = (self._number + 1) & 0xFFFFFFFF
        self._waiting[number] = (future, decode or as_nothing)
        length = 5 + sum(map(len, parts))
        self._send(struct.pack(">IBI", length, kind, number), *parts)
        return future

    def _send(self, *parts: bytes | memoryview) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out += parts  # type: ignore[arg-type]

    def _flush(self) -> None:
        out, self._out = b"".join(self._out), []
        if self.lost is None:
            try:
                self._channel.write(out)
            except OSError as error:
                self._lose(str(error))

    # -- what asyncssh calls ----

    def connection_made(self, channel: Any) -> None:
        self._channel = channel

    def session_started(self) -> None:
        self._send(struct.pack(">IBI", 5, _INIT, VERSION))

    def data_received(self, data: bytes, _kind: object) -> None:
        if _kind is not None:
            return  # the server's standard error
        self._in += data
        at, end = 0, len(self._in)
        view = memoryview(self._in)
        try:
            while end - at >= 5:
                size = _NUMBER.unpack_from(view, at)[0]
                if not 1 <= size <= _PACKET_MAX:
                    raise ValueError
                if end - at - 4 < size:
                    break
                self._take(view[at + 4], bytes(view[at + 5 : at + 4 + size]))
                at += 4 + size
        except (ValueError, struct.error, IndexError):
            self._lose("what it sends is not SFTP")
            return
        finally:
            view.release()
        del self._in[:at]

    def _take(self, kind: int, body: bytes) -> None:
        if kind == _IS_VERSION:
            self.extensions = as_extensions(body)
            if not self._ready.done():
                self._ready.set_result(None)
            return
        future, decode = self._waiting.pop(_NUMBER.unpack_from(body)[0], (None, as_nothing))
        if future is None:
            raise ValueError
        if future.done():
            return  # who asked has gone away
        try:
            value = decode(kind, body)
        except Refused as error:
            future.set_exception(error)
        except (ValueError, struct.error, IndexError):
            future.set_exception(Lost("what it sends is not SFTP"))
            raise
        else:
            future.set_result(value)

    def eof_received(self) -> bool:
        return False

    def exit_status_received(self, _status: int) -> None: ...

    def exit_signal_received(self, *_: object) -> None: ...

    def xon_xoff_requested(self, _can: bool) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    def connection_lost(self, error: Exception | None) -> None:
        self._lose(str(error) if error else "it closed the connection")

    def _lose(self, why: str) -> None:
        if self.lost is not None:
            return
        self.lost = Lost(why)
        waiting, self._waiting = self._waiting, {}
        for future in [self._ready, *(future for future, _ in waiting.values())]:
            if not future.done():
                future.set_exception(self.lost)
        if self._channel is not None:
            self._channel.abort()


def _string(data: bytes) -> bytes:
    return _NUMBER.pack(len(data)) + data
