"""The program rclone, running for one transport: it knows seventy kinds of stores, and their keys.

Its remote control listens on a port of this machine that it chooses, and lets in who knows the
password of this run. It ends with this process, whatever ends that.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import threading
from collections import deque

from pannier.core.errors import ConfigError, TransportError
from pannier.core.record import dataclass, field

_START_S = 60
_STOP_S = 5
_USER = "pannier"
_SERVING = re.compile(r"(http://127\.0\.0\.1:\d+)/?")
_UNTIL_PIPE_ENDS = (
    'exec 3<&0; (read -r end <&3; kill $$) >/dev/null 2>&1 & exec "$@" </dev/null 3<&-'
)
"""The shell becomes rclone, and leaves somebody behind who ends it when the pipe ends."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where the remote control listens, and what opens it."""

    base: str
    user: str
    password: str = field(repr=False)


class RcloneProcess:
    """program: a path or a name. config: the user's file of remotes, "" for rclone's own."""

    def __init__(self, program: str, config: str) -> None:
        self._program, self._config = program, config
        self._process: subprocess.Popen[str] | None = None
        self._said: deque[str] = deque(maxlen=5)

    def start(self) -> Door:
        """Raises ConfigError when there is no rclone, TransportError when it does not start."""
        program = shutil.which(self._program)
        if program is None:
            raise ConfigError(
                f"the program '{self._program}' is not there, and remotes rclone:// need it",
                hint="install rclone, or: dvc remote modify --local <remote> program <path>",
            )
        password = secrets.token_hex(16)
        command = [
            program,
            "rcd",
            "--rc-addr",
            "127.0.0.1:0",
            "--rc-serve",
            "--log-level",
            "NOTICE",
        ]
        command += ["--ask-password=false", "--low-level-retries", "3", "--log-format", ""]
        command += ["--config", self._config] if self._config else []
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _UNTIL_PIPE_ENDS, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "RCLONE_RC_USER": _USER, "RCLONE_RC_PASS": password},
            start_new_session=True,
            text=True,
            errors="replace",
        )
        return Door(self._wait(self._process), _USER, password)

    def _wait(self, process: subprocess.Popen[str]) -> str:
        """The address that rclone says it listens on."""
        timer = threading.Timer(_START_S, self.stop)
        timer.start()
        try:
            assert process.stderr is not None
            for line in process.stderr:
                self._said.append(line.strip())
                if found := _SERVING.search(line):
                    threading.Thread(target=self._listen, args=(process,), daemon=True).start()
                    return found[1]
        finally:
            timer.cancel()
        self.stop()
        raise TransportError(
            f"rclone does not start: {self._said[-1] if self._said else 'it says nothing'}",
            hint="'rclone version' and 'rclone listremotes' should work; an encrypted configuration"
            " needs RCLONE_CONFIG_PASS or RCLONE_PASSWORD_COMMAND",
        )

    def _listen(self, process: subprocess.Popen[str]) -> None:
        """A pipe that nobody reads would stop it."""
        assert process.stderr is not None
        for line in process.stderr:
            self._said.append(line.strip())

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
