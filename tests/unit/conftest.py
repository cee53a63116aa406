"""A remote in memory, for the tests of what is sent and read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pannier.store import schemes, transfer
from tests.support import memory_transport
from tests.support.memory_transport import Place, place_of


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(schemes._TRANSPORTS, memory_transport.SCHEME, memory_transport.WHERE)
    # The pauses between tries are long enough to be felt; how long is not what is tested here.
    monkeypatch.setattr(transfer, "_FIRST_PAUSE_S", 0.001)
    return f"memory:/{tmp_path}"


@pytest.fixture
def place(url: str) -> Place:
    return place_of(url)
