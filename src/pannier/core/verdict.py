"""Verdicts: whether a stage is as it was recorded, and if it is not, why. Pure.

    Change   one reason, with what was recorded and what is there now
    Verdict  what is to be done about a stage, and all its reasons

`status` shows the reasons, `repro` acts on the verdict. The rules are DVC's: docs/commands.md,
`repro`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pannier.core.digest import Digest
from pannier.core.record import dataclass
from pannier.core.stage import Stage
from pannier.core.value_diff import same

DEP, PARAM, OUT, COMMAND, ALWAYS, CHECKSUM = "dep", "param", "out", "command", "always", "checksum"
MODIFIED, NEW, DELETED, NOT_IN_CACHE = "modified", "new", "deleted", "not in cache"
NOT_IN_SYNC = "not in sync"
"""Of a data set: what was recorded of it is not what is declared."""

SKIP, RUN, VERIFY, BRING = "skip", "run", "verify", "bring"
"""What is to be done: nothing, run its command (or restore what that would make), record what its
outputs hold now (data, and frozen stages), bring an import from its source."""

_ABSENT = object()
_SHOWN_HEX = 8
_SHOWN_TEXT = 60


@dataclass(frozen=True, slots=True)
class Change:
    """One reason why a stage is not as recorded.

    path: as declared, '' where the change is about none. name: of a parameter. before, after: what
    was recorded and what is there, as text; None for nothing.
    """

    kind: str
    path: str = ""
    state: str = ""
    name: str = ""
    before: str | None = None
    after: str | None = None

    def __str__(self) -> str:
        if self.kind == ALWAYS:
            return "it runs always"
        what = {
            DEP: f"dependency '{self.path}'",
            PARAM: f"parameter '{self.name}' of '{self.path}'" if self.name else f"'{self.path}'",
            OUT: f"output '{self.path}'",
            COMMAND: "its command",
            CHECKSUM: "its record",
        }[self.kind]
        state = {MODIFIED: "changed", NEW: "is new", DELETED: "is gone"}.get(
            self.state, f"is {self.state}"
        )
        if self.before is None and self.after is None:
            return f"{what} {state}"
        return f"{what} {state}: {self.before or 'nothing'} -> {self.after or 'nothing'}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done about one stage. forced: whatever the reasons are."""

    action: str
    changes: tuple[Change, ...] = ()
    forced: bool = False

    @property
    def reasons(self) -> list[str]:
        """Sentences; never none for a stage about which something is to be done."""
        found = [str(change) for change in self.changes]
        if self.forced:
            found.append("it was asked for")
        return found


def decide(
    stage: Stage,
    changes: Sequence[Change],
    *,
    forced: bool = False,
    allow_missing: bool = False,
    remade: Iterable[tuple[str, Digest | None]] = (),
) -> Verdict:
    """Decides about one stage.

    changes: all that differs. forced: run whatever they are. allow_missing: what is not there is
    no reason, unless remade (root-relative path and digest of outputs of the stages that it
    needs, as recorded now) says that it is another now.
    """
    counted = tuple(changes)
    if stage.frozen:
        counted = tuple(one for one in counted if one.kind in (OUT, COMMAND, CHECKSUM))
    if allow_missing:
        now = dict(remade)
        counted = tuple(one for one in counted if not _is_only_missing(stage, one, now))
    if not counted and not forced:
        return Verdict(SKIP)
    if stage.is_import and not stage.frozen:
        action = BRING
    elif stage.cmd is None or stage.frozen:
        action = VERIFY
    else:
        action = RUN
    return Verdict(action, counted, forced)


def _is_only_missing(stage: Stage, change: Change, remade: dict[str, Digest | None]) -> bool:
    if change.kind == OUT:
        return change.state in (NOT_IN_CACHE, DELETED)
    if change.kind == PARAM:  # the whole file, not a name in it
        return change.state == DELETED and not change.name
    if change.kind != DEP or change.state != DELETED:
        return False
    dep = next(one for one in stage.deps if one.path == change.path)
    path = stage.path_of(dep)
    return path not in remade or remade[path] == dep.digest


def shown_digest(digest: Digest | None) -> str | None:
    """The start of a digest, enough to tell two apart."""
    return digest.hex[:_SHOWN_HEX] if digest is not None else None


def shown_values(before: object, after: object) -> tuple[str, str]:
    """Two values of a parameter; of two mappings only what differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = {**before, **after}
        only = [k for k in keys if not same(before.get(k, _ABSENT), after.get(k, _ABSENT))]
        before = {key: before[key] for key in only if key in before}
        after = {key: after[key] for key in only if key in after}
    return shown_value(before), shown_value(after)


def shown_value(value: object) -> str:
    """A value of a parameter, or a command, cut to one short line."""
    text = " && ".join(value) if isinstance(value, tuple) else str(value)
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_TEXT else line[: _SHOWN_TEXT - 1] + "\N{HORIZONTAL ELLIPSIS}"
