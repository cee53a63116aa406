"""What several of the comparisons with real DVC start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.oracle import Oracle
from tests.support.pair import Pair
from tests.support.programs import Program
from tests.support.project import make_project


@pytest.fixture
def pair(tmp_path: Path, oracle: Oracle, dvc: Program) -> Pair:
    return make_project(tmp_path / "theirs", oracle), make_project(tmp_path / "ours", dvc)
