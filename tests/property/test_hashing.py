"""Digests of any bytes are those of real DVC, plain and the old way."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pannier.core.digest import LEGACY, MD5
from pannier.disk.copying import copy_hashing
from pannier.disk.hashing import CHUNK, hash_bytes, hex_of_file, legacy_md5_of_fd
from tests.support.oracle_hashes import OracleHashes

pieces = (
    st.binary(max_size=40)
    | st.text("ab \t\f\b", max_size=20).map(str.encode)
    | st.sampled_from([b"\r\n", b"\r", b"\n", b"\r\r\n", b"\0", b"\x7f", b"\xc3\xa9", b"x" * 511])
)
data = st.lists(pieces, max_size=12).map(b"".join)


@pytest.fixture(scope="module")
def oracle_hashes() -> Iterator[OracleHashes]:
    hashes = OracleHashes()
    yield hashes
    hashes.close()


def all_ways(folder: Path, content: bytes, algorithm: str) -> set[str]:
    """One digest when memory, file, copy and big copy agree."""
    source, target = folder / "source", folder / "target"
    source.write_bytes(content)
    found = {hash_bytes(content, algorithm), hex_of_file(str(source), algorithm)}
    # A source that says it is longer than it is goes the way of big files.
    for size in (len(content), len(content) + (64 << 20)):
        fd = os.open(source, os.O_RDONLY)
        out = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        try:
            found.add(copy_hashing(fd, out, size, str(target), algorithm).hex())
        finally:
            os.close(fd)
            os.close(out)
        assert content == target.read_bytes()
    return found


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(content=data)
def test_any_bytes_have_the_digests_that_real_dvc_gives_them(
    oracle_hashes: OracleHashes, tmp_path: Path, content: bytes
) -> None:
    assert {oracle_hashes.md5(content)} == all_ways(tmp_path, content, MD5)
    assert {oracle_hashes.legacy_md5(content)} == all_ways(tmp_path, content, LEGACY)


def odd_bytes(count: int) -> bytes:
    """A block of 512 bytes, count of them unusual, with line ends to convert."""
    text = b"a\r\n" * 171
    return b"\x01" * count + text[: 512 - count]


AT_THE_BORDER = {
    "the line end is split by the border": b"a" * (CHUNK - 1) + b"\r\n" + b"b\r\n",
    "the line end is just before it": b"a" * (CHUNK - 2) + b"\r\n" + b"b\r\n",
    "the line end is just after it": b"a" * CHUNK + b"\r\nb\r\n",
    "one chunk and nothing more": b"a\r\n" * (CHUNK // 3) + b"\n",
    "binary, then text": b"\0" * CHUNK + b"a\r\nb\r\n",
    "text, then binary": b"a" * (CHUNK - 3) + b"x\r\n" + b"\0\r\n" * 10,
    "text with a NUL behind the first block": b"a\r\n" * 200 + b"\0\r\n",
    "many chunks": (b"a\r\n" * 400_000) + b"\xff" * 600 + b"\r\n" * 900_000,
    "thirty per cent unusual bytes": odd_bytes(153),
    "more than that": odd_bytes(154),
    "longer than what is read at once": b"line\r\n" * (5 << 20),
}


@pytest.mark.parametrize("what", AT_THE_BORDER)
def test_borders_of_chunks_count_as_they_do_in_real_dvc(
    oracle_hashes: OracleHashes, tmp_path: Path, what: str
) -> None:
    content = AT_THE_BORDER[what]

    assert {oracle_hashes.legacy_md5(content)} == all_ways(tmp_path, content, LEGACY)
    assert {oracle_hashes.md5(content)} == all_ways(tmp_path, content, MD5)


def test_the_old_way_reads_whole_chunks_from_a_pipe_that_gives_little_at_a_time() -> None:
    content = b"a" * (CHUNK - 1) + b"\r\n" + b"b\r\n" * 30_000
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        with io.FileIO(writing, "w") as pipe:
            for at in range(0, len(content), 7000):
                pipe.write(content[at : at + 7000])
        os._exit(0)
    os.close(writing)

    digest, count = legacy_md5_of_fd(reading)
    os.close(reading)
    os.waitpid(pid, 0)

    assert (hash_bytes(content, LEGACY), len(content)) == (digest.hex(), count)
