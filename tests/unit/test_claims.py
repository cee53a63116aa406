"""Claims on paths: who reads with whom, what a command inherits, real DVC's own record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pannier.core.errors import PannierError
from pannier.disk.claims import BusyPaths, Claim, Holder, take
from tests.support.programs import started


def claimed(folder: Path, reads: list[str], writes: list[str], what: str = "a") -> Claim:
    found = take(str(folder), what, reads, writes)
    assert isinstance(found, Claim), str(found)
    return found


def test_readers_share_and_a_writer_shares_with_nobody(tmp_path: Path) -> None:
    one = claimed(tmp_path, ["in"], ["a"])
    two = claimed(tmp_path, ["in"], ["b"])

    for reads, writes in (([], ["in"]), (["a"], ["c"]), ([], ["a"])):
        assert isinstance(take(str(tmp_path), "x", reads, writes), Holder)
    one.release()
    two.release()
    claimed(tmp_path, ["a"], ["in"]).release()


def test_all_paths_are_claimed_or_none(tmp_path: Path) -> None:
    first = claimed(tmp_path, [], ["b"], "train")

    holder = take(str(tmp_path), "x", [], ["a", "b"])

    assert isinstance(holder, Holder)
    assert (os.getpid(), "train", True) == (holder.pid, holder.what, holder.alive)
    claimed(tmp_path, [], ["a"]).release()
    first.release()


def test_a_path_that_is_read_and_written_is_claimed_for_writing(tmp_path: Path) -> None:
    one = claimed(tmp_path, ["a"], ["a"])

    assert isinstance(take(str(tmp_path), "x", ["a"], ["z"]), Holder)
    one.release()


ORPHANING = """
import os, subprocess, sys
sys.path.insert(0, sys.argv[2])
from pannier.disk.claims import take
claim = take(sys.argv[1], "train", [], ["out"])
child = subprocess.Popen(["sleep", "100"], pass_fds=claim.fds, stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_command_that_outlives_its_repro_keeps_the_claim(tmp_path: Path) -> None:
    source = str(Path(sys.modules["pannier"].__path__[0]).parent)
    done = subprocess.run(
        [sys.executable, "-c", ORPHANING, tmp_path, source], stdout=subprocess.PIPE, check=False
    )
    orphan = int(done.stdout)

    holder = take(str(tmp_path), "x", [], ["out"])
    os.kill(orphan, 9)
    while os.path.exists(f"/proc/{orphan}/fd/0"):
        pass

    assert isinstance(holder, Holder)
    assert not holder.alive
    assert "whose command outlived process" in str(holder)
    claimed(tmp_path, [], ["out"]).release()


def test_a_claim_that_is_given_back_is_free_though_a_child_still_holds_it(tmp_path: Path) -> None:
    """What a command left running in the background does not keep others out."""
    claim = claimed(tmp_path, [], ["out"])
    with started(["sleep", "100"], pass_fds=claim.fds) as child:
        claim.release()

        claimed(tmp_path, [], ["out"]).release()
        child.kill()


# -- real DVC's record ----


def entry(pid: int) -> dict[str, object]:
    return {"pid": pid, "cmd": "dvc repro"}


def test_the_record_names_what_is_busy_and_nothing_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "rwlock"
    path.write_text(json.dumps({"read": {"/x": [entry(1)]}, "write": {"/y": entry(1)}}))
    busy = BusyPaths(str(path), "dvc repro", str(tmp_path))

    busy.add(["/in", "/x"], ["/out"])
    during = json.loads(path.read_text())
    busy.remove(["/in", "/x"], ["/out"])

    mine = entry(os.getpid())
    assert {"/in": [mine], "/x": [entry(1), mine]} == during["read"]
    assert {"/y": entry(1), "/out": mine} == during["write"]
    assert {"read": {"/x": [entry(1)]}, "write": {"/y": entry(1)}} == json.loads(path.read_text())
    assert ["rwlock", "rwlock.lock"] == sorted(os.listdir(tmp_path))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"write": []}', '{"read": {"/in": 1}}'])
def test_a_record_that_is_torn_or_strange_stops_nobody(text: str, tmp_path: Path) -> None:
    path = tmp_path / "rwlock"
    path.write_text(text)
    busy = BusyPaths(str(path), "dvc repro", str(tmp_path))

    busy.check(["/in"], ["/out"])
    busy.add(["/in"], ["/out"])
    busy.remove(["/in"], ["/out"])


def test_a_path_that_a_living_process_writes_is_busy(tmp_path: Path) -> None:
    path = tmp_path / "rwlock"
    with started(["sleep", "100"]) as other:
        path.write_text(json.dumps({"read": {}, "write": {"/out": entry(other.pid)}}))

        with pytest.raises(PannierError, match="/out"):
            BusyPaths(str(path), "dvc repro", str(tmp_path)).check(["/out"], [])
        other.kill()

    BusyPaths(str(path), "dvc repro", str(tmp_path)).check(["/out"], [])
