"""Copying a file while hashing it."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from pannier.core.digest import LEGACY
from pannier.disk.copying import OBJECT_MODE, WHOLE_MAX, copy_hashing, copy_object, copy_objects

SIZES = [0, 1, 100_000, WHOLE_MAX, WHOLE_MAX + 1, 3 * WHOLE_MAX + 17]
WRONG = "0" * 32


def md5_of(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def make(folder: Path, data: bytes) -> str:
    path = folder / "source"
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("size", SIZES)
def test_a_copy_has_the_bytes_and_their_digest(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    target = tmp_path / "target"

    row = copy_object(make(tmp_path, data), str(target), md5_of(data), 0o666)

    assert (md5_of(data), size, 0, "") == row
    assert data == target.read_bytes()


@pytest.mark.parametrize("claimed", [0, 5, 2 * WHOLE_MAX])
def test_a_file_of_another_size_than_was_seen_is_copied_whole(tmp_path: Path, claimed: int) -> None:
    data = os.urandom(100)
    source = os.open(make(tmp_path, data), os.O_RDONLY)
    target = os.open(tmp_path / "target", os.O_RDWR | os.O_CREAT)

    digest = copy_hashing(source, target, claimed, "target")

    assert md5_of(data) == digest.hex()
    assert data == os.pread(target, 1000, 0)


def test_the_legacy_digest_is_of_text_with_unix_line_ends(tmp_path: Path) -> None:
    data = b"a\r\nb\r\n" * 1_000_000
    source = os.open(make(tmp_path, data), os.O_RDONLY)
    target = os.open(tmp_path / "target", os.O_RDWR | os.O_CREAT)

    digest = copy_hashing(source, target, len(data), "target", LEGACY)

    assert data == os.pread(target, len(data) + 1, 0)
    whole_chunks = [data[at : at + (1 << 20)] for at in range(0, len(data), 1 << 20)]
    assert md5_of(b"".join(c.replace(b"\r\n", b"\n") for c in whole_chunks)) == digest.hex()


@pytest.mark.parametrize("size", [10, WHOLE_MAX + 1])
def test_a_copy_with_another_digest_is_removed(tmp_path: Path, size: int) -> None:
    target = tmp_path / "target"

    row = copy_object(make(tmp_path, bytes(size)), str(target), WRONG, 0o666)

    assert (md5_of(bytes(size)), size, 0, "") == row
    assert not target.exists()


def test_what_fails_names_the_side_it_failed_on(tmp_path: Path) -> None:
    source = make(tmp_path, b"x")
    none, there = str(tmp_path / "none"), make(tmp_path, b"y")

    rows = copy_objects(
        [(none, str(tmp_path / "a"), ""), (source, there, ""), (str(tmp_path), none, "")], 0o666
    )

    assert [
        ("", 0, errno.ENOENT, none),
        ("", 0, errno.EEXIST, there),
        ("", 0, errno.EISDIR, str(tmp_path)),
    ] == rows
    assert ["source"] == [path.name for path in tmp_path.iterdir()]


def test_objects_are_read_only_whatever_the_umask(tmp_path: Path) -> None:
    target = tmp_path / "target"
    old = os.umask(0o077)
    try:
        copy_object(make(tmp_path, b"x"), str(target), "", OBJECT_MODE)
    finally:
        os.umask(old)

    assert 0o444 == target.stat().st_mode & 0o777


def test_a_big_copy_tells_its_progress_and_can_be_stopped(tmp_path: Path) -> None:
    source = make(tmp_path, bytes(2 * WHOLE_MAX))
    told: list[int] = []

    copy_object(source, str(tmp_path / "a"), "", 0o666, told.append)

    assert 2 * WHOLE_MAX == sum(told)
    assert len(told) > 1

    class Enough(Exception): ...

    def stop(_: int) -> None:
        raise Enough

    with pytest.raises(Enough):
        copy_object(source, str(tmp_path / "b"), "", 0o666, stop)
    assert not (tmp_path / "b").exists()
