"""A worker process: what it runs, and how it and `pool` speak.

It starts for every command that has enough to do, so it imports little.
"""

from __future__ import annotations

import gc
import importlib
import marshal
import os
import signal
import sys
import threading
from queue import SimpleQueue

from pannier.core.typed import Any
from pannier.disk import fsio
from pannier.disk.messages import read_message, write_message

_Call = tuple[str, str, str, tuple[Any, ...]]
"""(module, flush policy, operation, its arguments)."""


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
