"""Errors of pipelines as a whole; part of the tree in pannier.core.errors."""

from __future__ import annotations

from collections.abc import Sequence

from pannier.core.errors import PannierError


class Cycle(PannierError):
    """Stages that need each other, so that none can be the first.

    stages: their addresses as seen by the user, each needing the next and the last one the first.
    """

    def __init__(self, stages: Sequence[str]) -> None:
        where = "stage" if len(stages) == 1 else "stages"
        super().__init__(
            f"Same item(s) are defined as both a dependency and an output in {where}:"
            f" {', '.join(stages)}.",
            hint="'dvc stage list' names what each makes; one of them must not read what comes"
            " after it",
        )
        self.stages = list(stages)
