"""Hashing files, and telling whether somebody writes to them (docs/formats.md, section 2)."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pannier.core.digest import LEGACY, MD5
from pannier.disk.hashing import (
    CHUNK,
    drop_lease,
    hash_bytes,
    hex_of_file,
    holds_lease_briefly,
    legacy_md5_of_fd,
    looks_like_text,
    md5_of_fd,
    prepare_leases,
    take_lease,
)

EXAMPLES = {
    b"a\r\nb\r\n": ("59b0d7772f0561efb95518f3cb8abc60", "dd8c6a395b5dd36c56d23275028f526c"),
    b"hello\n": ("b1946ac92492d2347c6235b4d2611184", "b1946ac92492d2347c6235b4d2611184"),
    b"\0\x01bin": ("aa1e316687756584560121c5fbe78c3c", "aa1e316687756584560121c5fbe78c3c"),
    b"": ("d41d8cd98f00b204e9800998ecf8427e", "d41d8cd98f00b204e9800998ecf8427e"),
}


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    fd = os.open(path, flags)
    try:
        yield fd
    finally:
        os.close(fd)


@pytest.mark.parametrize("data", EXAMPLES)
def test_the_examples_of_the_format(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "f"
    path.write_bytes(data)
    plain, legacy = EXAMPLES[data]

    assert plain == hex_of_file(str(path), MD5) == hash_bytes(data, MD5)
    assert legacy == hex_of_file(str(path), LEGACY) == hash_bytes(data, LEGACY)


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 256 * 1024 + 1, CHUNK, 3 * CHUNK + 5])
@pytest.mark.parametrize("wrong", [-1, 0, 1])
def test_all_bytes_count_whatever_size_was_announced(tmp_path: Path, size: int, wrong: int) -> None:
    data = os.urandom(size)
    (tmp_path / "f").write_bytes(data)

    with opened(tmp_path / "f") as fd:
        digest, count = md5_of_fd(fd, max(0, size + wrong))

    assert (hashlib.md5(data).digest(), size) == (digest, count)


def test_the_caller_hears_of_every_chunk_of_a_big_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * (2 * CHUNK + 7))
    heard: list[int] = []

    with opened(tmp_path / "f") as fd:
        md5_of_fd(fd, 2 * CHUNK + 7, heard.append)

    assert [CHUNK, CHUNK, 7] == heard


def test_the_old_way_counts_the_bytes_that_were_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"a\r\n")

    with opened(tmp_path / "f") as fd:
        assert 3 == legacy_md5_of_fd(fd)[1]


@pytest.mark.parametrize(
    ("chunk", "text"),
    [
        (b"", True),
        (b"plain\ttext\r\n\f\b", True),
        (b"a\0b", False),
        (b"a" * 512 + b"\0", True),
        (b"\xff" * 3 + b"a" * 7, True),
        (b"\xff" * 4 + b"a" * 7, False),
        (b"\x7f", False),
        ("é".encode(), False),
    ],
)
def test_what_looks_like_text(chunk: bytes, text: bool) -> None:
    assert text == looks_like_text(chunk)


def test_a_file_that_nobody_writes_to_is_settled(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")

    with opened(tmp_path / "f") as fd:
        assert take_lease(fd)


def test_a_file_open_for_writing_is_not_settled(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")

    with opened(tmp_path / "f", os.O_WRONLY), opened(tmp_path / "f") as fd:
        assert not take_lease(fd)


def test_a_file_mapped_for_writing_is_not_settled_though_it_is_closed(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x" * 4096)
    with opened(tmp_path / "f", os.O_RDWR) as writing:
        mapped = mmap.mmap(writing, 4096)

    with opened(tmp_path / "f") as fd:
        assert not take_lease(fd)
    mapped.close()


def test_a_lease_that_was_given_back_keeps_no_writer_waiting(tmp_path: Path) -> None:
    prepare_leases()
    (tmp_path / "f").write_text("x")

    with opened(tmp_path / "f") as fd:
        assert take_lease(fd)
        drop_lease(fd)

        with opened(tmp_path / "f", os.O_WRONLY | os.O_NONBLOCK):
            pass


def test_a_writer_does_not_wait_while_a_long_file_is_read() -> None:
    assert holds_lease_briefly(1 << 20)
    assert not holds_lease_briefly((1 << 20) + 1)
