"""Numbered crash points and the operation log: how tests stop, fail or record every change.

PANNIER_FAULT="action@n[:ERRNO]" stops the process or fails the call at the n-th change;
PANNIER_OPLOG names a file that records each change, one line, fields separated by tabs. Both cost
one comparison when they are not set.
"""

from __future__ import annotations

import errno
import os
import re
import signal

_THROUGH = re.compile(r"/proc/\d+/fd/\d+(?=/)")
_SIGNALS = {
    "kill": signal.SIGKILL,
    "int": signal.SIGINT,
    "term": signal.SIGTERM,
    "stop": signal.SIGSTOP,
}


class _Faults:
    """The n-th change of this process dies or fails, as PANNIER_FAULT="action@n[:ERRNO]" says.

    action: "kill", "int", "term" or "stop" (the signal comes before the change), "error" (this
    call fails once), "errors" (this and all later calls fail). Counting starts at 1.
    """

    def __init__(self, fault: str, log: str) -> None:
        self.count = 0
        self.action, self.at, self.code = "", 0, errno.EIO
        if fault:
            self.action, _, rest = fault.partition("@")
            number, _, name = rest.partition(":")
            self.at = int(number)
            self.code = getattr(errno, name or "EIO")
        self.log_fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if log else -1

    def hit(self, name: str, args: tuple[object, ...]) -> None:
        self.count += 1
        if self.action and (
            self.count == self.at or (self.action == "errors" and self.count > self.at)
        ):
            if self.action in _SIGNALS:
                signal.raise_signal(_SIGNALS[self.action])
            else:
                raise OSError(self.code, os.strerror(self.code), str(args[0]) if args else name)
        if self.log_fd >= 0:
            args = tuple(real_name(a) if isinstance(a, str) else a for a in args)
            fields = "\t".join([name, *(_escape(a) for a in args)])
            os.write(self.log_fd, fields.encode("utf-8", "surrogateescape") + b"\n")


def real_name(path: str) -> str:
    """The name of what a path through an open descriptor leads to; any other path as it is."""
    found = _THROUGH.match(path)
    if found is None:
        return path
    try:
        return os.readlink(found[0]) + path[found.end() :]
    except OSError:
        return path


def _escape(value: object) -> str:
    if isinstance(value, bytes | memoryview):
        return value.hex()
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


_faults: _Faults | None = None
traced = False
"""True when crash points are counted: then work stays in one process and one thread."""


def arm(fault: str, log: str) -> None:
    """Counts crash points from here on, and stops or fails at one, or logs them."""
    global _faults, traced
    if fault or log:
        _faults, traced = _Faults(fault, log), True


arm(os.environ.get("PANNIER_FAULT", ""), os.environ.get("PANNIER_OPLOG", ""))


def point(name: str, *args: object) -> None:
    """A numbered crash point: called before every change of a file."""
    if _faults is not None:
        _faults.hit(name, args)


def name_of(fd: int) -> str:
    """The path of an open file, for the log of changes; nothing when nobody logs."""
    return os.readlink(f"/proc/self/fd/{fd}") if traced else ""
