"""Running a program with its standard error, or all of it, on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.programs import TIMEOUT_S


def run_on_terminal(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Exit code, standard output (a pipe) and what was drawn on the terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        drawn = b""
        while True:
            try:
                block = os.read(ours, 65536)
            except OSError:  # Linux says EIO when the last writer is gone
                break
            if not block:
                break
            drawn += block
        assert process.stdout is not None
        said = process.stdout.read().decode()
        rc = process.wait(TIMEOUT_S)
    os.close(ours)
    return rc, said, drawn.decode("utf-8", "replace")


def results_on_terminal(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None
) -> str:
    """What a program prints when its standard output is a terminal, line ends as plain ones."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "200", **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(theirs)
        drawn = b""
        while True:
            try:
                block = os.read(ours, 65536)
            except OSError:  # Linux says EIO when the last writer is gone
                break
            drawn += block
        process.wait(TIMEOUT_S)
    os.close(ours)
    return drawn.decode("utf-8", "surrogateescape").replace("\r\n", "\n")


def answer_on_terminal(
    command: Sequence[str], *, cwd: Path, question: str, answer: str
) -> tuple[int, str]:
    """Exit code, and all that was seen on the terminal of somebody who answers one question."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
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
        while True:
            try:
                drawn += os.read(ours, 65536)
            except OSError:  # Linux says EIO when the last writer is gone
                break
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
    with subprocess.Popen(
        [os.fspath(word) for word in command],
        cwd=cwd,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", **(env or {})},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        os.write(ours, b"y\n")
        while True:
            try:
                if not os.read(ours, 65536):
                    break
            except OSError:  # Linux says EIO when the last writer is gone
                break
        rc = process.wait(TIMEOUT_S)
    os.close(ours)
    return rc
