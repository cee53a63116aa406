"""PostgreSQL with a data folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests.servers.processes import PATIENCE_S, free_ports, start, stop, wait_for_port

USER, PASSWORD = "tester", "Pass/word:0123"  # signs that a URL would take for its own
_OWNER = "nobody"  # it refuses to run as root
_LIBRARIES = Path("/usr/lib/postgresql")


def program(name: str) -> Path:
    """The newest one: Debian keeps them beside each other."""
    found = sorted(_LIBRARIES.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    assert found, "PostgreSQL is not installed: apt-get install postgresql"
    return found[-1]


class Postgres:
    """A server: `port`, and the database `postgres`, which USER may do everything with."""

    def __init__(self) -> None:
        # Its owner must get to it, and may not get through the folders of the tests.
        self._folder = Path(tempfile.mkdtemp(prefix="pannier-postgres-"))
        self._folder.chmod(0o755)
        data, secret = self._folder / "data", self._folder / "secret"
        data.mkdir()
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(data, _OWNER)
        (self.port,) = free_ports(1)
        made = subprocess.run(
            [
                *self._as_owner(),
                *(program("initdb"), "-D", data, "-U", USER, "--pwfile", secret),
                *("--auth", "scram-sha-256", "--no-sync", "-E", "UTF8", "--no-locale"),
            ],
            capture_output=True,
            timeout=PATIENCE_S,
            cwd="/",
        )
        assert made.returncode == 0, made.stderr
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        log = self._folder / "log"
        command = [*self._as_owner(), program("postgres"), "-D", data, "-p", str(self.port)]
        self._process = start([*command, *settings], log)
        wait_for_port(self.port, self._process, log)
        # It listens before it answers. One deadline, for a server that never does.
        asked = [program("pg_isready"), "-h", "127.0.0.1", "-p", str(self.port), "-t", "1"]
        until = time.monotonic() + PATIENCE_S
        while subprocess.run(asked, capture_output=True, timeout=30).returncode != 0:
            assert time.monotonic() < until, log.read_text(errors="replace")
            time.sleep(0.05)

    @property
    def url(self) -> str:
        """Without user and password."""
        return f"postgresql://127.0.0.1:{self.port}/postgres"

    @staticmethod
    def _as_owner() -> list[str]:
        """Changing the user forgets that it is to end with the tests: it is told again."""
        if os.geteuid() != 0:
            return []
        who = ["--reuid", _OWNER, "--regid", "nogroup", "--clear-groups"]
        return ["setpriv", *who, "--pdeathsig", "QUIT", "--"]

    def close(self) -> None:
        stop([self._process])
        shutil.rmtree(self._folder, ignore_errors=True)
