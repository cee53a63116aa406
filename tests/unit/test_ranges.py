"""Objects at a remote read in parts: few requests, verified where that can be."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pannier.core.digest import LEGACY, MD5
from pannier.core.errors import CorruptObject, NotThere, TransportError, Unreachable
from pannier.disk.hashing import hash_bytes
from pannier.store.ranges import BLOCK_BYTES, WHOLE_BYTES, RemoteObject, Where, read_range
from pannier.store.remote_config import RemoteConfig
from tests.support.memory_transport import MemoryTransport, Place, place_of

MIB = 1 << 20
KEY = "files/md5/ab/cd"
URL = "memory://ranges"
SMALL = b"small " * 1000
BIG = random.Random(1).randbytes(12 * MIB + 345)


@pytest.fixture
def place() -> Iterator[Place]:
    found = place_of(URL)
    yield found
    found.objects.clear()
    found.faults.clear()
    found.forget()


def remote_object(
    data: bytes,
    place: Place,
    size: int | None = None,
    *,
    there: bytes | None = None,
    algorithm: str = MD5,
) -> RemoteObject:
    """An object with data's digest; there: the bytes that the remote has instead."""
    place.objects[KEY] = data if there is None else there
    transport = MemoryTransport(RemoteConfig("far", URL))
    hex = hash_bytes(data, algorithm)
    return RemoteObject(Where(transport, KEY, algorithm, hex, "remote 'far'"), size)


def damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


# -- small ones: whole, and verified first ----


@pytest.mark.parametrize("recorded", [len(SMALL), None])
def test_a_small_object_is_one_request(place: Place, recorded: int | None) -> None:
    file = remote_object(SMALL, place, recorded)

    assert SMALL[100:110] == [file.seek(100), file.read(10)][1]
    assert SMALL == [file.seek(0), file.read()][1]
    assert {"range": 1} == dict(place.requests)


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, WHOLE_BYTES, WHOLE_BYTES + 1])
@pytest.mark.parametrize("is_recorded", [True, False])
def test_objects_of_every_size_are_read_as_they_are(
    place: Place, size: int, is_recorded: bool
) -> None:
    data = BIG[:size]
    file = remote_object(data, place, size if is_recorded else None)

    assert data == file.read()
    assert b"" == file.read()
    assert size == file.size == file.seek(0, io.SEEK_END)


@pytest.mark.parametrize("recorded", [len(SMALL), None])
def test_no_byte_of_a_small_object_is_handed_out_before_all_are_verified(
    place: Place, recorded: int | None
) -> None:
    file = remote_object(SMALL, place, recorded, there=damaged(SMALL, len(SMALL) - 1))

    for _ in range(2):
        with pytest.raises(CorruptObject):
            file.read(1)


@pytest.mark.parametrize("there", [SMALL[:-1], SMALL + b"!", b""])
def test_an_object_of_another_size_is_damaged(place: Place, there: bytes) -> None:
    file = remote_object(SMALL, place, len(SMALL), there=there)

    with pytest.raises(CorruptObject):
        file.read(1)


# -- big ones: in blocks ----


def test_the_end_of_a_big_object_is_read_without_the_rest(place: Place) -> None:
    """As readers of Parquet begin."""
    file = remote_object(BIG, place, len(BIG))

    file.seek(-8, io.SEEK_END)

    assert BIG[-8:] == file.read(8)
    assert {"stat": 1, "range": 1} == dict(place.requests)
    assert place.bytes_out <= BLOCK_BYTES


def test_who_reads_in_order_needs_few_requests_and_every_byte_once(place: Place) -> None:
    file = io.BufferedReader(remote_object(BIG, place, len(BIG)), 64 << 10)

    found = b"".join(iter(lambda: file.read(100_000), b""))

    assert BIG == found
    assert place.bytes_out == len(BIG)
    assert place.requests["range"] <= 5


def test_who_reads_back_and_forth_asks_for_a_block_once(place: Place) -> None:
    file = remote_object(BIG, place, len(BIG))

    for _ in range(5):
        for at in (0, 3 * MIB, 9 * MIB):
            file.seek(at)
            assert BIG[at : at + 10] == file.read(10)

    assert place.requests["range"] == 3


@pytest.mark.parametrize("at", [0, 5 * MIB, len(BIG) - 1])
def test_the_last_bytes_of_a_damaged_big_object_are_never_handed_out(place: Place, at: int) -> None:
    file = remote_object(BIG, place, len(BIG), there=damaged(BIG, at))
    found: list[bytes] = []

    with pytest.raises(CorruptObject):
        found.extend(iter(lambda: file.read(MIB), b""))

    assert len(b"".join(found)) < len(BIG)
    with pytest.raises(CorruptObject):
        file.read(1)


def test_reading_all_of_a_damaged_big_object_gives_nothing(place: Place) -> None:
    file = remote_object(BIG, place, len(BIG), there=damaged(BIG, 77))

    with pytest.raises(CorruptObject):
        file.read()


def test_who_jumps_first_and_reads_all_then_gets_verified_bytes(place: Place) -> None:
    file = remote_object(BIG, place, len(BIG), there=damaged(BIG, 6 * MIB))

    file.seek(9 * MIB)
    file.read(10)
    file.seek(0)

    with pytest.raises(CorruptObject):
        file.read()


@pytest.mark.parametrize("there", [BIG[:-1], BIG + b"!"])
def test_a_big_object_of_another_size_is_damaged(place: Place, there: bytes) -> None:
    file = remote_object(BIG, place, len(BIG), there=there)

    with pytest.raises(CorruptObject):
        file.read(1)


@pytest.mark.parametrize("data", [b"a\r\nb\r\n" * 1000, b"line\r\n" * 2_000_000])
def test_objects_of_before_dvc_3_are_verified_by_their_own_digest(
    place: Place, data: bytes
) -> None:
    good = remote_object(data, place, len(data), algorithm=LEGACY)
    bad = remote_object(data, place, len(data), there=damaged(data, 9), algorithm=LEGACY)

    with pytest.raises(CorruptObject):
        bad.read()
    place.objects[KEY] = data
    assert data == good.read()


@settings(max_examples=60, deadline=None)
@given(
    moves=st.lists(
        st.tuples(st.integers(0, len(BIG) + 5), st.integers(0, 3 * MIB)), min_size=1, max_size=8
    ),
    buffered=st.booleans(),
)
def test_any_moves_give_the_bytes_that_are_there(
    moves: list[tuple[int, int]], buffered: bool
) -> None:
    raw = remote_object(BIG, place_of(URL), len(BIG))
    file = io.BufferedReader(raw, 10_000) if buffered else raw

    for at, count in moves:
        file.seek(at)
        expected = BIG[at : at + count]
        found = file.read(count)

        assert found is not None
        assert expected[: len(found)] == found
        assert bool(expected) == bool(found)
        assert at + len(found) == file.tell()


# -- what goes wrong ----


def test_an_object_that_is_not_there_says_so(place: Place) -> None:
    for size in (None, 10, WHOLE_BYTES + 1):
        file = remote_object(BIG, place, size)
        place.objects.clear()

        with pytest.raises(NotThere):
            file.read(1)


def test_what_fails_for_a_moment_is_asked_again(place: Place) -> None:
    file = remote_object(SMALL, place, len(SMALL))
    place.faults["range", KEY] = [Unreachable("the line is down")]

    assert SMALL == file.read()
    assert 2 == place.requests["range"]


def test_what_fails_for_good_is_not_asked_again(place: Place) -> None:
    file = remote_object(SMALL, place, len(SMALL))
    place.faults["range", KEY] = [TransportError("no")]

    with pytest.raises(TransportError, match="no"):
        file.read()
    assert 1 == place.requests["range"]


def test_a_closed_file_is_read_no_more(place: Place) -> None:
    file = remote_object(SMALL, place, len(SMALL))
    file.close()

    with pytest.raises(ValueError, match="closed"):
        file.read(1)


class Plain:
    """A transport that can read whole objects only."""

    def __init__(self, inner: MemoryTransport) -> None:
        self.read, self.stat = inner.read, inner.stat


def test_a_transport_without_ranges_is_read_whole(place: Place) -> None:
    place.objects[KEY] = SMALL
    plain = Plain(MemoryTransport(RemoteConfig("far", URL)))

    assert SMALL[3:9] == read_range(plain, KEY, 3, 9)  # type: ignore[arg-type]
    assert {"read": 1} == dict(place.requests)
