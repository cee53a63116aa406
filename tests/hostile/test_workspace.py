"""Writers that no time stamp shows, clocks that are wrong, and things that hold no data."""

from __future__ import annotations

import mmap
import os
import socket
import time

from tests.support.crash import World, md5, picture


def test_a_writer_through_mmap_is_never_believed_unchanged(world: World) -> None:
    """Row 22: a page that is dirty in memory moves no time stamp, so the lease must tell."""
    world.write("mapped.bin", b"a" * 8192)
    with open(world.repo / "mapped.bin", "r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        view[0] = ord("b")
        world.dvc("add", "-q", "mapped.bin")
        before = os.stat(world.repo / "mapped.bin").st_mtime_ns
        view[1] = ord("c")
        os.utime(world.repo / "mapped.bin", ns=(before, before))

        status = world.run("status", "mapped.bin.dvc")

    assert "modified" in status.stdout, str(status)


def test_a_file_that_is_open_for_writing_is_read_again(world: World) -> None:
    world.write("log", b"first\n")
    with open(world.repo / "log", "ab", buffering=0) as file:
        world.dvc("add", "-q", "log")
        file.write(b"second\n")

        status = world.run("status", "log.dvc")

    assert "modified" in status.stdout
    assert b"first\nsecond\n" == (world.repo / "log").read_bytes()


def test_files_of_any_age_are_tracked_and_edits_of_any_age_noticed(world: World) -> None:
    """Row 23: file times far in the past and the future, and an edit that sets them back."""
    year_s = 365 * 24 * 3600
    for number, shift in enumerate((-10 * year_s, 10 * year_s, 0)):
        stamp = (time.time() + shift, time.time() + shift)
        path = f"file{number}"
        world.write(path, b"one\n")
        os.utime(world.repo / path, stamp)
        world.dvc("add", "-q", path)
        (world.repo / path).write_bytes(b"two\n")
        os.utime(world.repo / path, stamp)

    status = world.run("status")

    assert 3 == status.stdout.count("modified:"), str(status)
    world.dvc("commit", "-q", "-f")
    assert b"two\n" == picture(world).objects()[md5(b"two\n")]


def test_a_socket_is_refused_by_name(world: World) -> None:
    """Row 17."""
    (world.repo / "new").mkdir()
    with socket.socket(socket.AF_UNIX) as made:
        old = os.getcwd()
        os.chdir(world.repo / "new")  # the name of a socket is short
        try:
            made.bind("plug")
        finally:
            os.chdir(old)

        done = world.run("add", "new", seconds=10)

    assert 1 == done.rc
    assert "new/plug" in done.stderr
    assert not (world.repo / "new.dvc").exists()
