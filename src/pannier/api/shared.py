"""A file that several threads may read, each after a seek of its own.

DuckDB and others give one open file to many threads, and each calls `seek`, then `read`. Another
thread may come in between, and with a plain file it gets the wrong bytes, without an error.
"""

from __future__ import annotations

import io
import os
import threading

from pannier.core.typed import Any


class SharedFile(io.BufferedReader):
    """Reads go on where the same thread has sought to, whatever others did since.

    A thread that has not sought since its last read goes on at the file's place, as in any file.
    """

    def __init__(self, raw: Any, buffer_bytes: int) -> None:
        super().__init__(raw, buffer_bytes)
        self._mutex = threading.RLock()
        self._sought: dict[int, int] = {}
        self._last = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        with self._mutex:
            if whence == os.SEEK_CUR:
                self._resume()
            self._last = threading.get_ident()
            at = self._sought[self._last] = super().seek(offset, whence)
            return at

    def tell(self) -> int:
        with self._mutex:
            at = self._sought.get(threading.get_ident())
            return super().tell() if at is None else at

    def read(self, size: int | None = -1, /) -> bytes:
        with self._mutex:
            self._resume()
            return super().read(size)

    def read1(self, size: int = -1, /) -> bytes:
        with self._mutex:
            self._resume()
            return super().read1(size)

    def readinto(self, buffer: Any, /) -> int:
        with self._mutex:
            self._resume()
            return super().readinto(buffer)

    def readinto1(self, buffer: Any, /) -> int:
        with self._mutex:
            self._resume()
            return super().readinto1(buffer)

    def readline(self, size: int | None = -1, /) -> bytes:
        with self._mutex:
            self._resume()
            return super().readline(size)

    def _resume(self) -> None:
        """Goes to where this thread sought to; else the last seek, whoever's, is used up."""
        at = self._sought.pop(threading.get_ident(), None)
        if at is None:
            self._sought.pop(self._last, None)
        elif super().tell() != at:
            super().seek(at)
