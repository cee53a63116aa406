"""Every change of a file: what each primitive leaves, and what it refuses."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pannier.core.errors import DiskError, NoSpace
from pannier.disk import clock, fsio, trees


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


# -- write_atomic ----


def test_a_new_file_gets_the_mode_that_the_umask_leaves(tmp_path: Path, umask: None) -> None:
    fsio.write_atomic(str(tmp_path / "f"), b"new")

    assert b"new" == (tmp_path / "f").read_bytes()
    assert 0o640 == mode_of(tmp_path / "f")


def test_an_existing_file_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / "f").chmod(0o604)

    fsio.write_atomic(str(tmp_path / "f"), b"new")

    assert (b"new", 0o604) == ((tmp_path / "f").read_bytes(), mode_of(tmp_path / "f"))


def test_a_mode_that_is_asked_for_is_the_mode(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")

    fsio.write_atomic(str(tmp_path / "f"), b"secret", mode=0o600)

    assert 0o600 == mode_of(tmp_path / "f")


def test_who_reads_the_old_file_goes_on_reading_it(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    with open(tmp_path / "f", "rb") as reading:
        fsio.write_atomic(str(tmp_path / "f"), b"newer")

        assert b"old" == reading.read()


def test_a_link_stays_a_link_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real/f")

    fsio.write_atomic(str(tmp_path / "link"), b"new")

    assert "real/f" == os.readlink(tmp_path / "link")
    assert b"new" == (tmp_path / "real" / "f").read_bytes()


def test_nothing_but_the_file_is_left(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()

    fsio.write_atomic(str(tmp_path / "f"), b"x", scratch=str(tmp_path / "scratch"))

    assert ["f", "scratch"] == sorted(os.listdir(tmp_path))
    assert [] == os.listdir(tmp_path / "scratch")


def test_a_scratch_folder_on_another_file_system_does_not_matter(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or os.stat(other).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("there is no second file system")
    before = set(os.listdir(other))

    fsio.write_atomic(str(tmp_path / "f"), b"x", scratch=str(other))

    assert (["f"], b"x") == (os.listdir(tmp_path), (tmp_path / "f").read_bytes())
    assert not [name for name in set(os.listdir(other)) - before if "pannier" in name]


def test_a_write_that_fails_names_the_file_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()

    with pytest.raises(DiskError) as caught:
        fsio.write_atomic(str(tmp_path / "f"), b"x")

    assert (str(tmp_path / "f"), errno.EISDIR) == (caught.value.path, caught.value.errno)
    assert ["f"] == os.listdir(tmp_path)


def test_a_full_disk_is_told_as_such() -> None:
    with pytest.raises(NoSpace):
        fsio.fail(OSError(errno.ENOSPC, "x"), "/x")
    with pytest.raises(NoSpace):
        fsio.fail(OSError(errno.EDQUOT, "x"), "/x")
    assert "ulimit" in (fsio.disk_error(OSError(errno.EMFILE, "x"), "/x").hint or "")
    assert "read-only" in (fsio.disk_error(OSError(errno.EROFS, "x"), "/x").hint or "")


# -- names ----


def test_publishing_gives_a_free_name(tmp_path: Path) -> None:
    (tmp_path / "staged").write_text("new")

    assert fsio.publish(str(tmp_path / "staged"), str(tmp_path / "name"))
    assert ["name"] == os.listdir(tmp_path)


def test_publishing_never_overwrites_and_keeps_what_was_staged(tmp_path: Path) -> None:
    (tmp_path / "staged").write_text("new")
    (tmp_path / "name").write_text("old")

    assert not fsio.publish(str(tmp_path / "staged"), str(tmp_path / "name"))
    assert "old" == (tmp_path / "name").read_text()
    assert "new" == (tmp_path / "staged").read_text()


def test_publishing_into_nowhere_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "staged").write_text("new")

    with pytest.raises(FileNotFoundError):
        fsio.publish(str(tmp_path / "staged"), str(tmp_path / "no" / "name"))


def test_two_names_are_swapped_in_one_step(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").mkdir()

    assert fsio.exchange(str(tmp_path / "a"), str(tmp_path / "b"))
    assert "a" == (tmp_path / "b").read_text()
    assert (tmp_path / "a").is_dir()


def test_swapping_with_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")

    with pytest.raises(FileNotFoundError):
        fsio.exchange(str(tmp_path / "a"), str(tmp_path / "b"))
    assert "a" == (tmp_path / "a").read_text()


def test_an_open_file_gets_one_more_name_whatever_its_own_means_by_now(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("read")
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    folder = os.open(tmp_path, os.O_RDONLY)
    (tmp_path / "other").write_text("other")
    os.rename(tmp_path / "other", tmp_path / "f")
    (tmp_path / "g").write_text("")  # else the inode has no name left, and Linux links no such

    with pytest.raises(FileNotFoundError):
        fsio.link_open_file(fd, folder, "name")
    os.close(fd)
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    os.rename(tmp_path / "f", tmp_path / "moved")
    fsio.link_open_file(fd, folder, "name")
    os.close(fd)
    os.close(folder)

    assert os.path.samefile(tmp_path / "moved", tmp_path / "name")


def test_a_new_file_is_never_one_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")

    with pytest.raises(FileExistsError):
        fsio.create_new(str(tmp_path / "f"))


# -- folders ----


def test_folders_are_made_up_to_the_last_and_existing_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o700)

    fsio.make_dirs(str(tmp_path / "a" / "b" / "c"))
    fsio.make_dirs(str(tmp_path / "a" / "b" / "c"))

    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert 0o700 == mode_of(tmp_path / "a")


def test_a_file_where_a_folder_belongs_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")

    with pytest.raises(FileExistsError):
        fsio.make_dir(str(tmp_path / "a"))
    assert not fsio.make_dir(str(tmp_path))


def test_removing_a_tree_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "f").write_text("x")
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "dir-link").symlink_to(tmp_path / "kept")
    (tmp_path / "tree" / "file-link").symlink_to(tmp_path / "kept" / "f")

    trees.remove_tree(str(tmp_path / "tree"))

    assert ["kept"] == os.listdir(tmp_path)
    assert "x" == (tmp_path / "kept" / "f").read_text()


def test_removing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    trees.remove_tree(str(tmp_path / "nowhere"))

    assert not fsio.remove_if_there(str(tmp_path / "nowhere"))


# -- time ----


def test_the_clock_is_the_file_systems_own(tmp_path: Path) -> None:
    (tmp_path / "before").write_text("x")
    now = clock.clock_ns(str(tmp_path / "scratch"))
    (tmp_path / "after").write_text("x")

    assert (
        (tmp_path / "before").stat().st_mtime_ns <= now <= (tmp_path / "after").stat().st_mtime_ns
    )
    assert [] == os.listdir(tmp_path / "scratch")


def test_a_link_that_waits_for_the_clock_is_not_written_through(tmp_path: Path) -> None:
    """In the folder of a cache that a group shares, somebody may guess names."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / f"clock-{os.getpid()}").symlink_to(precious)

    assert clock.clock_ns(str(scratch)) > 0
    assert precious.read_text() == "precious"


def test_where_nothing_can_be_written_the_machines_clock_must_do() -> None:
    assert clock.clock_ns("/proc/nowhere") > 1_700_000_000_000_000_000


# -- flushing ----


def test_a_barrier_flushes_named_files_that_exist(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with fsio.barrier(str(tmp_path)) as barrier:
        barrier.flush([str(tmp_path / "f")])
        barrier.flush()

        with pytest.raises(FileNotFoundError):
            barrier.flush([str(tmp_path / "gone")])


def test_a_folder_that_is_not_there_has_no_barrier(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        fsio.Barrier(str(tmp_path / "nowhere"))
