"""Worker processes: the same answers as here, errors as errors, nobody left behind."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import sys
from pathlib import Path

import pytest

from pannier.core.errors import PannierError
from pannier.disk import batches, copying
from pannier.disk.pool import Pool, dismiss
from tests.support.programs import run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "d").mkdir()
    for number in range(40):
        (tmp_path / "d" / str(number)).write_bytes(b"%d" % number)
    return tmp_path / "d"


def calls(folder: Path, size: int = 5) -> list[tuple[str, list[str], str]]:
    return [
        (str(folder), [str(n) for n in range(at, at + size)], "md5") for at in range(0, 40, size)
    ]


def children() -> set[str]:
    """Our own children that live."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_workers_give_the_answers_of_this_process(folder: Path, jobs: int) -> None:
    here = [batches.hash_batch(*call) for call in calls(folder)]

    with Pool(batches, 8, jobs) as pool:
        found = dict(pool.map("hash_batch", calls(folder)))

    assert dict(enumerate(here)) == found
    assert hashlib.md5(b"7").digest() == found[1][0][32:48]


def test_little_work_is_done_right_here(folder: Path) -> None:
    before = children()
    with Pool(batches, 3, 2):
        during = children()

    assert before == during


def test_workers_are_used_again_and_gone_when_they_are_dismissed(folder: Path) -> None:
    dismiss()
    before = children()
    used = []
    for _ in range(2):
        with Pool(batches, 8, 2) as pool:
            list(pool.map("hash_batch", calls(folder)))
            used.append(children() - before)

    assert 2 == len(used[0])
    assert used[0] == used[1]

    dismiss()

    assert before == children()


def test_more_calls_than_workers_can_hold_all_come_back(folder: Path) -> None:
    many = calls(folder) * 30

    with Pool(batches, len(many), 2) as pool:
        numbers = [number for number, _ in pool.map("hash_batch", many)]

    assert list(range(240)) == sorted(numbers)


def test_big_questions_and_big_answers_do_not_block_each_other(tmp_path: Path) -> None:
    """Both exceed what a pipe holds."""
    names = ["n" * 200 + str(number) for number in range(5000)]
    many = [(str(tmp_path), names, "md5")] * 8

    with Pool(batches, len(many), 2) as pool:
        answers = [columns for _, columns in pool.map("hash_batch", many)]

    assert 8 == len(answers)
    assert all(len(errors) == 5000 for *_, errors in answers)


def test_no_calls_give_no_answers(folder: Path) -> None:
    with Pool(batches, 8, 2) as pool:
        assert [] == list(pool.map("hash_batch", []))


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_the_system_refuses_in_a_worker_is_raised_here(folder: Path, jobs: int) -> None:
    bad = [*calls(folder), ("/nowhere/at/all", ["x"], "md5")]

    with Pool(batches, 8, jobs) as pool, pytest.raises(FileNotFoundError) as caught:
        list(pool.map("hash_batch", bad))

    assert (errno.ENOENT, "/nowhere/at/all") == (caught.value.errno, caught.value.filename)


def test_a_fault_in_a_worker_is_no_silence(folder: Path) -> None:
    with Pool(batches, 8, 2) as pool, pytest.raises(PannierError, match="a worker process failed"):
        list(pool.map("hash_batch", [(str(folder), 3, "md5")] * 8))


def test_a_worker_that_dies_is_no_silence(folder: Path) -> None:
    dismiss()
    before = children()
    with Pool(batches, 8, 2) as pool:
        for pid in children() - before:
            os.kill(int(pid), signal.SIGKILL)

        with pytest.raises((PannierError, BrokenPipeError)):
            list(pool.map("hash_batch", calls(folder)))
    with Pool(batches, 8, 2) as pool:
        again = list(pool.map("hash_batch", calls(folder)))
    dismiss()

    assert len(calls(folder)) == len(again)
    assert before == children()


def test_who_stops_listening_leaves_no_worker_behind(folder: Path) -> None:
    dismiss()
    before = children()
    with Pool(batches, 100, 2) as pool:
        next(iter(pool.map("hash_batch", calls(folder) * 20)))
    dismiss()

    assert before == children()


def test_ctrl_c_is_for_this_process_not_for_the_workers(folder: Path) -> None:
    before = children()
    with Pool(batches, 8, 2) as pool:
        list(pool.map("hash_batch", calls(folder)))  # they are up and have read their signals
        for pid in children() - before:
            os.kill(int(pid), signal.SIGINT)

        assert 8 == len(list(pool.map("hash_batch", calls(folder))))


def test_workers_import_no_more_than_they_need(folder: Path) -> None:
    program = f"""
import sys; sys.path.insert(0, {os.path.dirname(os.path.dirname(batches.__file__) + "/..")!r})
import pannier.disk.pool, pannier.disk.batches, pannier.disk.copying
print(*sorted(name for name in sys.modules if name.startswith("pannier.")))
"""
    loaded = run([sys.executable, "-I", "-c", program], check=True).stdout.split()

    assert {"pannier.disk", "pannier.core"} == {".".join(name.split(".")[:2]) for name in loaded}


def test_other_modules_can_be_worked_for_too(folder: Path, tmp_path: Path) -> None:
    rows = [([(str(folder / str(n)), str(tmp_path / f"copy{n}"), "")], 0o644) for n in range(8)]

    with Pool(copying, 8, 2) as pool:
        found = dict(pool.map("copy_batch", rows))

    assert [(0, hashlib.md5(b"3").hexdigest(), "")] == found[3][2]
    assert b"3" == (tmp_path / "copy3").read_bytes()
