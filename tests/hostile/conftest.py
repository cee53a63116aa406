from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.crash import Runs


@pytest.fixture(scope="session")
def runs() -> Iterator[Runs]:
    started = Runs()
    yield started
    started.close()
