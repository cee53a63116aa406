"""A file that threads share: each reads what it has sought, whatever others do in between."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pannier.api.shared import SharedFile

DATA = bytes(range(250)) * 40
Thread = ThreadPoolExecutor


@pytest.fixture
def file() -> SharedFile:
    return SharedFile(io.BytesIO(DATA), 100)


@pytest.fixture
def one() -> Iterator[Thread]:
    with ThreadPoolExecutor(1) as thread:
        yield thread


@pytest.fixture
def two() -> Iterator[Thread]:
    with ThreadPoolExecutor(1) as thread:
        yield thread


def test_seeks_and_reads_of_two_threads_may_be_mixed(
    file: SharedFile, one: Thread, two: Thread
) -> None:
    one.submit(file.seek, 1000).result()
    two.submit(file.seek, 5000).result()

    assert 1000 == one.submit(file.tell).result()
    assert DATA[1000:1010] == one.submit(file.read, 10).result()
    assert DATA[5000:5300] == two.submit(file.read, 300).result()


def test_who_has_not_sought_goes_on_where_the_file_is(
    file: SharedFile, one: Thread, two: Thread
) -> None:
    one.submit(file.seek, 1000).result()

    found = [thread.submit(file.read, 10).result() for thread in (two, one, two, one)]

    assert DATA[1000:1040] == b"".join(found)


def test_a_seek_from_where_we_are_starts_from_our_own_place(
    file: SharedFile, one: Thread, two: Thread
) -> None:
    one.submit(file.seek, 1000).result()
    two.submit(file.seek, 5000).result()

    assert 1005 == one.submit(file.seek, 5, io.SEEK_CUR).result()
    assert DATA[1005:1015] == one.submit(file.read, 10).result()


def test_it_is_a_file_like_any_other(file: SharedFile) -> None:
    text = SharedFile(io.BytesIO(b"a\nb\n\nc"), 3)
    buffer = bytearray(7)

    assert [b"a\n", b"b\n", b"\n", b"c"] == list(text)
    assert 7 == file.readinto(buffer)
    assert DATA[:7] == bytes(buffer)
    assert DATA[7:57] == file.read1(50)
    assert len(DATA) - 5 == file.seek(-5, io.SEEK_END)
    assert DATA[-5:] == file.read()
    assert b"" == file.read()
