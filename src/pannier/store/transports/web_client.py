"""Requests to a web server: credentials, redirects, second tries, and errors of the contract.

The only module that knows httpx. It is imported with the first request: that costs more than a
whole `status`.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urljoin, urlsplit

from pannier import __version__
from pannier.core.errors import ConfigError, NotThere, TransportError
from pannier.core.typed import TYPE_CHECKING, Any, Protocol
from pannier.store.transports.asking import ask_secret
from pannier.store.transports.web_errors import TEMPORARY, astray, on_the_way, refusal
from pannier.store.transports.web_options import WebOptions
from pannier.store.transports.web_token import TokenCommand

if TYPE_CHECKING:
    from pannier.store.transports.kerberos import Kerberos

_TRIES = 3
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_NEAR_S = 5.0
_REDIRECTS_MAX = 10
_MOVED = {301, 302, 303, 307, 308}
_NOT_KNOWN = (403, 404, 405, 410, 501)
_KERBEROS_COOKIE = "hadoop.auth="
"""What a server of Hadoop's gives to who has shown a ticket: it is not asked for again."""
_SMALL = 1 << 16
"""So much of a body that nobody wants is read, to keep the connection for the next request."""


class Tokens(Protocol):
    def token(self) -> str: ...

    def forget(self, token: str) -> None:
        """Called with a token that was refused."""
        ...


class WebClient:
    """For all threads of one transport. extra: the name of the package's extra, for a hint.

    tokens: where they come from when they are neither in the settings nor printed by a command.
    kerberos: for a server that wants a ticket.
    """

    def __init__(
        self,
        options: WebOptions,
        extra: str,
        tokens: Tokens | None = None,
        kerberos: Kerberos | None = None,
    ) -> None:
        self.options = options
        self._extra = extra
        self._lock = threading.Lock()
        self._client: Any = None
        self._digests = threading.local()
        self._headers: dict[str, str] = {}
        self._command: Tokens | None = tokens
        self._kerberos = kerberos

    def open(self) -> None:
        """Makes the client, once. Raises ConfigError for what is wrong with the settings."""
        with self._lock:
            if self._client is None:
                httpx = _library(self._extra)
                self._headers = self._credentials()
                self._client = _make(httpx, self.options)

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
            if client is not None:
                client.close()

    # -- one request ----

    @contextlib.contextmanager
    def ask(
        self,
        method: str,
        url: str,
        key: str = "",
        *,
        good: Iterable[int] = (200,),
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Iterator[Any]:
        """An answer whose body was not read yet, with one of the good statuses.

        body: bytes, or what can be iterated over anew for every try; its size then is one of the
        headers. Raises the contract's errors, also for what breaks off inside of the `with`.
        """
        self.open()
        answer = self._answered(method, url, dict(headers or {}), body, frozenset(good))
        try:
            if answer.status_code not in good:
                raise refusal(answer.status_code, method, key, self.options)
            yield answer
        except Exception as error:
            raise self.explained(error) from None
        finally:
            _let_go(answer)

    def call(self, method: str, url: str, key: str = "", **more: Any) -> bytes:
        """A small answer as a whole."""
        with self.ask(method, url, key, **more) as answer:
            return b"".join(answer.iter_raw())

    def tokens_ready(self) -> None:
        """Raises what is wrong with who asks, before the first request."""
        if self._command is not None:
            self._command.token()

    def post_bare(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """(status, body) of a request that says of who asks only what is in it."""
        self.open()
        try:
            answer = self._client.post(url, content=body, headers=dict(headers))
        except Exception as error:
            raise self.explained(error) from None
        return answer.status_code, answer.content

    def get_bare(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """As post_bare; for who answers at once, or is not there."""
        self.open()
        try:
            answer = self._client.get(url, headers=dict(headers), timeout=_NEAR_S)
        except Exception as error:
            raise self.explained(error) from None
        return answer.status_code, answer.content

    def explained(self, error: Exception) -> Exception:
        """What httpx raised in the contract's words; anything else as it is."""
        if type(error).__module__.partition(".")[0] in ("httpx", "httpcore", "h11", "ssl"):
            return on_the_way(error, self.options)
        return error

    def prove(self) -> None:
        """Before a body is sent that would be sent twice: digest authentication begins with a
        refusal that says what the password is to be mixed with."""
        if self.options.auth == "digest" and not hasattr(self._digests, "proven"):
            with self.ask("HEAD", f"{self.options.base}/", good=(*range(200, 300), *_NOT_KNOWN)):
                self._digests.proven = True

    # -- how ----

    def _answered(
        self, method: str, url: str, headers: dict[str, str], body: Any, good: frozenset[int]
    ) -> Any:
        """Tries again what a busy server or a connection that went stale failed at."""
        tries = _TRIES if body is None or isinstance(body, bytes) else 1
        for attempt in range(1, tries + 1):
            pause_s = _FIRST_PAUSE_S * 2**attempt * (0.5 + random.random())
            try:
                answer = self._followed(method, url, headers, body, good)
            except Exception as error:
                told = self.explained(error)
                if attempt == tries or not getattr(told, "temporary", False):
                    raise told from None
            else:
                if answer.status_code in good or answer.status_code not in TEMPORARY:
                    return answer
                if attempt == tries:
                    return answer
                pause_s = max(pause_s, _wanted_pause_s(answer.headers.get("retry-after")))
                _let_go(answer)
            time.sleep(min(pause_s, _LONGEST_PAUSE_S))
        raise AssertionError("unreachable")

    def _followed(
        self, method: str, url: str, headers: dict[str, str], body: Any, good: frozenset[int]
    ) -> Any:
        """Follows redirects. Credentials go to the server that they were given for alone."""
        asked_anew = False
        for _ in range(_REDIRECTS_MAX):
            home = _origin(url) == _origin(self.options.base)
            answer = self._sent(method, url, headers, body, home)
            status = answer.status_code
            if status == 401 and home and self._command is not None and not asked_anew:
                asked_anew = True
                self._command.forget(self._command.token())
            elif status in _MOVED and status not in good and "location" in answer.headers:
                if method not in ("GET", "HEAD", "PROPFIND") and status not in (307, 308):
                    return answer
                url, before = urljoin(url, answer.headers["location"]), url
                if url == f"{before}/" and method in ("GET", "HEAD"):
                    _let_go(answer)
                    raise NotThere(f"'{before.partition('?')[0]}' is a folder")
                if urlsplit(url).scheme not in ("http", "https"):
                    return answer
                if url.startswith("http:") and self.options.base.startswith("https:"):
                    answer.close()
                    raise TransportError(
                        f"{self.options.server} sends to an address without encryption"
                    )
            else:
                return answer
            _let_go(answer)
        raise astray(self.options)

    def _sent(self, method: str, url: str, headers: dict[str, str], body: Any, home: bool) -> Any:
        client = self._client
        all_headers = {**(self._headers if home else {}), **headers}
        if home and self._command is not None:
            all_headers["Authorization"] = f"Bearer {self._command.token()}"
        request = client.build_request(method, url, headers=all_headers, content=body)
        if home and self._kerberos is not None:
            if _KERBEROS_COOKIE in request.headers.get("Cookie", ""):
                answer = client.send(request, stream=True, follow_redirects=False)
                if answer.status_code != 401:
                    return answer
                answer.close()  # the cookie is too old, or its server began anew
                request = client.build_request(method, url, headers=all_headers, content=body)
            return _proven(client, request, self._kerberos)
        auth = self._digest() if home and self.options.auth == "digest" else None
        return client.send(request, stream=True, auth=auth, follow_redirects=False)

    def _digest(self) -> Any:
        """A thread's own: the count of requests is part of what the server checks."""
        found = getattr(self._digests, "auth", None)
        if found is None:
            httpx = _library(self._extra)
            found = httpx.DigestAuth(self.options.user or "", self._password or "")
            self._digests.auth = found
        return found

    def _credentials(self) -> dict[str, str]:
        """Headers that say who asks."""
        options = self.options
        self._password = options.password
        if options.ask_password:
            who = f"{options.user}@" if options.user else ""
            host = options.server.partition("://")[2]
            self._password = ask_secret(options.name, "password", f"Password for {who}{host}")
        if options.auth == "header":
            return {options.header or "": _as_header(self._password or "", options)}
        if options.auth == "bearer" and options.token:
            return {"Authorization": f"Bearer {_as_header(options.token, options)}"}
        if options.auth == "bearer" and options.token_command:
            self._command = TokenCommand(options.token_command, options.name)
        if options.auth == "basic":
            from base64 import b64encode

            pair = f"{options.user or ''}:{self._password or ''}".encode()
            return {"Authorization": f"Basic {b64encode(pair).decode()}"}
        return {}


def _proven(client: Any, request: Any, kerberos: Kerberos) -> Any:
    """Shows a ticket unasked, so that no body is sent twice; the answer must prove who gave it."""
    request.headers.pop("Cookie", None)  # with one that is good no server would prove anything
    with kerberos.prove() as proof:
        request.headers["Authorization"] = proof.header
        answer = client.send(request, stream=True, follow_redirects=False)
        if answer.status_code < 400:
            try:
                proof.check(answer.headers.get("WWW-Authenticate"))
            except BaseException:
                answer.close()
                raise
        return answer


def _let_go(answer: Any) -> None:
    length = answer.headers.get("content-length", "")
    if not answer.is_stream_consumed and length.isdigit() and int(length) <= _SMALL:
        with contextlib.suppress(Exception):
            answer.read()
    answer.close()


def _library(extra: str) -> Any:
    try:
        import httpx
    except ImportError:
        raise ConfigError(
            f"remotes of the kind {extra}:// need a package that is not installed",
            hint=f"pip install 'pannier[{extra}]'",
        ) from None
    return httpx


def _make(httpx: Any, options: WebOptions) -> Any:
    import logging

    # They would write every request to whatever log is open, at DEBUG with its headers.
    for name in ("httpx", "httpcore"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)
    return httpx.Client(
        verify=_tls(options),
        timeout=httpx.Timeout(options.read_timeout_s, connect=options.connect_timeout_s, pool=None),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        # A body that travels packed would not be the one that is stored.
        headers={"User-Agent": f"pannier/{__version__}", "Accept-Encoding": "identity"},
    )


def _tls(options: WebOptions) -> Any:
    import ssl

    if options.server.startswith("http:"):
        return False
    context = ssl.create_default_context()
    if options.verify is False:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    elif isinstance(options.verify, str):
        try:
            context.load_verify_locations(options.verify)
        except (OSError, ssl.SSLError):
            raise ConfigError(f"the CA file '{options.verify}' cannot be read") from None
    if options.certificate is not None:
        certificate, key = options.certificate
        try:
            context.load_cert_chain(certificate, key, password=lambda: "")
        except (OSError, ssl.SSLError):
            raise ConfigError(
                f"the certificate '{certificate}' of remote '{options.name}' cannot be read,"
                " or does not fit its key"
            ) from None
    return context


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3]).lower()


def _as_header(text: str, options: WebOptions) -> str:
    if not text.isascii() or not text.isprintable():
        raise ConfigError(f"the password or token of remote '{options.name}' cannot be a header")
    return text


def _wanted_pause_s(text: str | None) -> float:
    return float(text) if text and text.isdigit() else 0.0
