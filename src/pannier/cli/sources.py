"""What lies elsewhere: sources of imports, and URLs that commands read.

What asking them takes is loaded with the first one that is asked.
"""

from __future__ import annotations

from pannier.cli.context import Context
from pannier.cli.table import SOURCE_STATUS, load
from pannier.core.stage import Dep, Stage
from pannier.core.typed import Any


class Sources:
    """Asks, measures and brings. Its methods are what operations take."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._loaded: Any = None

    def ask(self, stage: Stage) -> dict[str, str]:
        found: dict[str, str] = self._updates().of(stage)
        return found

    def ask_unless_frozen(self, stage: Stage) -> dict[str, str]:
        return {} if stage.frozen else self.ask(stage)

    def measure(self, stage: Stage, dep: Dep) -> Dep:
        found: Dep = self._updates().measure(stage, dep)
        return found

    def bring(self, stage: Stage) -> None:
        load(SOURCE_STATUS).bring(self._ctx, stage)

    def _updates(self) -> Any:
        if self._loaded is None:
            self._loaded = load(SOURCE_STATUS).updates(self._ctx)
        return self._loaded
