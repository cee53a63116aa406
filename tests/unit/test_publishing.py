"""From staged bytes to objects; and what the dead leave behind."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pannier.store.objects import Store
from pannier.store.publishing import Staging, sweep
from pannier.store.statcache import StatCache
from tests.support.opened import make_read_only_file

BOOT = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "cache"), StatCache(None))


def stage(staging: Staging, number: int, data: bytes) -> tuple[int, str]:
    Path(staging.file(number)).write_bytes(data)
    return number, md5(data)


def test_staged_files_become_objects_each_name_once(store: Store) -> None:
    with Staging(store) as staging:
        items = [stage(staging, n, data) for n, data in enumerate((b"a", b"b", b"a"))]
        staging.publish(items)

    assert {md5(b"a"), md5(b"b")} == set(store.listing())
    assert b"a" == store.read(md5(b"a"))
    assert [] == os.listdir(f"{store.root}/tmp")


def test_more_files_than_are_flushed_one_by_one_become_objects_too(store: Store) -> None:
    with Staging(store) as staging:
        staging.publish([stage(staging, n, b"%d" % n) for n in range(700)])

    assert 700 == len(list(store.listing()))


def test_nothing_staged_is_nothing_published(store: Store) -> None:
    with Staging(store) as staging:
        staging.publish([])

    assert [] == list(store.listing())


def test_an_object_that_somebody_published_meanwhile_stays_when_it_is_good(store: Store) -> None:
    with Staging(store) as staging:
        item = stage(staging, 0, b"a")
        make_read_only_file(Path(store.path(md5(b"a"))), b"a")
        inode = os.stat(store.path(md5(b"a"))).st_ino

        staging.publish([item])

    assert inode == os.stat(store.path(md5(b"a"))).st_ino


def test_an_object_that_somebody_published_meanwhile_goes_when_it_is_damaged(store: Store) -> None:
    with Staging(store) as staging:
        item = stage(staging, 0, b"a")
        make_read_only_file(Path(store.path(md5(b"a"))), b"damaged")

        staging.publish([item])

    assert b"a" == store.read(md5(b"a"))
    assert 1 == len(os.listdir(f"{store.root}/quarantine"))


def test_what_was_published_needs_no_second_reading(store: Store) -> None:
    with Staging(store) as staging:
        staging.publish([stage(staging, 0, b"a")])

    assert any(store.verified_stats([md5(b"a")]))
    assert store.is_flushed(md5(b"a"))


def test_what_failed_is_gone_with_its_folder(store: Store) -> None:
    def fail() -> None:
        with Staging(store) as staging:
            stage(staging, 0, b"a")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [] == os.listdir(f"{store.root}/tmp")
    assert [] == list(store.listing())


# -- leftovers ----


def leftover(store: Store, name: str, *, age_s: int = 0) -> Path:
    folder = Path(store.root) / "tmp" / name
    folder.mkdir(parents=True)
    (folder / "0").write_text("staged")
    if age_s:
        then = folder.stat().st_mtime - age_s
        os.utime(folder, (then, then))
    return folder


def a_dead_pid() -> int:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    return gone.pid


def test_the_folder_of_a_dead_process_is_swept(store: Store) -> None:
    folder = leftover(store, f"{BOOT}-{a_dead_pid()}-00000000")

    sweep(store)

    assert not folder.exists()


def test_the_folder_of_a_live_process_stays(store: Store) -> None:
    folder = leftover(store, f"{BOOT}-{os.getpid()}-00000000", age_s=10**6)

    sweep(store)

    assert folder.exists()


def test_a_folder_that_somebody_has_locked_stays(store: Store) -> None:
    folder = leftover(store, f"{BOOT}-{a_dead_pid()}-00000000")
    fd = os.open(folder, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)

    sweep(store)
    os.close(fd)

    assert folder.exists()


def test_the_folder_of_another_machine_stays_for_a_day(store: Store) -> None:
    young = leftover(store, "00000000-1-00000000")
    old = leftover(store, "00000000-1-11111111", age_s=25 * 3600)

    sweep(store)

    assert (True, False) == (young.exists(), old.exists())


def test_what_is_not_ours_stays(store: Store) -> None:
    folder = leftover(store, "something", age_s=10**7)
    file = Path(store.root) / "tmp" / "x.tmp"
    file.write_text("x")

    sweep(store)

    assert folder.exists()
    assert file.exists()
