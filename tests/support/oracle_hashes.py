"""Digests as real DVC 3.67.1 computes them, from one process of its own Python."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable

from tests.servers.processes import end
from tests.support.programs import oracle_path

_PROGRAM = """
import io, json, struct, sys
from dvc_data.hashfile.hash import fobj_md5
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree

def tree(rows):
    made = Tree()
    for path, md5 in rows:
        made.add(tuple(path.split("/")), None, HashInfo("md5", md5))
    made.digest()
    return made.hash_info.value

while head := sys.stdin.buffer.read(9):
    kind, size = struct.unpack("<cQ", head)
    data = sys.stdin.buffer.read(size)
    if kind == b"t":
        found = tree(json.loads(data))
    else:
        name = "md5" if kind == b"m" else "md5-dos2unix"
        found = fobj_md5(io.BytesIO(data), name=name)
    print(found, flush=True)
"""


class OracleHashes:
    def __init__(self) -> None:
        python = oracle_path().with_name("python")
        self._process = subprocess.Popen(
            [python, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def _ask(self, kind: bytes, data: bytes) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(kind + len(data).to_bytes(8, "little") + data)
        self._process.stdin.flush()
        answer = self._process.stdout.readline().decode().strip()
        assert answer, "the oracle's process ended; its error output is above"
        return answer

    def md5(self, data: bytes) -> str:
        return self._ask(b"m", data)

    def legacy_md5(self, data: bytes) -> str:
        """As DVC before 3.0: CRLF becomes LF in what looks like text."""
        return self._ask(b"l", data)

    def manifest(self, entries: Iterable[tuple[str, str]]) -> str:
        """The digest of a directory that holds these (path, md5)."""
        return self._ask(b"t", json.dumps(list(entries)).encode())

    def close(self) -> None:
        end(self._process)
