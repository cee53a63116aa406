"""Everything at once, at random: nothing that was added is lost, and no object lies (D1 to D7).

PANNIER_CHAOS_SECONDS: how long (a minute; an hour when long). PANNIER_CHAOS_SEED: repeats the
choice of operations of a run; it is part of every failure's text.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.chaos import DISK_MIB, Chaos
from tests.support.crash import Runs
from tests.support.crash_disks import small_disk
from tests.support.oracle import Oracle
from tests.support.watchdog import LONGEST_S

ROUNDS_A_WORLD = 60
"""Then all is brought back and a new world begins: the checks look at everything there is."""


@pytest.fixture(scope="module")
def crew() -> Iterator[list[Runs]]:
    with ExitStack() as stack:
        started = [Runs() for _ in range(4)]
        for one in started:
            stack.callback(one.close)
        yield started


def run_chaos(seconds: float, base: Path, crew: list[Runs], oracle: Oracle, seed: str) -> list[str]:
    seed = os.environ.get("PANNIER_CHAOS_SEED") or seed
    print(f"PANNIER_CHAOS_SEED={seed}")
    end = time.monotonic() + seconds
    found: list[str] = []
    worlds = rounds = 0
    ends: Counter[str] = Counter()
    while not found and (worlds == 0 or time.monotonic() < end):
        with ExitStack() as stack:
            place = base / f"world{worlds}"
            is_root = os.geteuid() == 0
            if is_root:
                stack.enter_context(small_disk(place, DISK_MIB * 1024))
            else:
                place.mkdir()
                stack.callback(shutil.rmtree, place)
            chaos = Chaos(place, crew, oracle, f"{seed}:{worlds}", small=is_root)
            for number in range(ROUNDS_A_WORLD):
                chaos.round(number)
                rounds += 1
                if chaos.found or time.monotonic() > end:
                    break
            if not chaos.found:
                chaos.recover()
            found = [f"seed {seed}, world {worlds} ({chaos.kind}): {text}" for text in chaos.found]
        worlds += 1
        ends.update(chaos.ends)
    print(f"{rounds} rounds in {worlds} worlds; commands: {dict(ends)}")
    return found


@pytest.mark.root
def test_a_minute_of_chaos_loses_nothing(base: Path, crew: list[Runs], oracle: Oracle) -> None:
    seconds = float(os.environ.get("PANNIER_CHAOS_SECONDS", 60))

    found = run_chaos(seconds, base, crew, oracle, "03183c42")  # the hour draws another each time

    assert [] == found


@pytest.mark.long
@pytest.mark.root
@pytest.mark.timeout(LONGEST_S)
def test_an_hour_of_chaos_loses_nothing(base: Path, crew: list[Runs], oracle: Oracle) -> None:
    seconds = float(os.environ.get("PANNIER_CHAOS_SECONDS", 3600))

    found = run_chaos(seconds, base, crew, oracle, secrets.token_hex(4))

    assert [] == found
