"""Interrupts of a run: what Ctrl-C means the second time, and what Ctrl-Z means."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

from pannier.core.typed import Any
from pannier.run.local import Runner


@contextmanager
def interruptible(
    runner: Runner, hidden: Callable[[], AbstractContextManager[None]]
) -> Iterator[None]:
    """While its context lasts, a signal that ends us does so once: when commands are being ended,
    the next one ends them by force, and never leaves them behind. Ctrl-Z stops them with us.

    hidden: a context without anything drawn on the terminal. What our parent told us to ignore
    stays ignored. Outside of the main thread signals are somebody else's.
    """
    before: dict[int, Any] = {}

    def end(number: int, frame: FrameType | None) -> None:
        if not runner.hurry():
            before[number](number, frame)

    def stop(number: int, frame: FrameType | None) -> None:
        with hidden():
            runner.pause()

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if callable(handler := signal.getsignal(number)):
                before[number] = handler
                signal.signal(number, end)
        if signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL:
            before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, stop)
    try:
        yield
    finally:
        for heard, handler in before.items():
            signal.signal(heard, handler)
