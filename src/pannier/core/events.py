"""What an operation tells while it works. Operations report; callers draw."""

from __future__ import annotations

from pannier.core.typed import Protocol


class Task(Protocol):
    """One running measure of work: something counted towards a total."""

    def advance(self, count: int = 1) -> None: ...

    def set_total(self, total: int) -> None: ...

    def travelled(self, count_bytes: int) -> None:
        """Bytes on their way, beside what is counted: of a big file it is all that moves. A task
        that is told of them, if only of none, counts objects that travel."""
        ...

    def close(self) -> None: ...


class Progress(Protocol):
    """Where an operation reports to. All methods may be called from any thread."""

    def task(self, label: str, total: int | None = None, unit: str = "file") -> Task:
        """Opens a task. unit: "file" (a count) or "B" (bytes)."""
        ...

    def warn(self, text: str) -> None:
        """A sentence that the user must see although the operation goes on."""
        ...

    def note(self, text: str) -> None:
        """A sentence of result that belongs on standard output as it happens."""
        ...

    def debug(self, text: str) -> None: ...


class _SilentTask:
    def advance(self, count: int = 1) -> None: ...

    def travelled(self, count_bytes: int) -> None: ...

    def set_total(self, total: int) -> None: ...

    def close(self) -> None: ...


class Silent:
    """A Progress that tells nobody."""

    def task(self, label: str, total: int | None = None, unit: str = "file") -> Task:
        return _SilentTask()

    def warn(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...

    def debug(self, text: str) -> None: ...
