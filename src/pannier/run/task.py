"""Tasks: all that a worker elsewhere needs to run one stage, and what comes back.

Plain values only, so that any executor can carry them.
"""

from __future__ import annotations

from pannier.core.record import dataclass, field
from pannier.core.typed import Any


@dataclass(frozen=True, slots=True)
class Item:
    """Data at a path of the project. digest: (algorithm, hex), None for an output to be made."""

    path: str
    digest: tuple[str, str] | None = None
    is_exec: bool = False
    persist: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """One stage for a worker.

    run: id of the run that it belongs to, by which that can be ended.
    project: the project's folder in the parcel of code that comes with it.
    remote: name of the remote for data, None for the default one. inputs: brought before. outs:
    made by it. entry: of the lock file, without what its outputs are. keep: its record goes to the
    run cache of the remote.
    """

    number: int
    name: str
    project: str
    remote: str | None
    lines: tuple[str, ...]
    wdir: str
    env: dict[str, str]
    timeout_s: float | None
    inputs: tuple[Item, ...]
    outs: tuple[Item, ...]
    files: dict[str, bytes] = field(default_factory=dict)
    entry: dict[str, Any] = field(default_factory=dict)
    keep: bool = False
    run: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a task ended. line, code, timed_out, why: as of an Outcome. made: the outputs. output:
    the end of what its command wrote. where: the machine."""

    number: int
    line: str = ""
    code: int | None = 0
    timed_out: bool = False
    why: str = ""
    made: tuple[Item, ...] = ()
    output: bytes = b""
    where: str = ""
