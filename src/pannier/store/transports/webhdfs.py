"""Hadoop's file system by its REST interface, WebHDFS, also behind a gateway (HttpFS, Knox).

The name node says who is to be asked for bytes; a data node takes them and gives them. Source:
Hadoop's own description of WebHDFS; the options are DVC's.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote, urlencode, urlsplit

from pannier.core.errors import (
    AccessDenied,
    ConfigError,
    NotThere,
    PannierError,
    TransportError,
)
from pannier.core.typed import Any
from pannier.store.remote_config import RemoteConfig
from pannier.store.transport import Facts
from pannier.store.transports.kerberos import Kerberos
from pannier.store.transports.options import verify_of
from pannier.store.transports.trees import Member, TreeTransport
from pannier.store.transports.web_client import WebClient
from pannier.store.transports.web_errors import failed
from pannier.store.transports.web_options import WebOptions

_PORT = 50070
_API = "/webhdfs/v1"
_TOLD = (200, 201, 307, 400, 401, 403, 404, 500)
"""Statuses whose body says what it is about."""

_LATER = {"StandbyException", "SafeModeException", "RetriableException"}


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
        self._options, self._root = _read(config)
        self.shown = self._options.shown
        self._who = _who(config, self._options)
        self._data_proxy = config.get("data_proxy_target")
        self._kerberos = _kerberos(config, self._options)
        self._client = WebClient(self._options, "webhdfs", kerberos=self._kerberos)

    def open(self) -> None:
        self._client.open()

    def look(self, path: str) -> Member | None:
        return _member(self._told("GET", "GETFILESTATUS", path)["FileStatus"])

    def members(self, path: str) -> Iterator[Member]:
        for status in self._told("GET", "LISTSTATUS", path)["FileStatuses"]["FileStatus"]:
            yield _member(status)

    def make(self, path: str) -> None:
        if not self._told("PUT", "MKDIRS", path)["boolean"]:
            raise TransportError(f"the folder '{path}' in '{self.shown}' cannot be made")

    def write(self, path: str, blocks: Iterable[bytes], size: int) -> None:
        with self._ask("PUT", self._url("CREATE", path, overwrite="true"), path) as answer:
            where = answer.headers.get("location", "") if answer.status_code == 307 else ""
        if not where:
            raise TransportError(
                f"{self._options.server} answers, but not as WebHDFS does",
                hint="check the remote's URL: the port is the one of the name node's web page",
            )
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        with self._ask("PUT", self._proxied(where), path, headers, blocks) as answer:
            if answer.status_code not in (200, 201):
                raise TransportError(f"{self._options.server} did not take '{path}'")

    def read(self, path: str, start: int, end: int | None) -> Iterator[bytes]:
        part = {"offset": str(start)} if start else {}
        part |= {} if end is None else {"length": str(end - start)}
        url = self._url("OPEN", path, **part)
        with self._ask("GET", url, path, follow=not self._data_proxy) as answer:
            if answer.status_code != 307:
                yield from answer.iter_raw()
                return
            where = self._proxied(answer.headers.get("location", ""))
        with self._ask("GET", where, path) as answer:
            yield from answer.iter_raw()

    def move(self, path: str, target: str) -> None:
        to = f"{self._root}/{target}"
        url = self._url("RENAME", path, destination=to, renameoptions="OVERWRITE")
        with self._ask("PUT", url, path):  # this kind of rename answers nothing when it is done
            pass

    def remove(self, path: str) -> None:
        self._told("DELETE", "DELETE", path)

    remove_folder = remove

    def checksum(self, path: str) -> str:
        return str(self._told("GET", "GETFILECHECKSUM", path)["FileChecksum"]["bytes"])

    def close(self) -> None:
        self._client.close()

    def explain(self, error: Exception, key: str) -> PannierError:
        return failed(error, self._options)

    # -- how ----

    def _url(self, operation: str, path: str, **more: str) -> str:
        query = urlencode({"op": operation, **self._who, **more})
        return f"{self._options.base}{quote(f'{self._root}/{path}')}?{query}"

    def _proxied(self, location: str) -> str:
        """Where a data node is to be reached, when it is not where the name node says."""
        return (
            location.replace(f"{self._options.base}", self._data_proxy, 1)
            if self._data_proxy
            else location
        )

    def _told(self, method: str, operation: str, path: str) -> dict[str, Any]:
        with self._ask(method, self._url(operation, path), path, follow=True) as answer:
            data = b"".join(answer.iter_raw())
        try:
            found: dict[str, Any] = json.loads(data)
        except ValueError:
            raise TransportError(
                f"{self._options.server} answers, but not as WebHDFS does",
                hint="check the remote's URL: the port is the one of the name node's web page",
            ) from None
        return found

    @contextlib.contextmanager
    def _ask(
        self,
        method: str,
        url: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: Any = None,
        *,
        follow: bool = False,
    ) -> Iterator[Any]:
        good = tuple(set(_TOLD) - {307}) if follow else _TOLD
        with self._client.ask(method, url, path, good=good, headers=headers, body=body) as answer:
            self._check(answer, path)
            yield answer

    def _check(self, answer: Any, path: str) -> None:
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
        if kind in _LATER or (status == 500 and not kind):
            told = TransportError(f"{self._options.server} cannot answer now: {kind or text}")
            told.temporary = True
            raise told
        if status in (401, 403):
            raise AccessDenied(f"no access to {where}: {text}", hint=self._hint(answer))
        raise TransportError(f"{self._options.server} refused {where}: {text}")

    def _hint(self, refused: Any) -> str:
        if self._kerberos is not None:
            return "'klist' shows whose ticket it is, 'kinit <principal>' gets another"
        if refused.headers.get("WWW-Authenticate", "").lower().startswith("negotiate"):
            return self._options.modify("kerberos", "true")
        return self._options.modify("user", "<user>")


def _member(status: dict[str, Any]) -> Member:
    is_folder = status["type"] == "DIRECTORY"
    return Member(
        status["pathSuffix"], is_folder, status["length"], status["modificationTime"] / 1000
    )


def _who(config: RemoteConfig, options: WebOptions) -> dict[str, str]:
    """What every request says of who asks."""
    token, proxied = config.get("token"), config.get("proxy_to")
    if token and (options.user or proxied):
        raise ConfigError(
            f"'token' of remote '{config.name}' says who you are: 'user' and 'proxy_to' do not go"
            " with it",
            hint=f"dvc remote modify --unset {config.name} user",
        )
    if token:
        return {"delegation": token}
    who = {"user.name": options.user} if options.user else {}
    return {**who, "doas": proxied} if proxied else who


def _kerberos(config: RemoteConfig, options: WebOptions) -> Kerberos | None:
    """A token says who asks without a ticket."""
    if not config.flag("kerberos") or config.get("token"):
        return None
    if options.user:
        raise ConfigError(
            f"'kerberos' of remote '{config.name}' takes who you are from the ticket: 'user' does"
            " not go with it",
            hint=f"dvc remote modify --unset {config.name} user"
            if config.get("user")
            else f"dvc remote modify {config.name} url {options.shown}",
        )
    host = urlsplit(options.base).hostname or ""
    return Kerberos(config.name, host, config.get("kerberos_principal") or None)


def _read(config: RemoteConfig) -> tuple[WebOptions, str]:
    """(settings of the web client, path of the root)."""
    try:
        url = urlsplit(config.url)
        host, port = url.hostname or "", url.port or _PORT
    except ValueError:
        host, port = "", 0
    if not host:
        raise ConfigError(
            f"the URL of remote '{config.name}' must be like webhdfs://host:port/path"
        )
    host = f"[{host}]" if ":" in host else host
    user = config.get("user") or (unquote(url.username) if url.username else None)
    password = config.get("password") or (unquote(url.password) if url.password else None)
    if password and not user:
        raise ConfigError(
            f"'password' of remote '{config.name}' needs 'user'",
            hint=f"dvc remote modify {config.name} user <user>",
        )
    verify = verify_of(config)
    root = unquote(url.path).rstrip("/")
    options = WebOptions(
        name=config.name,
        shown=f"webhdfs://{host}:{port}{root}",
        base=f"{'https' if config.flag('use_https') else 'http'}://{host}:{port}{_API}",
        auth="basic" if password else "",
        user=user,
        password=password,
        verify=True if verify is None else verify,
        method="PUT",
    )
    return options, root
