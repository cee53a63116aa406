"""Hadoop's file system by its own protocol, through hdfs-native: no Java is needed.

The only module that knows hdfs_native.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, urlsplit

from pannier.core.errors import (
    AccessDenied,
    ConfigError,
    NotThere,
    PannierError,
    TransportError,
    Unreachable,
)
from pannier.core.typed import Any
from pannier.store.remote_config import RemoteConfig
from pannier.store.transports.gssapi import find_library
from pannier.store.transports.hadoop_settings import (
    STANDS_BY,
    StandsBy,
    cluster_of,
    name_nodes,
    read_settings,
    umask,
)
from pannier.store.transports.kerberos import owner_of
from pannier.store.transports.options import protected_path
from pannier.store.transports.trees import Member, TreeTransport

_BLOCK = 4 << 20
_USER_VARIABLE = "HADOOP_USER_NAME"
_DENIED = ("AccessControlException", "AuthorizationException", "SaslException")
_NO_LIBRARY = "libgssapi"
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_LATER = ("SafeModeException", "RetriableException", "NotReplicatedYet")
_ASK = {"hadoop.security.authentication": "kerberos"}
"""So the name node is asked what it wants to know; one without Kerberos says that a name will do.
Else the library tells it a name, and one with Kerberos hangs up, for minutes."""
_AT_ONCE = {"dfs.client.failover.max.attempts": "0"}
_PORT = 8020
_KNOCK_S = 20
_user_lock = threading.Lock()


class HdfsTransport(TreeTransport):
    """See Transport. A file takes a third of a second whatever its size, so many travel at once."""

    jobs_default = 64

    def __init__(self, config: RemoteConfig) -> None:
        super().__init__(_HdfsTree(config))


class _HdfsTree:
    def __init__(self, config: RemoteConfig) -> None:
        try:
            url = urlsplit(config.url)
            host, port = url.hostname or "", url.port
        except ValueError:
            raise ConfigError(
                f"the URL of remote '{config.name}' must be like hdfs://host:port/path"
            ) from None
        self.shown = f"hdfs://{host}{f':{port}' if port else ''}{url.path.rstrip('/')}"
        self._url, self._host, self._port = config.url, host, port
        self._root = unquote(url.path).rstrip("/")
        self._user = config.get("user") or (unquote(url.username) if url.username else None)
        self._ticket = protected_path(config, "kerb_ticket")
        self._remote = config.name
        self._is_alone = False
        self._lock = threading.Lock()
        self._client: Any = None
        self._library: Any = None
        self._umask = 0

    def open(self) -> None:
        with self._lock:
            if self._client is None:
                try:
                    import hdfs_native
                except ImportError:
                    raise ConfigError(
                        "remotes of the kind hdfs:// need a package that is not installed",
                        hint="pip install 'pannier[hdfs]'",
                    ) from None
                self._be_user()
                settings = read_settings()
                server = self._server(settings)
                self._umask = umask(settings)
                self._library = hdfs_native
                if self._is_alone or find_library() is None:
                    self._ask_once(server)
                ticket: dict[str, str] = {}
                if self._ticket:  # the library wants to know whose it is
                    owner = owner_of(self._ticket, self._remote)
                    ticket = {"kerberos_cache": self._ticket, "kerberos_principal": owner}
                self._client = hdfs_native.Client(server, _ASK, **ticket)

    def _server(self, settings: dict[str, str]) -> str | None:
        """The URL of the name node or of a cluster that the settings know; None is their default.

        A host is knocked at: the library would try for three minutes.
        """
        if not self._host:
            if not settings.get("fs.defaultFS"):
                raise ConfigError(
                    f"the URL of remote '{self._remote}' names no host, and Hadoop's settings name"
                    " none either ('fs.defaultFS')",
                    hint="HADOOP_CONF_DIR must name the folder with core-site.xml, or the URL a"
                    f" host: 'dvc remote modify {self._remote} url hdfs://<host>:<port>/<path>'",
                )
            return None
        self._is_alone = False
        if cluster := cluster_of(settings, self._url):
            name_nodes(settings, cluster, "rpc-address")
            return f"hdfs://{cluster}"
        port = self._port or _PORT
        socket.create_connection((self._host, port), _KNOCK_S).close()
        self._is_alone = True
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"hdfs://{host}:{port}"

    def _ask_once(self, server: str | None) -> None:
        """Does the name node stand by, or want Kerberos on a machine without? The library would try
        for three minutes. Anything else that fails will fail again, and be told then."""
        try:
            self._library.Client(server, {**_ASK, **_AT_ONCE}).get_file_info("/")
        except Exception as error:
            if _NO_LIBRARY in str(error) or STANDS_BY in str(error):
                raise

    def _be_user(self) -> None:
        """The library takes a name from the environment alone, so there is one for a process."""
        with _user_lock:
            there = os.environ.get(_USER_VARIABLE)
            if self._user and there not in (None, self._user):
                raise ConfigError(
                    f"remote '{self._remote}' is for the user '{self._user}',"
                    f" and {_USER_VARIABLE} says '{there}'",
                    hint=f"unset {_USER_VARIABLE}, or use one such remote at a time",
                )
            if self._user:
                os.environ[_USER_VARIABLE] = self._user

    def look(self, path: str) -> Member | None:
        return _member(self._client.get_file_info(self._at(path)))

    def members(self, path: str) -> Iterator[Member]:
        at = self._at(path)
        for status in self._client.list_status(at, False):
            if status.path.rstrip("/") != at.rstrip("/"):  # a file lists itself
                yield _member(status)

    def make(self, path: str) -> None:
        self._client.mkdirs(self._at(path), 0o777 & ~self._umask, True)

    def write(self, path: str, blocks: Iterable[bytes], size: int) -> None:
        """Returns when the datanodes have the bytes on their disks."""
        mode = 0o666 & ~self._umask
        options = self._library.WriteOptions(permission=mode, overwrite=True, create_parent=False)
        with contextlib.closing(self._client.create(self._at(path), options)) as file:
            for block in blocks:
                file.write(block)
            if size:
                file.hsync()

    def read(self, path: str, start: int, end: int | None) -> Iterator[bytes]:
        file = self._client.read(self._at(path))
        end = len(file) if end is None else end
        while start < end:  # the library panics when asked for more than there is
            block = file.read_range(start, min(_BLOCK, end - start))
            start += len(block)
            yield block

    def move(self, path: str, target: str) -> None:
        self._client.rename(self._at(path), self._at(target), True)

    def remove(self, path: str) -> None:
        self._client.delete(self._at(path), False)

    remove_folder = remove

    def close(self) -> None:
        with self._lock:
            self._client = None

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}".rstrip("/") or "/"

    def explain(self, error: Exception, key: str) -> PannierError:
        where = f"'{key}' in '{self.shown}'" if key else f"'{self.shown}'"
        text = str(error)
        said = text.replace("\\n", "\n").splitlines()[0][:300] if text else type(error).__name__
        if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
            return NotThere(f"{where} does not exist")
        if "GSSAPIError" in text or _NO_LIBRARY in text:
            return self._refused(text)
        if isinstance(error, PermissionError) or any(word in text for word in _DENIED):
            return AccessDenied(
                f"no access to {where}: {said}",
                hint=f"'dvc remote modify {self._remote} user <user>', or kinit",
            )
        if isinstance(error, OSError | TimeoutError) and not isinstance(error, FileExistsError):
            return Unreachable(f"'{self.shown}' does not answer: {said}")
        if STANDS_BY in text:
            server = f"'{self.shown}'"
            return StandsBy(server, self._remote, "hdfs", alone=self._is_alone)
        told = TransportError(f"a request for {where} failed: {said}")
        told.temporary = any(word in text for word in _LATER)
        return told

    def _refused(self, text: str) -> PannierError:
        """What is wrong with the ticket, or what else Kerberos told the library."""
        try:
            owner_of(self._ticket, self._remote)
        except PannierError as told:
            return told
        cause = _QUOTED.findall(text)[-1].rpartition(": ")[2]
        if "KDC" in cause:
            return Unreachable(f"no Kerberos server answers: {cause}")
        return AccessDenied(f"Kerberos refuses: {cause}", hint="klist")


def _member(status: Any) -> Member:
    name = status.path.rstrip("/").rpartition("/")[2]
    return Member(name, status.isdir, status.length, status.modification_time / 1000)
