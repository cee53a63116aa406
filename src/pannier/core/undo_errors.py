"""Why a command cannot be undone; part of the tree in pannier.core.errors."""

from __future__ import annotations

from collections.abc import Sequence

from pannier.core.errors import PannierError


class UndoRefused(PannierError):
    """command: as the log shows it. changed: paths that are not as it left them. missing: (path,
    digest) of data that is neither in the cache nor kept. unsure: paths of which nobody
    saw whether it wrote them. Nothing was touched.
    """

    def __init__(
        self,
        command: str,
        changed: Sequence[str],
        missing: Sequence[tuple[str, str]],
        unsure: Sequence[str] = (),
    ) -> None:
        if changed:
            what = f"since then {_some(changed)} changed"
            hint = "move that away and repeat the command; 'dvc op log' lists what can be undone"
        elif unsure:
            what = f"it was killed, and nobody saw who wrote {_some(unsure)}: it, or somebody later"
            hint = "move that away and repeat the command"
        else:
            what = f"the cache no longer has what was in {_some([path for path, _ in missing])}"
            hint = "if a remote has it, 'dvc fetch -A' brings it"
        super().__init__(f"cannot undo {command}: {what}", hint=hint)
        self.changed, self.missing, self.unsure = list(changed), list(missing), list(unsure)


def _some(paths: Sequence[str]) -> str:
    """Up to five paths, as part of a sentence."""
    shown = ", ".join(f"'{path}'" for path in paths[:5])
    return f"{shown} and {len(paths) - 5} more" if len(paths) > 5 else shown
