"""Copying and hashing in one pass."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import stat
from array import array
from pathlib import Path

import pytest

from pannier.disk import continuing
from pannier.disk.copying import (
    BIG,
    OBJECT_MODE,
    WHOLE_MAX,
    copy_batch,
    copy_hashing,
    copy_object,
)


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.mark.parametrize("size", [0, 1, WHOLE_MAX, WHOLE_MAX + 1, 2 * WHOLE_MAX + 3])
def test_a_copy_is_the_bytes_and_its_digest_is_theirs(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "s").write_bytes(data)

    row = copy_object(str(tmp_path / "s"), str(tmp_path / "t"), md5(data), 0o644)

    assert (md5(data), size, 0, "") == row
    assert data == (tmp_path / "t").read_bytes()


@pytest.mark.parametrize("announced", [0, 5, 100])
def test_a_file_that_is_not_as_long_as_announced_is_copied_as_it_is(
    tmp_path: Path, announced: int
) -> None:
    (tmp_path / "s").write_bytes(b"0123456789")
    source = os.open(tmp_path / "s", os.O_RDONLY)
    target = os.open(tmp_path / "t", os.O_RDWR | os.O_CREAT)

    digest = copy_hashing(source, target, announced, "t")
    os.close(source)
    os.close(target)

    assert md5(b"0123456789") == digest.hex()
    assert b"0123456789" == (tmp_path / "t").read_bytes()


def test_a_clone_that_does_not_work_becomes_a_copy(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"bytes")
    source = os.open(tmp_path / "s", os.O_RDONLY)
    target = os.open(tmp_path / "t", os.O_RDWR | os.O_CREAT)

    digest = copy_hashing(source, target, 5, "t", clone=True)
    os.close(source)
    os.close(target)

    assert (md5(b"bytes"), b"bytes") == (digest.hex(), (tmp_path / "t").read_bytes())


def test_the_caller_hears_of_every_byte_of_a_big_file(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(bytes(WHOLE_MAX + 1))
    heard: list[int] = []

    copy_object(str(tmp_path / "s"), str(tmp_path / "t"), "", 0o644, heard.append)

    assert WHOLE_MAX + 1 == sum(heard)
    assert len(heard) > 1


def test_who_no_longer_wants_a_big_copy_gets_none(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(bytes(3 * WHOLE_MAX))

    def stop(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_object(str(tmp_path / "s"), str(tmp_path / "t"), "", 0o644, stop)
    assert ["s"] == os.listdir(tmp_path)


def test_a_copy_of_the_wrong_bytes_does_not_stay(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"other")

    row = copy_object(str(tmp_path / "s"), str(tmp_path / "t"), md5(b"bytes"), 0o644)

    assert (md5(b"other"), 5, 0, "") == row
    assert ["s"] == os.listdir(tmp_path)


def test_what_goes_wrong_names_the_side_that_it_is_about(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"x")
    (tmp_path / "d").mkdir()
    source, target, nowhere = (str(tmp_path / name) for name in ("s", "t", "nowhere"))

    codes, sizes, odd = copy_batch(
        [
            (nowhere, target, ""),
            (source, f"{nowhere}/t", ""),
            (source, source, ""),
            (str(tmp_path / "d"), target, ""),
            (source, target, md5(b"x")),
            (source, f"{target}2", ""),
            (source, f"{target}3", md5(b"y")),
        ],
        0o644,
    )

    assert [errno.ENOENT, errno.ENOENT, errno.EEXIST, errno.EISDIR, 0, 0, 0] == list(
        array("i", codes)
    )
    assert [1, 1, 1] == list(array("q", sizes))[4:]
    assert [
        (0, "", nowhere),
        (1, "", f"{nowhere}/t"),
        (2, "", source),
        (3, "", str(tmp_path / "d")),
        (5, md5(b"x"), ""),
        (6, md5(b"x"), ""),
    ] == odd
    assert ["d", "s", "t", "t2"] == sorted(os.listdir(tmp_path))


def test_a_batch_leaves_big_files_to_others(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(bytes(WHOLE_MAX + 1))

    codes, _, odd = copy_batch([(str(tmp_path / "s"), str(tmp_path / "t"), "")], 0o644)

    assert [BIG] == list(array("i", codes))
    assert [] == odd
    assert ["s"] == os.listdir(tmp_path)


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_objects_are_readable_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    (tmp_path / "s").write_bytes(b"x")
    items = [(str(tmp_path / "s"), str(tmp_path / name), md5(b"x")) for name in ("t", "u")]
    before = os.umask(umask)
    try:
        copy_batch(items, OBJECT_MODE)
    finally:
        os.umask(before)

    assert {OBJECT_MODE} == {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("t", "u")}


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "s")

    assert errno.EISDIR == copy_object(str(tmp_path / "s"), str(tmp_path / "t"), "", 0o644)[2]
    assert not (tmp_path / "t").exists()


def test_an_object_is_read_only_whatever_the_umask(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"x")
    before = os.umask(0o077)
    try:
        copy_object(str(tmp_path / "s"), str(tmp_path / "t"), "", OBJECT_MODE)
    finally:
        os.umask(before)

    assert 0o444 == stat.S_IMODE(os.stat(tmp_path / "t").st_mode)


@pytest.mark.parametrize("damaged_at", [None, 3 << 20, 0])
def test_a_copy_goes_on_behind_what_is_the_same(tmp_path: Path, damaged_at: int | None) -> None:
    data = random.Random(1).randbytes((9 << 20) + 5)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(data)
    there = bytearray(data[: (5 << 20) + 7])
    if damaged_at is not None:
        there[damaged_at] ^= 1
    target.write_bytes(there)
    written: list[int] = []

    copied = continuing.copy_on(str(source), str(target), md5(data), 0o444, written.append)

    assert (md5(data), len(data), 0, "") == copied
    assert data == target.read_bytes()
    kept = len(there) if damaged_at is None else damaged_at
    assert len(data) - kept == sum(written)


def test_a_continued_copy_with_another_digest_leaves_no_file(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"changed since")
    target.write_bytes(b"ch")

    copied = continuing.copy_on(str(source), str(target), "0" * 32, 0o444, lambda count: None)

    assert "0" * 32 != copied[0]
    assert not target.exists()
