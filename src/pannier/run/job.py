"""Jobs: a stage's command as a value that any executor can take, and how it ended.

Both can be pickled by an executor that runs them elsewhere; nothing else ever is.
"""

from __future__ import annotations

from pannier.core.digest import Digest
from pannier.core.record import dataclass, field


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be run. number: of the stage in its run, to know the job by. name: of the stage.

    lines: commands, each in a shell of its own, until one fails. cwd: absolute. env: variables
    beside those around us. shell: the program and its options before the line.
    """

    number: int
    name: str
    lines: tuple[str, ...]
    cwd: str
    env: dict[str, str] = field(default_factory=dict)
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended. line: the command that failed, '' when none did. code: its exit code, -n
    for signal n, None when it could not be started. why: the words of that. made: (path from the
    root, digest, executable) of the outputs that a worker elsewhere sent to the remote.
    """

    number: int
    line: str = ""
    code: int | None = 0
    timed_out: bool = False
    why: str = ""
    made: tuple[tuple[str, Digest, bool], ...] | None = None

    @property
    def is_good(self) -> bool:
        return not self.line

    @property
    def reason(self) -> str:
        """In DVC's words, for `failed to reproduce`."""
        if self.why:
            return self.why
        if self.timed_out:
            return f"failed to run: {self.line}, it took longer than its timeout"
        return f"failed to run: {self.line}, exited with {self.code}"
