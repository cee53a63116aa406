"""Worlds to be broken: on a tmpfs, where a flush costs nothing and thousands of runs fit."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.crash import Runs


@pytest.fixture(scope="session")
def runs() -> Iterator[Runs]:
    started = Runs()
    yield started
    started.close()


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """An empty folder, in memory where the machine has a place for that."""
    memory = "/dev/shm"
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    made = Path(tempfile.mkdtemp(prefix="pannier-", dir=memory))
    yield made
    shutil.rmtree(made)
