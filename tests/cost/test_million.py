"""A million files: added and checked out within one GiB of memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.crash_disks import needs_root, small_disk
from tests.support.programs import our_program

GIB = 1 << 30
CONFIG = "[core]\n    no_scm = true\n[cache]\n    type = hardlink\n"


def make_files(root: Path, count: int) -> None:
    """count small files, 1,000 a folder, all different."""
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc/config").write_text(CONFIG)
    for folder in range(count // 1000):
        place = root / "data" / f"folder-{folder:04}"
        place.mkdir(parents=True)
        folder_fd = os.open(place, os.O_RDONLY)
        for number in range(1000):
            fd = os.open(f"{number:03}.txt", os.O_WRONLY | os.O_CREAT, dir_fd=folder_fd)
            os.write(fd, b"%d" % (folder * 1000 + number))
            os.close(fd)
        os.close(folder_fd)


# A process keeps the peak of the one that it was started from: so an empty Python starts it.
LAUNCHER = """
import os, sys
null = os.open(os.devnull, os.O_WRONLY)
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ,
                      file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
_, status, used = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), used.ru_maxrss)
"""


def peak_bytes(root: Path, *args: str) -> int:
    """The most memory that one process of the command had at a time."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCHER, our_program().path, *args],
        cwd=root,
        env={**os.environ, "XDG_CACHE_HOME": f"{root}/xdg"},
        stdout=subprocess.PIPE,
        check=True,
    )
    code, peak = map(int, done.stdout.split())
    assert code == 0
    return peak * 1024


def add_and_checkout(root: Path, count: int) -> tuple[int, int]:
    """The peaks of `add` and of `checkout` into an empty workspace."""
    make_files(root, count)
    added = peak_bytes(root, "add", "-q", "data")
    subprocess.run(["rm", "-rf", root / "data"], check=True)
    brought = peak_bytes(root, "checkout", "-q")
    return added, brought


@pytest.fixture
def roomy(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 12 << 20) as place:
        yield place


def test_the_measure_measures(tmp_path: Path) -> None:
    assert 10 << 20 < peak_bytes(tmp_path, "version") < 60 << 20


def test_memory_grows_by_less_than_800_bytes_a_file(tmp_path: Path) -> None:
    """From 20,000 files to 60,000: everything that is there anyway is left out."""
    few = add_and_checkout(tmp_path / "few", 20_000)
    many = add_and_checkout(tmp_path / "many", 60_000)

    grown = [(more - less) / 40_000 for less, more in zip(few, many, strict=True)]
    assert max(grown) <= 800, f"bytes a file, add and checkout: {grown}"


@pytest.mark.long
@pytest.mark.root
@needs_root
def test_a_million_files_fit_into_a_gibibyte(roomy: Path) -> None:
    count = int(os.environ.get("PANNIER_TEST_FILES", 1_000_000))
    few = add_and_checkout(roomy / "few", count // 10)
    subprocess.run(["rm", "-rf", roomy / "few"], check=True)
    many = add_and_checkout(roomy / "many", count)

    grown = [(more - less) / (count * 0.9) for less, more in zip(few, many, strict=True)]
    print(f"peaks {few} {many}, bytes a file from a tenth on: {grown}")
    assert max(many) <= GIB, f"peaks of add and checkout: {many}"
    assert max(grown) <= 800, f"bytes a file, add and checkout: {grown}"
