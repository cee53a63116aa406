"""rclone://name/path: whatever store the user's rclone knows under that name.

rclone itself reads the file to upload, writes it aside where a store would show a half of it,
compares size and digest, and tells when all of it is there: an upload that goes through our hands
would be taken for complete where it breaks off. Secrets stay in rclone's configuration.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from urllib.parse import quote

from pannier.core.errors import ConfigError, FileChanged, NotThere, PannierError
from pannier.core.typed import Any
from pannier.store.remote_config import RemoteConfig
from pannier.store.transport import Entry, OnBytes
from pannier.store.transports import local_staging
from pannier.store.transports.bulk import Bulk
from pannier.store.transports.local_copies import bad_key, is_bad
from pannier.store.transports.options import protected, protected_path
from pannier.store.transports.rclone_errors import explained
from pannier.store.transports.rclone_process import RcloneProcess
from pannier.store.transports.s3_bodies import Parts, Sink, open_source
from pannier.store.transports.threads import Stopped
from pannier.store.transports.web_client import WebClient
from pannier.store.transports.web_errors import failed
from pannier.store.transports.web_options import WebOptions

_NAME = re.compile(r"[\w.+@][\w.+@ -]*")
"""What rclone allows in a name. Nothing else: `:backend,option=value:` would run programs."""

_BIG = 4 << 20
_TIMEOUT_S = 600
_PARTIAL = ".pannier-part"
_ANY = frozenset(range(200, 600))
_FIRST_POLL_S, _LONGEST_POLL_S = 0.01, 0.5
_CONFIG = {
    "IgnoreTimes": True,  # else what has the same size and time is taken for the same
    "PartialSuffix": _PARTIAL,
    "Inplace": False,
    # Switches that a user's environment may hold, and that would leave things undone.
    "DryRun": False,
    "Immutable": False,
    "IgnoreExisting": False,
    "IgnoreSize": False,
    "IgnoreChecksum": False,
}


class RcloneTransport(Bulk):
    """See Transport."""

    jobs_default = 16

    def __init__(self, config: RemoteConfig) -> None:
        self.url = config.url
        self._remote = config.name
        name, _, path = config.url.partition("://")[2].partition("/")
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"the URL of remote '{config.name}' must be like rclone://name/path, with a name"
                " that 'rclone listremotes' shows"
            )
        self._fs = f"{name}:/" if path.startswith("/") else f"{name}:"
        self._base = f"{path.strip('/')}/".lstrip("/")
        program = protected(config, "program", "runs a program")
        self._process = RcloneProcess(program or "rclone", protected_path(config, "config") or "")
        self._lock = threading.Lock()
        self._client: WebClient | None = None

    def __repr__(self) -> str:
        return f"RcloneTransport({self.url!r})"

    def stat(self, key: str) -> Entry | None:
        if is_bad(key):
            return None
        item = self._ask("operations/stat", key, fs=self._fs, remote=self._path(key)).get("item")
        return None if item is None or item["IsDir"] else Entry(key, _size(item))

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        folder, _, _ = prefix.rpartition("/")
        if folder and is_bad(folder):
            return
        options = {"recurse": True, "noModTime": True, "noMimeType": True, "filesOnly": True}
        try:
            found = self._ask(
                "operations/list",
                folder,
                fs=self._fs,
                remote=f"{self._base}{folder}".strip("/"),
                opt=options,
            )
        except NotThere:
            return
        for item in found.get("list") or ():
            path = item["Path"]
            key = path[len(self._base) :]
            if path.startswith(self._base) and key.startswith(prefix) and not is_hidden(key):
                yield Entry(key, _size(item))

    def read(self, key: str) -> bytes:
        with self._get(key) as answer:
            self._check(answer, key)
            return b"".join(answer.iter_raw())

    def read_range(self, key: str, start: int, end: int) -> bytes:
        if start >= end:
            return b""
        with self._get(key, {"Range": f"bytes={start}-{end - 1}"}) as answer:
            if answer.status_code == 416:
                return b""
            self._check(answer, key)
            data = b"".join(answer.iter_raw())
        return data[start:end] if answer.status_code == 200 else data

    def write(self, key: str, data: bytes) -> None:
        """From memory that has the name of a file, for rclone reads files."""
        self._path(key)
        fd = os.memfd_create("pannier")
        try:
            os.write(fd, data)
            self._copy(f"/proc/{os.getpid()}/fd/{fd}", key, len(data), threading.Event(), _nothing)
        finally:
            os.close(fd)

    def delete(self, key: str) -> None:
        if self.stat(key) is not None:
            try:
                self._ask("operations/deletefile", key, fs=self._fs, remote=self._path(key))
            except NotThere:
                pass

    def flush(self) -> None:
        """Nothing to do: rclone says that a file is there when its store said so."""

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
        self._process.stop()

    # -- how ----

    def _begin(self) -> WebClient:
        with self._lock:
            if self._client is None:
                door = self._process.start()
                options = WebOptions(
                    name=self._remote,
                    shown=self.url,
                    base=door.base,
                    auth="basic",
                    user=door.user,
                    password=door.password,
                    read_timeout_s=_TIMEOUT_S,
                )
                self._client = WebClient(options, "rclone")
            return self._client

    def _path(self, key: str) -> str:
        if is_bad(key) or key.endswith(_PARTIAL):
            raise bad_key(key, self.url)
        return self._base + key

    def _get(self, key: str, headers: dict[str, str] | None = None) -> Any:
        client = self._begin()
        url = f"{client.options.base}/{quote(f'[{self._fs}]')}/{quote(self._path(key))}"
        return client.ask("GET", url, key, good=_ANY, headers=headers)

    def _ask(self, method: str, key: str, **values: object) -> dict[str, Any]:
        """One call of the remote control. Raises the contract's errors."""
        client = self._begin()
        try:
            body = json.dumps(values).encode()
        except UnicodeEncodeError:
            raise bad_key(key, self.url) from None
        headers = {"Content-Type": "application/json"}
        url = f"{client.options.base}/{method}"
        with client.ask("POST", url, key, good=_ANY, headers=headers, body=body) as answer:
            self._check(answer, key)
            found: dict[str, Any] = json.loads(b"".join(answer.iter_raw()))
        return found

    def _check(self, answer: Any, key: str) -> None:
        if answer.status_code not in (200, 206):
            try:
                text = str(json.loads(b"".join(answer.iter_raw()))["error"])
            except (ValueError, KeyError, TypeError):
                text = f"rclone answers {answer.status_code}"
            raise explained(text, self.url, key)

    def _upload(
        self, path: str, key: str, expected: str, stop: threading.Event, on_bytes: OnBytes
    ) -> tuple[str, int]:
        self._path(key)
        fd = open_source(path)
        try:
            before = _stamp(fd)
            parts = Parts(fd, path, 1 << 20, expected, stop, _nothing)
            for _ in parts:
                pass
            self._copy(os.path.abspath(path), key, parts.size, stop, on_bytes)
            if _stamp(fd) != before:
                self.delete(key)
                raise FileChanged(path)
            return parts.md5, parts.size
        finally:
            os.close(fd)

    def _copy(
        self, path: str, key: str, size: int, stop: threading.Event, on_bytes: OnBytes
    ) -> None:
        folder, _, name = path.rpartition("/")
        call: dict[str, object] = {
            "srcFs": {"type": "local", "copy_links": "true", "_root": folder or "/"},
            "srcRemote": name,
            "dstFs": self._fs,
            "dstRemote": self._path(key),
            "_config": _CONFIG,
        }
        if size <= _BIG:
            self._ask("operations/copyfile", key, **call)
            on_bytes(size)
            return
        job = self._ask("operations/copyfile", key, **call, _async=True)["jobid"]
        told = 0
        pause_s = _FIRST_POLL_S
        while True:
            if stop.wait(pause_s):
                self._ask("job/stop", key, jobid=job)
                raise Stopped
            pause_s = min(pause_s * 1.2, _LONGEST_POLL_S)
            status = self._ask("job/status", key, jobid=job)
            if status["finished"]:
                if not status["success"]:
                    raise explained(str(status.get("error")), self.url, key)
                on_bytes(size - told)
                return
            sent = min(int(self._ask("core/stats", key, group=f"job/{job}")["bytes"]), size - 1)
            if sent > told:
                on_bytes(sent - told)
                told = sent

    def _download(self, key: str, sink: Sink, expected: str) -> tuple[str, int]:
        at = sink.size
        with self._get(key, {"Range": f"bytes={at}-"} if at else None) as answer:
            if answer.status_code != 416:
                self._check(answer, key)
                length = answer.headers.get("content-length", "")
                if answer.status_code == 200 and at:
                    sink.restart()
                    at = 0
                for block in answer.iter_raw(1 << 20):
                    sink.add(block)
                size = at + int(length) if length.isdigit() else sink.size
                return sink.finish(size, expected, f"'{self.url}/{key}'")
        sink.restart()  # what was kept from an earlier run is longer than what is there
        return self._download(key, sink, expected)

    def _error(self, error: BaseException, key: str) -> PannierError:
        assert self._client is not None
        return failed(error, self._client.options)


def is_hidden(key: str) -> bool:
    """True for what a broken upload left, which is no object."""
    return key.endswith(_PARTIAL) or key.startswith(local_staging.PREFIX)


def _size(item: dict[str, Any]) -> int | None:
    size = int(item.get("Size", -1))
    return None if size < 0 else size


def _stamp(fd: int) -> tuple[int, int]:
    found = os.fstat(fd)
    return found.st_mtime_ns, found.st_size


def _nothing(_: int) -> None: ...
