from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.conftest import base, runs
from tests.support.crash import Runs, World
from tests.support.hostile import hostile_world

__all__ = ["base", "runs"]


@pytest.fixture
def world(base: Path, runs: Runs) -> World:
    return hostile_world(base / "world", runs)
