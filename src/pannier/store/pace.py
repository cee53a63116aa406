"""How many requests are in flight and how fast bytes travel: counts, and holds back.

Transports call a Pace, as their `on_bytes`, after every piece that travelled; one that comes too
soon is answered late. So the limit holds on average over the pieces (of a big object 8 MiB, of
small ones the whole object) and for all of a command's transfers together.
"""

from __future__ import annotations

import threading
import time

from pannier.core.events import Task
from pannier.core.record import dataclass, field


@dataclass(slots=True)
class Pace:
    """jobs: requests in flight. limit: bytes per second, None for no limit. sent: bytes that
    travelled so far."""

    jobs: int
    limit: int | None = None
    sent: int = 0
    _task: Task | None = None
    _due_s: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def show(self, task: Task) -> None:
        """From now on this task is told of the bytes too."""
        self._task = task
        task.travelled(0)

    def ease(self) -> None:
        """The other side had too much to do: half as many requests from now on."""
        self.jobs = max(1, self.jobs // 2)

    def __call__(self, count: int) -> None:
        wait_s = 0.0
        with self._lock:
            self.sent += count
            if self.limit is not None:
                now_s = time.monotonic()
                self._due_s = max(self._due_s, now_s) + count / self.limit
                wait_s = self._due_s - now_s
        if self._task is not None:
            self._task.travelled(count)
        if wait_s > 0:
            time.sleep(wait_s)
