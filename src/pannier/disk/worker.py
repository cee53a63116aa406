"""A worker process: what it runs, and how it and `pool` speak.

It starts for every command that has enough to do, so it imports little.
"""

from __future__ import annotations

import gc
import importlib
import marshal
import os
import signal
import struct
import sys
import threading
from queue import SimpleQueue
from typing import Any

from pannier.disk import fsio

_HEAD = struct.Struct("<Q")

_Call = tuple[str, str, str, tuple[Any, ...]]
"""(module, flush policy, operation, its arguments)."""


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


def serve() -> None:
    """A worker's life: calls in on stdin, results out on stdout, until stdin closes."""
    gc.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    source, sink = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    calls: SimpleQueue[_Call | None] = SimpleQueue()
    threading.Thread(target=_take_calls, args=(source, calls), daemon=True).start()
    while (message := calls.get()) is not None:
        module_name, policy, operation, call = message
        fsio.set_policy(policy)
        module = sys.modules.get(module_name) or importlib.import_module(module_name)
        failed: bool = False
        value: Any
        try:
            value = getattr(module, operation)(*call)
        except OSError as error:
            failed, value = True, ("os", error.errno or 5, error.strerror or "", error.filename)
        except Exception as error:
            failed, value = True, ("other", repr(error), "", "")
        data = marshal.dumps((failed, value))
        write_message(sink, data)
    os._exit(0)


def _take_calls(source: int, calls: SimpleQueue[_Call | None]) -> None:
    """Empties the input at all times: were both sides blocked in a write, neither would go on."""
    while (data := read_message(source)) is not None:
        calls.put(marshal.loads(data))
    calls.put(None)
