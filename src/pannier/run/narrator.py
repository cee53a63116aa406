"""Narrator: who is told what happens to stages while it happens. Callers draw."""

from __future__ import annotations

from contextlib import AbstractContextManager

from pannier.core.stage import Stage
from pannier.core.typed import Protocol
from pannier.core.verdict import Verdict


class Narrator(Protocol):
    """All methods but `command` and `output` are called from the thread that runs the stages."""

    def unchanged(self, stage: Stage) -> None: ...

    def frozen(self, stage: Stage) -> None:
        """A frozen stage comes next: what it needs does not count."""
        ...

    def verifying(self, stage: Stage, verdict: Verdict) -> None:
        """What its outputs hold now is about to be recorded."""
        ...

    def restored(self, stage: Stage, verdict: Verdict) -> None:
        """Its command is spared: what that would make is brought from the cache."""
        ...

    def running(self, stage: Stage, verdict: Verdict) -> None:
        """Its command is about to run."""
        ...

    def command(self, number: int, name: str, line: str) -> None:
        """One line of a stage's command is about to run; from any thread."""
        ...

    def output(self, number: int, name: str, data: bytes) -> None:
        """What a command wrote, where several run at once; from any thread."""
        ...

    def recorded(self, path: str, *, is_new: bool) -> None:
        """A lock file was written. path: root-relative."""
        ...

    def failed(self, stage: Stage, reason: str, skipped: list[Stage], *, ignored: bool) -> None:
        """A stage failed and others go on. skipped: those that need it."""
        ...

    def waiting(self, stage: Stage, why: str) -> None:
        """A stage cannot start yet, because of somebody else."""
        ...

    def ended(self, stage: Stage, *, last: bool) -> None:
        """A stage about which something was done is done. last: nothing comes after it."""
        ...

    def hidden(self) -> AbstractContextManager[None]:
        """Nothing is drawn while its context lasts: the screen is another program's."""
        ...

    def confirm(self, stage: Stage) -> bool:
        """Asks whether to go on with a stage."""
        ...
