"""The transport that the other tests use in place of a server keeps the contract too."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

import pytest

from pannier.store import schemes
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import Transport
from tests.contract import test_transport
from tests.support import memory_transport
from tests.support.memory_transport import PAGE, place_of

# All but those that have no sense here: what is in memory ends with the first process, and comes
# as a whole.
ELSEWHERE = {
    "test_a_killed_upload_leaves_no_key_and_can_be_repeated",
    "test_a_download_goes_on_behind_what_is_there",
}
globals().update(
    {
        name: test
        for name, test in vars(test_transport).items()
        if name.startswith("test_") and name not in ELSEWHERE
    }
)


@dataclass(slots=True)
class Memory:
    config: RemoteConfig = field(
        default_factory=lambda: RemoteConfig("place", f"memory://{uuid.uuid4().hex}")
    )
    odd_keys: tuple[str, ...] = ("a//b", "/lead", "a/../b", "./x", "trail/", "a/")
    impossible: str = ""
    page: int = PAGE

    def transport(self) -> Transport:
        return open_transport(self.config)

    def look(self, key: str) -> bytes | None:
        return place_of(self.config.url).objects.get(key)

    def plant(self, key: str, data: bytes) -> None:
        place_of(self.config.url).objects[key] = data

    def keys(self) -> set[str]:
        return set(place_of(self.config.url).objects)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Memory:
    monkeypatch.setitem(schemes._TRANSPORTS, memory_transport.SCHEME, memory_transport.WHERE)
    return Memory()


def test_every_request_is_counted(place: Memory) -> None:
    transport = place.transport()
    transport.write("a", b"123")
    transport.stat("a")
    list(transport.list("a"))
    transport.read("a")

    counted = place_of(place.config.url)
    assert {"write": 1, "stat": 1, "list": 1, "read": 1} == dict(counted.requests)
    assert (3, 3) == (counted.bytes_in, counted.bytes_out)
