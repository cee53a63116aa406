"""What a big directory costs in memory, a file. Nothing grows faster than the number of files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.support.opened import open_new
from tests.support.programs import run

COUNT, ON_DISK = 100_000, 20_000
MEASURE = """
import json, sys
COUNT = int(sys.argv[1])
def memory(kind):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(kind))
{prepare}
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")  # the peak starts anew from what is in use now
before = memory("VmRSS")
{work}
print(json.dumps((memory("VmHWM") - before) / COUNT))
"""


def bytes_a_file(prepare: str, work: str, *args: str, count: int = COUNT) -> float:
    """How much the peak of a fresh process grows by the work, a file."""
    program = MEASURE.replace("{prepare}", prepare).replace("{work}", work)
    found: float = json.loads(
        run([sys.executable, "-c", program, str(count), *args], check=True).stdout
    )
    return found


ENTRIES = """
from pannier.core.manifest import Manifest, parse_manifest
paths = [f"folder-{n % 100:03}/file-{n:07}.png" for n in range(COUNT)]
hexes = [f"{n:032x}" for n in range(COUNT)]
"""


def test_the_measure_measures() -> None:
    assert 190 < bytes_a_file("", "kept = b'x' * (100 * COUNT); more = kept + b'x'")


def test_a_manifest_in_columns_costs_its_strings() -> None:
    grown = bytes_a_file(ENTRIES, "made = Manifest.of(zip(paths, hexes))")

    assert grown <= 150


def test_writing_a_manifest_costs_a_few_times_its_bytes() -> None:
    prepare = ENTRIES + "made = Manifest.of(zip(paths, hexes))\n"
    one = len(
        b'{"md5": "00000000000000000000000000000000", "relpath": "folder-000/file-0000000.png"}'
    )

    assert bytes_a_file(prepare, "made.to_bytes()") <= 6 * one


def test_reading_a_manifest_stays_below_a_kilobyte_a_file() -> None:
    prepare = ENTRIES + (
        "data = Manifest.of(zip(paths, hexes)).to_bytes()\n"
        "del paths, hexes\nimport gc; gc.collect()\n"
    )

    assert bytes_a_file(prepare, "parse_manifest(data, 'x')") <= 1000


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A project with many empty files: what lies in them costs nothing here."""
    root = tmp_path / "p"
    open_new(root)
    for folder in range(100):
        (root / "data" / f"folder-{folder:03}").mkdir(parents=True)
        for number in range(ON_DISK // 100):
            (root / "data" / f"folder-{folder:03}" / f"file-{number:07}.png").touch()
    return root


LOOK = """
from pannier.core.events import Silent
from pannier.project.project import open_project
from pannier.project import snapshot
project = open_project(sys.argv[2])
"""


def test_a_look_at_a_big_directory_stays_below_650_bytes_a_file(big: Path) -> None:
    """All there is in memory at once: names, stats, digests, paths, the manifest's text."""
    look = bytes_a_file(
        LOOK, "snapshot.look(project, 'data', 'md5', Silent())", str(big), count=ON_DISK
    )
    measured = bytes_a_file(
        LOOK,
        "seen = snapshot.look(project, 'data', 'md5', Silent())\n"
        "snapshot.measure(project, seen, Silent())",
        str(big),
        count=ON_DISK,
    )

    assert look <= 250
    assert measured <= 650
