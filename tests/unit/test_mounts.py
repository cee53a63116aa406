"""Which file systems lie at and below a folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pannier.disk.mounts import flush_below, places_below
from tests.support.crash_disks import needs_root


def test_a_folder_has_its_own_file_system(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)

    assert [str(tmp_path)] == places_below([str(tmp_path), f"{tmp_path}/link", f"{tmp_path}/gone"])


@needs_root
def test_what_is_mounted_below_is_found_whatever_its_name(tmp_path: Path) -> None:
    root = tmp_path / "project"
    mounted, beside = root / "data of\tmine\\", tmp_path / "project-2"
    for place in (mounted, beside):
        place.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)
    try:
        found = places_below([str(root)])
        flush_below([str(root)])
    finally:
        for place in (mounted, beside):
            subprocess.run(["umount", place], check=True)

    assert [str(root), str(mounted)] == found
    assert os.stat(root).st_dev == os.stat(tmp_path).st_dev
