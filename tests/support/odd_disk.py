"""File systems with bad habits, by FUSE: a folder shown again at another place, as root.

`python -m tests.support.odd_disk SOURCE PLACE HABIT...` serves until it is unmounted. Needs fusepy
and libfuse2.

no-links: hard links are refused. coarse: times have steps of two seconds. caseless: names are
found in any case. close-error: closing a file that was written fails with EIO. stale: now and then
a handle has gone stale (ESTALE). None knows exchanges, or renames that do not overwrite.
"""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.processes import stop
from tests.support.programs import REPOSITORY

HABITS = ("no-links", "coarse", "caseless", "close-error", "stale")
_PATIENCE_S = 120.0
_EVERY = 97


def serve(source: str, place: str, habits: set[str]) -> None:
    from fuse import FUSE, FuseOSError, Operations

    class Odd(Operations):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            self.written: set[int] = set()
            self.calls = 0

        def real(self, path: str) -> str:
            if "caseless" not in habits:
                return source + path
            found = source
            for part in path.strip("/").split("/"):
                if not part:
                    continue
                names: list[str] = []
                with contextlib.suppress(OSError):
                    names = os.listdir(found)
                same = [name for name in names if name.lower() == part.lower()]
                found = f"{found}/{part if part in names or not same else same[0]}"
            return found

        def __call__(self, op: str, path: str, *args: Any) -> Any:
            if not hasattr(self, op):
                raise FuseOSError(errno.ENOSYS)
            try:
                return getattr(self, op)(path, *args)
            except OSError as error:
                raise FuseOSError(error.errno or errno.EIO) from None

        def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
            found = os.lstat(self.real(path))
            names = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks", "st_ino")
            shown = {name: getattr(found, name) for name in names}
            for name in ("st_mtime", "st_ctime", "st_atime"):
                ns = getattr(found, f"{name}_ns")
                shown[name] = ns / 1e9 if "coarse" not in habits else ns // 2_000_000_000 * 2
            return shown

        def readdir(self, path: str, fh: int) -> list[str]:
            return [".", "..", *os.listdir(self.real(path))]

        def readlink(self, path: str) -> str:
            return os.readlink(self.real(path))

        def mkdir(self, path: str, mode: int) -> None:
            os.mkdir(self.real(path), mode)

        def rmdir(self, path: str) -> None:
            os.rmdir(self.real(path))

        def unlink(self, path: str) -> None:
            os.unlink(self.real(path))

        def symlink(self, target: str, content: str) -> None:
            os.symlink(content, self.real(target))

        def link(self, target: str, origin: str) -> None:
            if "no-links" in habits:
                raise FuseOSError(errno.EPERM)
            os.link(self.real(origin), self.real(target))

        def rename(self, old: str, new: str) -> None:
            os.rename(self.real(old), self.real(new))

        def chmod(self, path: str, mode: int) -> None:
            os.chmod(self.real(path), mode)

        def chown(self, path: str, uid: int, gid: int) -> None:
            os.lchown(self.real(path), uid, gid)

        def utimens(self, path: str, times: tuple[float, float] | None = None) -> None:
            os.utime(self.real(path), times)

        def statfs(self, path: str) -> dict[str, int]:
            found = os.statvfs(self.real(path))
            names = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_frsize", "f_namemax")
            return {name: getattr(found, name) for name in names}

        def open(self, path: str, flags: int) -> int:
            self.calls += 1
            if "stale" in habits and self.calls % _EVERY == 0:
                raise FuseOSError(errno.ESTALE)
            return os.open(self.real(path), flags & ~os.O_NOFOLLOW)

        def create(self, path: str, mode: int, fi: Any = None) -> int:
            fd = os.open(self.real(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
            return fd

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            return os.pread(fh, size, offset)

        def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
            self.written.add(fh)
            return os.pwrite(fh, data, offset)

        def truncate(self, path: str, length: int, fh: int | None = None) -> None:
            os.truncate(self.real(path), length)

        def flush(self, path: str, fh: int) -> None:
            if "close-error" in habits and fh in self.written:
                raise FuseOSError(errno.EIO)

        def fsync(self, path: str, datasync: int, fh: int) -> None:
            os.fsync(fh)

        def fsyncdir(self, path: str, datasync: int, fh: int) -> None:
            pass

        def release(self, path: str, fh: int) -> None:
            self.written.discard(fh)
            os.close(fh)

    FUSE(Odd(), place, foreground=True, nothreads=True, use_ino=True, allow_other=True)


def why_not() -> str:
    """What is missing to mount one here, or ""."""
    if os.geteuid() != 0:
        return "mounting needs the rights of root"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "there is no /dev/fuse"
    try:
        import fuse  # noqa: F401
    except (ImportError, OSError) as error:
        return f"fusepy does not work here: {error}"
    return ""


@contextlib.contextmanager
def odd_disk(place: Path, *habits: str) -> Iterator[Path]:
    """Shows a folder of its own at place."""
    if reason := why_not():
        pytest.skip(reason)
    place.mkdir(exist_ok=True)
    source = tempfile.mkdtemp(prefix="pannier-odd-", dir=place.parent)
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.odd_disk", source, str(place), *habits],
        cwd=REPOSITORY,
    )
    try:
        end = time.monotonic() + _PATIENCE_S
        while not os.path.ismount(place):
            assert server.poll() is None, "the file system did not start"
            assert time.monotonic() < end, "the file system takes too long to start"
            time.sleep(0.02)
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=False, capture_output=True, timeout=60)
        stop([server])


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], set(sys.argv[3:]))
