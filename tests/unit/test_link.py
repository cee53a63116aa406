"""Which kinds of link work between two places."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pannier.core.errors import PannierError
from pannier.disk.link import COPY, HARDLINK, REFLINK, SYMLINK, clone_fd, probe


def test_links_and_copies_work_within_one_file_system(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "work").mkdir()

    found = probe(str(tmp_path / "store"), str(tmp_path / "work"))

    assert [HARDLINK, SYMLINK, COPY] == [kind for kind in found if kind != REFLINK]
    assert found[0] == REFLINK or REFLINK not in found


def test_between_two_file_systems_there_are_no_hard_links(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or os.stat(other).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("there is no second file system")

    assert [SYMLINK, COPY] == probe(str(other), str(tmp_path))


def test_a_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    probe(str(tmp_path), str(tmp_path))

    assert [] == os.listdir(tmp_path)


def test_a_probe_touches_nothing_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "object").write_text("bytes")

    probe(str(tmp_path), str(tmp_path))

    assert "bytes" == (tmp_path / "object").read_text()


def test_a_place_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises((OSError, PannierError)):
        probe(str(tmp_path / "nowhere"), str(tmp_path))


def test_a_clone_that_does_not_work_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "source").write_text("bytes")
    with (
        open(tmp_path / "source", "rb") as source,
        open("/dev/null", "wb") as null,
        pytest.raises(OSError, match=r"\[Errno"),
    ):
        clone_fd(source.fileno(), null.fileno())

    assert "bytes" == (tmp_path / "source").read_text()
