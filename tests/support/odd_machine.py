"""Machines with bad habits: a clock that is wrong, a kernel that gives no leases.

`python -m tests.support.odd_machine PROGRAM...` runs a program to which every F_SETLEASE is
refused, as on file systems that have none; its child processes too.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.programs import REPOSITORY, Completed, our_program, run

F_SETLEASE = 1024


@dataclass(frozen=True, slots=True)
class Under:
    """Runs the program under another one; stands where `Runs` stands in a `World`."""

    words: Sequence[str]
    more: Mapping[str, str]

    def command(self, *args: str) -> list[str]:
        return [*self.words, str(our_program().path), *args]

    def __call__(
        self,
        *args: str,
        cwd: Path,
        fault: str = "",
        log: str = "",
        env: Mapping[str, str] | None = None,
        seconds: int = 0,
    ) -> Completed:
        asked = {"PANNIER_FAULT": fault, "PANNIER_OPLOG": log}
        switches = {name: value for name, value in asked.items() if value}
        return run(self.command(*args), cwd=cwd, env={**(env or {}), **self.more, **switches})


def clock_shifted(shift: str, *, stamps_too: bool = False) -> Under:
    """shift: as faketime knows it, say "-365d". stamps_too: what stat tells moves along, as if the
    clock of the whole machine had been set; else the file system keeps the right time."""
    return Under(("faketime", "-f", shift), {} if stamps_too else {"NO_FAKE_STAT": "1"})


def without_leases() -> Under:
    words = (sys.executable, "-m", "tests.support.odd_machine")
    return Under(words, {"PYTHONPATH": str(REPOSITORY)})


# -- a filter of system calls (seccomp) --

_FCNTL = {"x86_64": (0xC000003E, 72), "aarch64": (0xC00000B7, 25)}
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCH, _SECOND_ARGUMENT = 0, 4, 24


def _refuse_leases() -> None:
    """From now on fcntl(fd, F_SETLEASE) fails with EINVAL, here and in all that is started."""
    arch, fcntl = _FCNTL[platform.machine()]
    steps = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 0, 5, arch),
        (_LOAD, 0, 0, _NUMBER),
        (_EQUAL, 0, 3, fcntl),
        (_LOAD, 0, 0, _SECOND_ARGUMENT),
        (_EQUAL, 0, 1, F_SETLEASE),
        (_RETURN, 0, 0, _ERRNO | errno.EINVAL),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in ((38, 1, 0, 0, 0), (22, 2, ctypes.c_char_p(program), 0, 0)):
        if libc.prctl(*call):  # no new privileges; then the filter
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    _refuse_leases()
    os.execvp(sys.argv[1], sys.argv[1:])
