"""Other users of this machine: numbers without names, who can run this checkout's program.

The folders that the program lies in may be closed to others (an interpreter in a home folder). A
second user's process gets a view of the file system of its own, in which those are open; nothing
changes for anybody else, and the view goes with the process. Root only.
"""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.programs import REPOSITORY

GROUP = 61000
"""The group that all of these users are in."""


@dataclass(frozen=True, slots=True)
class User:
    number: int

    def command(self, words: list[str]) -> list[str]:
        """What runs words as this user."""
        return [
            *("unshare", "--mount", "--propagation", "private"),
            *("sh", "-c", self._script(), "sh", *words),
        ]

    def _script(self) -> str:
        me = f"--reuid={self.number} --regid={GROUP} --clear-groups"
        return "\n".join(["set -e", _LEAVE_DISKS, *_open_the_way(), f'exec setpriv {me} "$@"'])


_LEAVE_DISKS = (
    "sed -n 's,^[^ ]* \\(/var/tmp/pannier-disk-[^ ]*\\) .*,\\1,p' /proc/self/mounts"
    " | xargs -r -n 1 umount -l"
)
"""Another test's disk is not kept mounted by this view of the file system."""

ANNA, BERT = User(61001), User(61002)


def _open_the_way() -> list[str]:
    """Shell lines that put the closed folders on the way to the program aside.

    Over each lies an empty one, with nothing in it but what is needed.
    """
    needed = {Path(sys.prefix), Path(sys.base_prefix), REPOSITORY}
    needed |= {Path(sys.executable).resolve().parent.parent}
    closed: dict[Path, set[Path]] = {}
    for place in needed:
        for folder in reversed(place.parents):
            if not folder.stat().st_mode & 0o001:
                closed.setdefault(folder, set()).add(place)
                break
    lines = []
    for folder, places in closed.items():
        inner = [p for p in sorted(places) if not any(q in p.parents for q in places)]
        opened = [(shlex.quote(str(place)), number) for number, place in enumerate(inner, 3)]
        # The descriptors keep what is about to be covered.
        lines += [f"exec {number}<{place}" for place, number in opened]
        lines += [f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(folder))}"]
        for place, number in opened:
            lines += [f"mkdir -p {place}", f"mount -c --bind /proc/self/fd/{number} {place}"]
            lines += [f"exec {number}<&-"]
    return lines


@functools.cache
def why_not() -> str:
    """Why no second user can work here, or ""."""
    if os.geteuid() != 0:
        return "needs the rights of root"
    missing = [name for name in ("unshare", "setpriv") if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    tried = subprocess.run(
        ANNA.command([sys.executable, "-c", "import pannier, pytest"]),
        capture_output=True,
        text=True,
        cwd="/",
        timeout=60,
    )
    last = tried.stderr.strip().rpartition("\n")[2]
    return "" if tried.returncode == 0 else f"a second user cannot run the program: {last}"


def environment(home: Path, user: User) -> dict[str, str]:
    """A home of the user's own in a folder that all may enter."""
    if not home.exists():
        home.mkdir()
        os.chown(home, user.number, GROUP)
    return {
        "HOME": str(home),
        "XDG_CACHE_HOME": f"{home}/cache",
        "XDG_CONFIG_HOME": f"{home}/config",
        "XDG_CONFIG_DIRS": f"{home}/etc",
        "DVC_GLOBAL_CONFIG_DIR": f"{home}/config/dvc",
        "DVC_SYSTEM_CONFIG_DIR": f"{home}/etc/dvc",
        "DVC_SITE_CACHE_DIR": f"{home}/site",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }


def give(place: Path, user: User, mode: int = 0) -> None:
    """Makes everything below place the user's. mode: bits to add to its folders."""
    for folder, _, files in os.walk(place):
        os.chown(folder, user.number, GROUP)
        if mode:
            os.chmod(folder, os.stat(folder).st_mode | mode)
        for name in files:
            os.chown(f"{folder}/{name}", user.number, GROUP, follow_symlinks=False)
