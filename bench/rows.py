"""All rows of the table and the scenarios that yield them."""

from __future__ import annotations

import pipelines
import scenarios
import wire

ROWS = [*scenarios.ROWS, *wire.ROWS, *pipelines.ROWS]
SCENARIOS = scenarios.SCENARIOS | wire.SCENARIOS | pipelines.SCENARIOS
