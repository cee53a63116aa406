"""A witness: a small process that notes when all commands of a run that was killed have ended.

Nobody else is left to see that. It waits for the end of a pipe that the run and each of its
commands hold, then writes to a file that the run had made: what the disk says of that file's change
is the time. A run that ends in order says so through the pipe, and nothing is written.
"""

from __future__ import annotations

import contextlib
import os
import subprocess

from pannier.disk import fsio

_WAIT = 'read -r goodbye || echo ended >> "$0"'


class Witness:
    """fd: for commands to inherit. mark: the file's inode."""

    def __init__(self, path: str) -> None:
        """path: of the file, which is made. Raises OSError, DiskError."""
        self._path = path
        made = fsio.create_new(path, 0o600)
        self.mark = os.fstat(made).st_ino
        os.close(made)
        source, self.fd = os.pipe2(os.O_CLOEXEC)
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _WAIT, path],
                stdin=source,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,  # what ends the run's group is just what it is to see
            )
        except OSError:
            os.close(self.fd)
            fsio.unlink(path)
            raise
        finally:
            os.close(source)

    def close(self) -> None:
        """For a run that ends in order."""
        with contextlib.suppress(OSError):  # somebody ended it
            os.write(self.fd, b"\n")
        os.close(self.fd)
        self._process.wait()
        fsio.remove_if_there(self._path)


def ended_ns(path: str, mark: int) -> tuple[int, int] | None:
    """When all commands of a run had ended, as its witness wrote it: (device, time by its clock).

    None where it wrote nothing, or the file is another one.
    """
    try:
        found = os.lstat(path)
    except OSError:
        return None
    if found.st_ino != mark or not found.st_size:
        return None
    return found.st_dev, found.st_ctime_ns
