"""Files on their way out in parts, answers on their way into a file."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from pannier.core.errors import CorruptObject, DiskError, FileChanged, Unreachable
from pannier.store.transports.s3_bodies import Parts, Sink, open_source, read_whole
from pannier.store.transports.threads import Stopped


def nothing(_: int) -> None: ...


def md5_of(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


def parts_of(path: Path, stop: threading.Event, expected: str = "") -> Parts:
    return Parts(open_source(str(path)), str(path), 4, expected, stop, nothing)


@pytest.mark.parametrize(
    ("data", "wanted"), [(b"", []), (b"abcd", [b"abcd"]), (b"abcdefghi", [b"abcd", b"efgh", b"i"])]
)
def test_all_parts_but_the_last_are_full(
    tmp_path: Path, stop: threading.Event, data: bytes, wanted: list[bytes]
) -> None:
    (tmp_path / "x").write_bytes(data)

    parts = parts_of(tmp_path / "x", stop)

    assert wanted == list(parts)
    assert (md5_of(data), len(data)) == (parts.md5, parts.size)


def test_parts_of_other_bytes_do_not_come_to_an_end(tmp_path: Path, stop: threading.Event) -> None:
    (tmp_path / "x").write_bytes(b"abcdef")
    parts = parts_of(tmp_path / "x", stop, "0" * 32)

    with pytest.raises(CorruptObject) as caught:
        list(parts)

    assert md5_of(b"abcdef") == caught.value.found


def test_nobody_gets_parts_that_are_no_longer_wanted(tmp_path: Path, stop: threading.Event) -> None:
    (tmp_path / "x").write_bytes(b"abcdef")
    parts = parts_of(tmp_path / "x", stop)
    next(parts)
    stop.set()

    with pytest.raises(Stopped):
        next(parts)


def test_a_file_of_another_size_than_was_seen_has_changed(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abcdef")

    for size in (0, 5, 7):
        with pytest.raises(FileChanged):
            read_whole(open_source(str(tmp_path / "x")), size, "x")


def test_a_source_that_is_not_there_is_the_disks_fault(tmp_path: Path) -> None:
    with pytest.raises(DiskError):
        open_source(str(tmp_path / "x"))


def test_a_sink_holds_what_was_added_and_knows_its_digest(
    tmp_path: Path, stop: threading.Event
) -> None:
    told: list[int] = []

    with Sink(str(tmp_path / "x"), stop, told.append) as sink:
        sink.add(b"abc")
        sink.add(memoryview(b"de"))
        done = sink.finish(5, md5_of(b"abcde"), "there")

    assert (md5_of(b"abcde"), 5) == done
    assert b"abcde" == (tmp_path / "x").read_bytes()
    assert [3, 2] == told


@pytest.mark.parametrize(
    ("size", "expected", "kind"), [(6, "", Unreachable), (5, "0" * 32, CorruptObject)]
)
def test_a_sink_that_was_not_filled_rightly_is_gone(
    tmp_path: Path, stop: threading.Event, size: int, expected: str, kind: type[Exception]
) -> None:
    def fill() -> None:
        with Sink(str(tmp_path / "x"), stop, nothing) as sink:
            sink.add(b"abcde")
            sink.finish(size, expected, "there")

    with pytest.raises(kind):
        fill()

    assert [] == os.listdir(tmp_path)


def test_a_sink_that_nobody_wants_any_more_is_gone(tmp_path: Path, stop: threading.Event) -> None:
    def fill() -> None:
        with Sink(str(tmp_path / "x"), stop, nothing) as sink:
            sink.add(b"abc")
            stop.set()
            sink.add(b"de")

    with pytest.raises(Stopped):
        fill()

    assert [] == os.listdir(tmp_path)


def test_a_sink_never_overwrites(tmp_path: Path, stop: threading.Event) -> None:
    (tmp_path / "x").write_bytes(b"mine")

    with pytest.raises(DiskError), Sink(str(tmp_path / "x"), stop, nothing):
        pass

    assert b"mine" == (tmp_path / "x").read_bytes()
