"""Running a program with its standard error, or all of it, on a terminal; a shell at one."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.programs import TIMEOUT_S, started

PATIENCE_S = 120.0
_DRAWN = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|(.)", re.DOTALL)


def _block(terminal: int, until: float) -> bytes:
    """What comes next from a terminal, b"" when its last writer is gone."""
    ready, _, _ = select.select([terminal], [], [], max(0.0, until - time.monotonic()))
    assert ready, "nothing came from the terminal for too long"
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says EIO when the last writer is gone
        return b""


class Shell:
    """An interactive shell with job control at a terminal of its own, and somebody who types."""

    def __init__(self, cwd: Path) -> None:
        self._ours, theirs = pty.openpty()
        self._shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "--noediting", "-i"],
            cwd=cwd,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "PS1": "", "PS2": ""},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self.drawn = ""
        self._seen = 0

    @property
    def pid(self) -> int:
        return self._shell.pid

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def see(self, what: str) -> str:
        """Waits until something stands on the terminal, behind what was seen before; all from
        there to it."""
        until = time.monotonic() + PATIENCE_S
        while (at := self.drawn.find(what, self._seen)) < 0:
            try:
                block = _block(self._ours, until)
            except AssertionError:
                block = b""
            assert block, f"never seen: {what!r} in\n{self.drawn[self._seen :]}"
            self.drawn += block.decode("utf-8", "replace")
        found = self.drawn[self._seen : at]
        self._seen = at + len(what)
        return found

    def close(self) -> None:
        """Ends all that it started, whatever that is at and in whatever session."""
        started = {self._shell.pid}
        for pid, parent in sorted(_parents().items()):
            if parent in started:
                started.add(pid)
        for pid in started:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self._shell.wait(PATIENCE_S)
        os.close(self._ours)


def _parents() -> dict[int, int]:
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            stat = Path(f"/proc/{name}/stat").read_text()
            found[int(name)] = int(stat.rpartition(")")[2].split()[1])
    return found


def run_on_terminal(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Exit code, standard output (a pipe) and what was drawn on the terminal."""
    ours, theirs = pty.openpty()
    with started(
        command,
        cwd=cwd,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        drawn = b""
        until = time.monotonic() + TIMEOUT_S
        while block := _block(ours, until):
            drawn += block
        assert process.stdout is not None
        said = process.stdout.read().decode()
        rc = process.wait(TIMEOUT_S)
    os.close(ours)
    return rc, said, drawn.decode("utf-8", "replace")


def left_on_terminal(drawn: str) -> list[str]:
    """The lines that stand there in the end. Of what was drawn meanwhile, as on a machine that is
    slow, nothing is left when it was taken away again."""
    rows, at, column = [""], 0, 0
    for parameter, command, character in _DRAWN.findall(drawn):
        if command == "A":
            at = max(0, at - int(parameter or 1))
        elif command == "K":
            assert parameter == "2", f"not known here: {parameter}{command}"
            rows[at] = ""
        elif command:
            assert command in "hlm", f"not known here: {parameter}{command}"
        elif character == "\r":
            column = 0
        elif character == "\n":
            at, column = at + 1, 0
            rows += [""] * (at == len(rows))
        else:
            rows[at] = rows[at][:column].ljust(column) + character + rows[at][column + 1 :]
            column += 1
    while rows and not rows[-1]:
        rows.pop()
    return rows


def results_on_terminal(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None
) -> str:
    """What a program prints when its standard output is a terminal, line ends as plain ones."""
    ours, theirs = pty.openpty()
    with started(
        command,
        cwd=cwd,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "200", **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(theirs)
        drawn = b""
        until = time.monotonic() + TIMEOUT_S
        while block := _block(ours, until):
            drawn += block
        process.wait(TIMEOUT_S)
    os.close(ours)
    return drawn.decode("utf-8", "surrogateescape").replace("\r\n", "\n")


def answer_on_terminal(
    command: Sequence[str], *, cwd: Path, question: str, answer: str
) -> tuple[int, str]:
    """Exit code, and all that was seen on the terminal of somebody who answers one question."""
    ours, theirs = pty.openpty()
    with started(
        command,
        cwd=cwd,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    ) as process:
        os.close(theirs)
        drawn, answered = b"", False
        until = time.monotonic() + TIMEOUT_S
        while block := _block(ours, until):
            drawn += block
            if question.encode() in drawn and not answered:
                os.write(ours, answer.encode() + b"\n")
                answered = True
        rc = process.wait(TIMEOUT_S)
    os.close(ours)
    return rc, drawn.decode("utf-8", "replace")


def agreed_on_terminal(
    command: Sequence[str | os.PathLike[str]], *, cwd: Path, env: Mapping[str, str] | None = None
) -> int:
    """Runs a program wholly on a terminal, answers its question with yes; the exit code."""
    ours, theirs = pty.openpty()
    with started(
        [os.fspath(word) for word in command],
        cwd=cwd,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", **(env or {})},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        os.write(ours, b"y\n")
        until = time.monotonic() + TIMEOUT_S
        while _block(ours, until):
            pass
        rc = process.wait(TIMEOUT_S)
    os.close(ours)
    return rc
