"""Files of web servers, for reading only: what `get-url` and `import-url` take.

By the standard library: one request a file, redirects followed, nothing decoded. A page that says
that something went wrong is never taken for data.
"""

from __future__ import annotations

import base64
import contextlib
import ssl
import threading
from collections.abc import Iterable, Iterator
from typing import cast
from urllib.parse import quote, unquote, urlsplit

from pannier import __version__
from pannier.core.errors import (
    AccessDenied,
    ConfigError,
    CorruptObject,
    NotThere,
    PannierError,
    TransportError,
    Unreachable,
)
from pannier.core.typed import Any
from pannier.store.remote_config import RemoteConfig
from pannier.store.transport import Entry, Facts, OnBytes, Result
from pannier.store.transports.s3_bodies import Sink
from pannier.store.transports.threads import Stopped, Team, interruptibly

_BLOCK = 1 << 20
_TIMEOUT_S = 60
_PAGES = ("", "html", "htm", "xhtml", "php", "asp", "aspx", "jsp", "cgi")
"""Endings of names under which a web page is what one expects."""

_KNOWN = {"method", "user", "password", "auth", "custom_auth_header", "ssl_verify"}
_KNOWN |= {"read_timeout", "connect_timeout"}


class HttpReader:
    """See Transport; of it all that reads. Keys are the ends of URLs, as they are typed."""

    def __init__(self, config: RemoteConfig) -> None:
        parts = urlsplit(config.url)
        host = parts.netloc.rpartition("@")[2]
        self.url = f"{parts.scheme}://{host}{parts.path}".rstrip("/")
        self.jobs_default = 8
        unknown = sorted(config.options.keys() - _KNOWN)
        if unknown:
            raise ConfigError(f"'{unknown[0]}' is no option of '{parts.scheme}://' that is known")
        self._method = (config.get("method") or "GET").upper()
        given = _authorization(config, parts.username, parts.password)
        self._secret = next(iter(given), None)
        self._headers = {
            "User-Agent": f"pannier/{__version__}",
            "Accept-Encoding": "identity",
            **given,
        }
        self._timeout_s = int(config.get("read_timeout") or _TIMEOUT_S)
        self._verify = config.get("ssl_verify")
        self._opener: Any = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"HttpReader({self.url!r})"

    def facts(self, key: str) -> Facts | None:
        """See Telling: the ETag as it is sent, with its quotes, as DVC writes it down."""
        try:
            with interruptibly(lambda: self._ask("HEAD", key)) as answer:
                return _facts(answer)
        except NotThere:
            return None
        except _NoHead:
            pass
        try:  # signed addresses and simple servers know no HEAD
            with interruptibly(lambda: self._ask(self._method, key)) as answer:
                return _facts(answer)
        except NotThere:
            return None

    def stat(self, key: str) -> Entry | None:
        found = self.facts(key)
        return None if found is None else Entry(key, found.size_bytes, found.checksum)

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        """Nothing: web servers do not tell what they have."""
        return iter(())

    def read(self, key: str) -> bytes:
        with interruptibly(lambda: self._ask(self._method, key)) as answer:
            return cast(bytes, answer.read())

    def download_many(
        self, items: Iterable[tuple[str, str, str]], jobs: int, on_bytes: OnBytes
    ) -> Iterator[Result]:
        def work(item: tuple[str, str, str]) -> Result:
            key, path, expected = item
            try:
                md5, size = self._download(key, path, expected, team.stop, on_bytes)
            except Stopped:
                raise
            except CorruptObject as error:
                return Result(key, error, error.found)
            except PannierError as error:
                return Result(key, error)
            return Result(key, None, md5, size)

        team = Team(work, jobs)
        yield from team.map(items)

    def close(self) -> None:
        return None

    # -- how ----

    def _download(
        self, key: str, path: str, expected: str, stop: threading.Event, on_bytes: OnBytes
    ) -> tuple[str, int]:
        import http.client

        where = f"'{self._address(key)}'"
        with self._ask(self._method, key) as answer, Sink(path, stop, on_bytes) as sink:
            promised = answer.headers.get("Content-Length")
            size = 0
            try:
                while block := answer.read(_BLOCK):
                    sink.add(block)
                    size += len(block)
            except (OSError, http.client.HTTPException) as error:
                raise Unreachable(f"only {size} bytes of {where} arrived: {error}") from None
            return sink.finish(int(promised) if promised else size, expected, where)

    def _address(self, key: str) -> str:
        path, mark, query = key.partition("?")
        return f"{self.url}/{quote(unquote(path))}{mark}{query}"

    def _open(self) -> Any:
        with self._lock:
            if self._opener is None:
                context = ssl.create_default_context()
                if self._verify is not None and self._verify.lower() == "false":
                    context.check_hostname = False
                    context.verify_mode = ssl.CERT_NONE
                elif self._verify is not None and self._verify.lower() != "true":
                    context.load_verify_locations(self._verify)
                self._opener = _opener(context, self._secret)
            return self._opener

    def _ask(self, method: str, key: str) -> contextlib.closing[Any]:
        """The answer, its body unread. Raises NotThere, AccessDenied, Unreachable."""
        import http.client
        import urllib.error
        import urllib.request as urls

        address = self._address(key)
        request = urls.Request(address, headers=self._headers, method=method)
        try:
            answer = self._open().open(request, timeout=self._timeout_s)
        except urllib.error.HTTPError as error:
            error.close()
            if method == "HEAD" and error.code in (403, 405, 501):
                raise _NoHead from None
            raise _refused(error.code, address) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise Unreachable(f"'{address}' cannot be reached: {reason}") from None
        if answer.status != 200:
            answer.close()
            raise TransportError(f"'{address}' answered with status {answer.status}")
        kind = answer.headers.get_content_type()
        name = key.partition("?")[0].rpartition("/")[2]
        ending = name.rpartition(".")[2].lower() if "." in name else ""
        if kind in ("text/html", "application/xhtml+xml") and ending not in _PAGES:
            answer.close()
            raise TransportError(
                f"'{address}' answered with a web page in the place of '{name}'",
                hint="it may ask for a log-in; open the address in a browser to see it",
            )
        return contextlib.closing(answer)


def _facts(answer: Any) -> Facts:
    told = answer.headers.get("ETag") or answer.headers.get("Content-MD5")
    size = answer.headers.get("Content-Length")
    return Facts(int(size) if size else None, ("checksum", told) if told else None)


class _NoHead(Exception):
    """The server does not answer HEAD, or not to us."""


def _refused(status: int, address: str) -> TransportError:
    if status in (404, 410):
        return NotThere(f"'{address}' does not exist")
    if status in (401, 403, 407):
        return AccessDenied(f"'{address}' refuses access (status {status})")
    if status in (408, 425, 429) or status >= 500:
        return Unreachable(f"'{address}' answered with status {status}")
    return TransportError(f"'{address}' answered with status {status}")


def _opener(context: ssl.SSLContext, secret: str | None) -> Any:
    """urllib's opener, which follows redirects, knows proxies, and refuses bad answers.

    secret: the header that lets us in. It is for the server that it was given for: a redirect to
    another one, or to one without TLS, goes without it.
    """
    import urllib.request as urls

    class Redirects(urls.HTTPRedirectHandler):
        def redirect_request(self, request: Any, *answer: Any) -> Any:
            following = super().redirect_request(request, *answer)
            if following is not None and secret is not None:
                before, after = urlsplit(request.full_url), urlsplit(following.full_url)
                if (before.scheme, before.netloc) != (after.scheme, after.netloc):
                    following.remove_header(secret.capitalize())
            return following

    return urls.build_opener(urls.HTTPSHandler(context=context), Redirects())


def _authorization(
    config: RemoteConfig, url_user: str | None, url_password: str | None
) -> dict[str, str]:
    password = config.get("password") or unquote(url_password or "")
    kind = config.get("auth") or ("basic" if url_user else None)
    if kind is None:
        return {}
    if kind == "custom":
        return {config.get("custom_auth_header") or "Authorization": password}
    if kind != "basic":
        raise ConfigError(f"auth '{kind}' of '{config.url}' is not supported yet")
    user = config.get("user") or unquote(url_user or "")
    pair = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    return {"Authorization": f"Basic {pair}"}
