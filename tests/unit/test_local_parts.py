"""Big files on their way into a folder remote, by who has no rights that others have not."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pannier.store.transports.local_parts import WORTH_A_NOTE, BigCopy
from pannier.store.transports.local_staging import Staging
from tests.support.programs import REPOSITORY

DATA = bytes(range(256)) * (WORTH_A_NOTE // 256) + b"end"
MD5 = hashlib.md5(DATA).hexdigest()

COPY = """
import sys
from tests.unit.test_local_parts import copy
print(copy(sys.argv[1], sys.argv[2]))
"""


def copy(base: str, name: str) -> str:
    """Copies a big file as a run does that ends before the file has its name, or (name) after."""
    staging = Staging(f"{base}/far")
    staging.open()
    big = BigCopy(staging, f"{base}/notes", "far", "files/md5/aa/bb")
    copied = big.copy(f"{base}/source", MD5, 0o444, lambda count: None)
    assert copied == (MD5, len(DATA), 0, ""), copied
    if name:
        staging.publish(big.path, f"{base}/far/{name}", MD5)
    big.end(keep=not name)
    staging.close()
    return big.path


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "source").write_bytes(DATA)
    (tmp_path / "far").mkdir()
    return tmp_path


def finished(base: Path) -> list[str]:
    found = base / "far/object"
    assert DATA == found.read_bytes()
    assert 0o444 == found.stat().st_mode & 0o777
    return os.listdir(base / "far/files/md5") + os.listdir(base / "notes")


def test_a_copy_that_was_whole_is_gone_on_with_by_who_may_not_write_to_it(base: Path) -> None:
    """The mode of objects holds for all but root; here root goes without that right, too."""
    command = [sys.executable, "-c", COPY, str(base)]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    ran = [
        subprocess.run(
            [*command, name], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
        )
        for name in ("", "object")
    ]

    assert [0, 0] == [one.returncode for one in ran], [one.stderr for one in ran]
    assert ran[0].stdout == ran[1].stdout  # what was there is used
    assert [] == finished(base)


@pytest.mark.parametrize("lost", ["folder", "file", "all"])
def test_a_copy_whose_beginning_is_gone_begins_anew(base: Path, lost: str) -> None:
    part = Path(copy(str(base), ""))
    if lost == "file":
        part.unlink()
    else:
        shutil.rmtree(part.parent if lost == "folder" else base / "far")

    copy(str(base), "object")

    assert [] == finished(base)


def test_an_object_that_still_has_its_staged_name_stays_as_it_is(base: Path) -> None:
    """As after a kill where a name is given by a link, between that and the end of the first."""
    part = Path(copy(str(base), ""))
    os.link(part, base / "far/other")

    assert str(part) != copy(str(base), "object")

    assert 0o444 == (base / "far/other").stat().st_mode & 0o777
    assert (base / "far/other").stat().st_ino != (base / "far/object").stat().st_ino
    assert [] == finished(base)
