"""Hadoop's file system by its REST interface, WebHDFS, also behind a gateway (HttpFS, Knox).

The name node says who is to be asked for bytes; a data node takes them and gives them. Of several
name nodes one answers, and the others stand by. Source: Hadoop's own description of WebHDFS; the
options are DVC's.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote, urlencode

from pannier.core.errors import (
    AccessDenied,
    NotThere,
    PannierError,
    TransportError,
    Unreachable,
)
from pannier.core.typed import Any
from pannier.store.remote_config import RemoteConfig
from pannier.store.transport import Facts
from pannier.store.transports.hadoop_settings import STANDS_BY, StandsBy
from pannier.store.transports.kerberos import Kerberos
from pannier.store.transports.trees import Member, TreeTransport
from pannier.store.transports.web_client import WebClient
from pannier.store.transports.web_errors import failed
from pannier.store.transports.web_options import WebOptions
from pannier.store.transports.webhdfs_options import read_webhdfs_settings

_TOLD = (200, 201, 307, 400, 401, 403, 404, 500)
"""Statuses whose body says what it is about."""

_LATER = {"SafeModeException", "RetriableException"}
_DENIED = "AccessControlException"
"""With status 500 by HttpFS."""

_FAILOVER_S = 60
"""So long name nodes that all stand by are asked again: one of them is about to take over."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0


class _Node(NamedTuple):
    """A name node, or a gateway."""

    options: WebOptions
    kerberos: Kerberos | None
    client: WebClient


class WebhdfsTransport(TreeTransport):
    """See Transport."""

    jobs_default = 32

    def __init__(self, config: RemoteConfig) -> None:
        self._web = _WebTree(config)
        super().__init__(self._web)

    def facts(self, key: str) -> Facts | None:
        """With Hadoop's checksum, as DVC writes it down."""
        entry = self.stat(key)
        if entry is None or entry.size_bytes is None:
            return None
        told = self._call(key, lambda: self._web.checksum(key))
        return Facts(entry.size_bytes, ("checksum", told))


class _WebTree:
    def __init__(self, config: RemoteConfig) -> None:
        settings = read_webhdfs_settings(config)
        self._root, self._who = settings.root, settings.who
        self._data_proxy = settings.data_proxy
        self._nodes = [
            _Node(options, kerberos, WebClient(options, "webhdfs", kerberos=kerberos))
            for options, kerberos in settings.nodes
        ]
        self._active = self._nodes[0]
        self.shown = self._active.options.shown

    def open(self) -> None:
        self._active.client.open()

    def look(self, path: str) -> Member | None:
        return _member(self._told("GET", "GETFILESTATUS", path)["FileStatus"])

    def members(self, path: str) -> Iterator[Member]:
        for status in self._told("GET", "LISTSTATUS", path)["FileStatuses"]["FileStatus"]:
            yield _member(status)

    def make(self, path: str) -> None:
        if not self._told("PUT", "MKDIRS", path)["boolean"]:
            raise TransportError(f"the folder '{path}' in '{self.shown}' cannot be made")

    def write(self, path: str, blocks: Iterable[bytes], size: int) -> None:
        with self._ask("PUT", self._query("CREATE", path, overwrite="true"), path) as answer:
            where = answer.headers.get("location", "") if answer.status_code == 307 else ""
        if not where:
            raise self._astray()
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        with self._ask_there("PUT", where, path, headers, blocks) as answer:
            if answer.status_code not in (200, 201):
                raise TransportError(f"{self._server} did not take '{path}'")

    def read(self, path: str, start: int, end: int | None) -> Iterator[bytes]:
        part = {"offset": str(start)} if start else {}
        part |= {} if end is None else {"length": str(end - start)}
        query = self._query("OPEN", path, **part)
        with self._ask("GET", query, path, follow=not self._data_proxy) as answer:
            if answer.status_code != 307:
                yield from answer.iter_raw()
                return
            where = answer.headers.get("location", "")
        with self._ask_there("GET", where, path) as answer:
            yield from answer.iter_raw()

    def move(self, path: str, target: str) -> None:
        """HttpFS knows no rename that replaces: it says false, and both are what they were."""
        if self._renamed(path, target):
            return
        if self.checksum(path) == self.checksum(target):  # another was faster
            self.remove(path)
            return
        self.remove(target)
        if not self._renamed(path, target):
            raise TransportError(f"'{path}' in '{self.shown}' cannot get the name '{target}'")

    def _renamed(self, path: str, target: str) -> bool:
        to = f"{self._root}/{target}"
        query = self._query("RENAME", path, destination=to, renameoptions="OVERWRITE")
        with self._ask("PUT", query, path) as answer:
            said = b"".join(answer.iter_raw())
        # A name node answers nothing to this kind of rename when it is done.
        return not said or bool(self._parsed(said)["boolean"])

    def remove(self, path: str) -> None:
        self._told("DELETE", "DELETE", path)

    remove_folder = remove

    def checksum(self, path: str) -> str:
        return str(self._told("GET", "GETFILECHECKSUM", path)["FileChecksum"]["bytes"])

    def close(self) -> None:
        for node in self._nodes:
            node.client.close()

    def explain(self, error: Exception, key: str) -> PannierError:
        return failed(error, self._active.options)

    # -- how ----

    @property
    def _server(self) -> str:
        return self._active.options.server

    def _query(self, operation: str, path: str, **more: str) -> str:
        """What is asked of a name node, behind its address."""
        query = urlencode({"op": operation, **self._who, **more})
        return f"{quote(f'{self._root}/{path}')}?{query}"

    def _proxied(self, location: str) -> str:
        """Where a data node is to be reached, when it is not where the name node says."""
        for node in self._nodes if self._data_proxy else ():
            if location.startswith(node.options.base):
                return location.replace(node.options.base, self._data_proxy or "", 1)
        return location

    def _told(self, method: str, operation: str, path: str) -> dict[str, Any]:
        with self._ask(method, self._query(operation, path), path, follow=True) as answer:
            data = b"".join(answer.iter_raw())
        return self._parsed(data)

    def _parsed(self, data: bytes) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(data)
        except ValueError:
            raise self._astray() from None
        return found

    def _astray(self) -> TransportError:
        return TransportError(
            f"{self._server} answers, but not as WebHDFS does",
            hint="check the remote's URL: the port is the one of the name node's web page",
        )

    @contextlib.contextmanager
    def _ask(self, method: str, query: str, path: str, *, follow: bool = False) -> Iterator[Any]:
        """What the name node says that does not stand by."""
        good = tuple(set(_TOLD) - {307}) if follow else _TOLD
        with contextlib.ExitStack() as stack:
            yield self._answer(stack, method, query, path, good)

    def _answer(
        self, stack: contextlib.ExitStack, method: str, query: str, path: str, good: tuple[int, ...]
    ) -> Any:
        until = time.monotonic() + _FAILOVER_S
        pause_s = _FIRST_PAUSE_S
        while True:
            first = self._active
            errors: list[TransportError] = []
            for node in sorted(self._nodes, key=lambda node: node is not first):
                url = f"{node.options.base}{query}"
                try:
                    answer = stack.enter_context(node.client.ask(method, url, path, good=good))
                    self._check(answer, path, node)
                except (StandsBy, Unreachable) as error:
                    errors.append(error)
                else:
                    self._active = node
                    return answer
            waits = any(isinstance(error, StandsBy) for error in errors) and len(errors) > 1
            if not waits or time.monotonic() > until:
                raise errors[0]
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    @contextlib.contextmanager
    def _ask_there(
        self,
        method: str,
        location: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: Any = None,
    ) -> Iterator[Any]:
        """What is said where a name node sent to."""
        node, url = self._active, self._proxied(location)
        with node.client.ask(method, url, path, good=_TOLD, headers=headers, body=body) as answer:
            self._check(answer, path, node)
            yield answer

    def _check(self, answer: Any, path: str, node: _Node) -> None:
        """Raises the contract's error for what a name or data node says went wrong."""
        status = answer.status_code
        if status < 400:
            return
        where = f"'{path}' in '{self.shown}'" if path else f"'{self.shown}'"
        try:
            said = json.loads(b"".join(answer.iter_raw()))["RemoteException"]
            kind, text = str(said["exception"]), str(said["message"]).splitlines()[0][:300]
        except (ValueError, KeyError, TypeError, IndexError):
            kind, text = "", f"status {status}"
        if kind == "FileNotFoundException" or (status == 404 and not kind):
            raise NotThere(f"{where} does not exist")
        if kind == STANDS_BY:
            alone = len(self._nodes) == 1
            raise StandsBy(node.options.server, node.options.name, "webhdfs", alone=alone)
        if kind in _LATER or (status == 500 and not kind):
            told = TransportError(f"{node.options.server} cannot answer now: {kind or text}")
            told.temporary = True
            raise told
        if status in (401, 403) or kind == _DENIED:
            raise AccessDenied(f"no access to {where}: {text}", hint=_hint(answer, node))
        raise TransportError(f"{node.options.server} refused {where}: {text}")


def _hint(refused: Any, node: _Node) -> str:
    if node.kerberos is not None:
        return "'klist' shows whose ticket it is, 'kinit <principal>' gets another"
    if refused.headers.get("WWW-Authenticate", "").lower().startswith("negotiate"):
        return node.options.modify("kerberos", "true")
    return node.options.modify("user", "<user>")


def _member(status: dict[str, Any]) -> Member:
    is_folder = status["type"] == "DIRECTORY"
    return Member(
        status["pathSuffix"], is_folder, status["length"], status["modificationTime"] / 1000
    )
