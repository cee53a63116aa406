"""Azurite: Microsoft's own Azure Blob Storage for one machine, from npm.

PANNIER_AZURITE names the folder that tests/support/install-azurite.sh filled; `.azurite` is the
default.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import http.client
import itertools
import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from tests.servers.processes import free_ports, kill, start, stop, wait_for_port

ACCOUNT = "devstoreaccount1"
_numbers = itertools.count(1)


def program() -> Path:
    repository = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("PANNIER_AZURITE") or repository / ".azurite")
    return folder / "node_modules/azurite/dist/src/blob/main.js"


def why_not() -> str:
    """Why there is no Azurite here, or ""."""
    if shutil.which("node") is None:
        return "Azurite needs node, which is not installed"
    return "" if program().exists() else f"no {program()}: 'make azurite' installs it"


class Azurite:
    """A running server, and a client of its own to look at what the program did."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (self.port,) = free_ports(1)
        self.account = ACCOUNT
        # A key of our own, not the well-known one: it is a secret that must not be shown.
        self.key = base64.b64encode(hashlib.sha512(str(folder).encode()).digest()).decode()
        self.endpoint = f"http://127.0.0.1:{self.port}/{ACCOUNT}"
        self.connection_string = self.connection_string_at(self.endpoint)
        self._process = self._start()

    def connection_string_at(self, endpoint: str) -> str:
        """How to reach the server by another way."""
        return f"AccountName={self.account};AccountKey={self.key};BlobEndpoint={endpoint}"

    def _start(self) -> subprocess.Popen[bytes]:
        log = self._folder / "log"
        options = ["--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--silent"]
        options += ["--location", self._folder / "data", "--skipApiVersionCheck"]
        options += ["--disableTelemetry"]
        environment = f"AZURITE_ACCOUNTS={self.account}:{self.key}"
        process = start(["env", environment, "node", program(), *options], log)
        wait_for_port(self.port, process, log)
        return process

    def kill(self) -> None:
        """Ends the server with SIGKILL, whatever it is doing."""
        kill(self._process)

    def revive(self) -> None:
        self._process = self._start()

    def close(self) -> None:
        stop([self._process])

    # -- from outside ----

    def make_container(self) -> str:
        name = f"container-{next(_numbers)}"
        self._ask("PUT", f"/{name}", {"restype": "container"})
        return name

    def read(self, container: str, key: str) -> bytes | None:
        return self._ask("GET", f"/{container}/{quote(key)}", {}, missing=True)

    def write(self, container: str, key: str, data: bytes) -> None:
        headers = {"x-ms-blob-type": "BlockBlob"}
        self._ask("PUT", f"/{container}/{quote(key)}", {}, headers=headers, body=data)

    def keys(self, container: str) -> set[str]:
        found: set[str] = set()
        marker = ""
        while True:
            query = {"comp": "list", "restype": "container"}
            query |= {"marker": marker} if marker else {}
            answer = ElementTree.fromstring(self._ask("GET", f"/{container}", query) or b"")
            found |= {node.text or "" for node in answer.iterfind("Blobs/Blob/Name")}
            marker = answer.findtext("NextMarker") or ""
            if not marker:
                return found

    def unfinished(self, container: str) -> set[str]:
        """Names of blobs that there are only blocks of."""
        query = {"comp": "list", "restype": "container", "include": "uncommittedblobs"}
        answer = ElementTree.fromstring(self._ask("GET", f"/{container}", query) or b"")
        every = {node.text or "" for node in answer.iterfind("Blobs/Blob/Name")}
        return every - self.keys(container)

    def blocks(self, container: str, key: str) -> list[int]:
        """Sizes of the blocks that wait to be made a blob."""
        return [int(size) for size in self._blocks(container, key, "Uncommitted", "Size")]

    def put_block(self, container: str, key: str, ident: str) -> None:
        """As another program that sends a blob in blocks. ident: in base64."""
        query = {"comp": "block", "blockid": ident}
        self._ask("PUT", f"/{container}/{quote(key)}", query, body=b"other")

    def block_ids(self, container: str, key: str) -> list[str]:
        """Of a blob, in their order."""
        return self._blocks(container, key, "Committed", "Name")

    def _blocks(self, container: str, key: str, kind: str, field: str) -> list[str]:
        query = {"comp": "blocklist", "blocklisttype": kind.lower()}
        data = self._ask("GET", f"/{container}/{quote(key)}", query, missing=True)
        rows = ElementTree.fromstring(data or b"<no/>").iterfind(f"{kind}Blocks/Block/{field}")
        return [row.text or "" for row in rows]

    def sas_token(self, container: str, rights: str = "rcwdl") -> str:
        """Lets whoever has it work in one container for a day."""
        expiry, version = "2099-01-01T00:00:00Z", "2020-12-06"
        resource = f"/blob/{self.account}/{container}"
        fields = [rights, "", expiry, resource, "", "", "", version, "c"] + [""] * 7
        signature = quote(self._sign("\n".join(fields)), safe="")
        return f"sp={rights}&se={quote(expiry, safe='')}&sv={version}&sr=c&sig={signature}"

    def _sign(self, text: str) -> str:
        key = base64.b64decode(self.key)
        return base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()

    def _ask(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        *,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        missing: bool = False,
    ) -> bytes | None:
        sent = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
        sent |= headers or {}
        path = f"/{self.account}{path}"
        canonical = "\n".join(f"{name}:{sent[name]}" for name in sorted(sent))
        resource = f"/{self.account}{path}"
        resource += "".join(f"\n{name}:{query[name]}" for name in sorted(query))
        length = str(len(body)) if body else ""
        text = f"{method}\n\n\n{length}\n\n\n\n\n\n\n\n\n{canonical}\n{resource}"
        sent["Authorization"] = f"SharedKey {self.account}:{self._sign(text)}"
        asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, f"{path}?{asked}" if asked else path, body or None, sent)
            answer = connection.getresponse()
            data = answer.read()
            if answer.status == 404 and missing:
                return None
            assert answer.status < 300, (answer.status, data)
            return data
        finally:
            connection.close()
