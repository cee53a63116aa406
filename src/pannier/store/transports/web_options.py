"""What the settings of WebDAV and HTTP remotes say, checked. Nothing is read from elsewhere."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlsplit

from pannier.core.errors import ConfigError
from pannier.core.record import dataclass, field
from pannier.store.remote_config import RemoteConfig
from pannier.store.transports.options import protected, protected_path, verify_of

_TIMEOUT_S = 60
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True, slots=True)
class WebOptions:
    """auth: "", "basic", "digest", "bearer", or "header" for one of the user's own.

    base: the root as an http(s) URL without user, password, or a slash at its end. shown: the same
    as it was given, without a password. method: for writing.
    """

    name: str
    shown: str
    base: str
    auth: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ask_password: bool = False
    header: str | None = None
    token: str | None = field(default=None, repr=False)
    token_command: str | None = None
    verify: bool | str = True
    certificate: tuple[str, str | None] | None = None
    connect_timeout_s: float = _TIMEOUT_S
    read_timeout_s: float = _TIMEOUT_S
    method: str = "POST"

    @property
    def server(self) -> str:
        """Scheme and host, for messages."""
        return "/".join(self.base.split("/", 3)[:3])

    @property
    def is_webdav(self) -> bool:
        return self.shown.lower().startswith("webdav")

    def modify(self, option: str, value: str) -> str:
        local = "--local " if option in ("password", "token") else ""
        return f"'dvc remote modify {local}{self.name or '<remote>'} {option} {value}'"


def read_http_options(config: RemoteConfig) -> WebOptions:
    """Raises ConfigError for what is wrong or does not fit together."""
    auth = config.get("auth") or ""
    user, password = config.get("user"), config.get("password")
    asked = config.flag("ask_password") and not password
    header = config.get("custom_auth_header")
    if auth in ("basic", "digest") and (user is None or (password is None and not asked)):
        raise _lacks(config, f"HTTP '{auth}' authentication", "'user' and 'password'")
    if auth == "custom" and (header is None or (password is None and not asked)):
        raise _lacks(config, "HTTP 'custom' authentication", "'custom_auth_header' and 'password'")
    return _read(
        config,
        auth={"custom": "header"}.get(auth, auth),
        ask_password=bool(auth) and asked,
        header=header if auth == "custom" else None,
        connect_timeout_s=_seconds(config, "connect_timeout"),
        read_timeout_s=_seconds(config, "read_timeout"),
        method=(config.get("method") or "POST").upper(),
    )


def read_webdav_options(config: RemoteConfig) -> WebOptions:
    """Raises ConfigError for what is wrong or does not fit together."""
    token, command = config.get("token"), _command_of(config)
    header, password = config.get("custom_auth_header"), config.get("password")
    asked = config.flag("ask_password") and not password
    if header and not password and not asked:
        raise _lacks(config, "'custom_auth_header'", "'password'")
    auth = "header" if header else "bearer" if token or command else ""
    certificate, key = protected_path(config, "cert_path"), protected_path(config, "key_path")
    if key and not certificate:
        raise _lacks(config, "'key_path'", "'cert_path'")
    timeout_s = _seconds(config, "timeout")
    return _read(
        config,
        auth=auth or ("basic" if config.get("user") else ""),
        ask_password=asked,
        header=header,
        token=token,
        token_command=command,
        certificate=(certificate, key) if certificate else None,
        connect_timeout_s=timeout_s,
        read_timeout_s=timeout_s,
        method="PUT",
    )


def _read(
    config: RemoteConfig,
    *,
    auth: str,
    ask_password: bool,
    header: str | None,
    token: str | None = None,
    token_command: str | None = None,
    certificate: tuple[str, str | None] | None = None,
    connect_timeout_s: float,
    read_timeout_s: float,
    method: str,
) -> WebOptions:
    scheme, base, user, password = _parts_of(config)
    user, password = config.get("user") or user, config.get("password") or password
    if header and not _HEADER.fullmatch(header):
        raise ConfigError(f"'custom_auth_header' of remote '{config.name}' is no name of a header")
    if not _HEADER.fullmatch(method):
        raise ConfigError(f"'method' of remote '{config.name}' is no HTTP method: '{method}'")
    verify = verify_of(config)
    return WebOptions(
        name=config.name,
        shown=f"{scheme}{base[base.index(':') :]}",
        base=base,
        auth=auth or ("basic" if user else ""),
        user=user,
        password=password,
        ask_password=ask_password and not password,
        header=header,
        token=token,
        token_command=token_command,
        verify=True if verify is None else verify,
        certificate=certificate,
        connect_timeout_s=connect_timeout_s,
        read_timeout_s=read_timeout_s,
        method=method,
    )


def _parts_of(config: RemoteConfig) -> tuple[str, str, str | None, str | None]:
    """(scheme, base, user, password) of the URL."""
    scheme = config.url.partition("://")[0].lower()
    web = scheme.replace("webdav", "http")
    try:
        url = urlsplit(config.url)
        host, port = url.hostname or "", url.port
    except ValueError:
        host, port = "", None
    if not host or url.query or url.fragment or _UNSAFE.search(host):
        raise ConfigError(
            f"the URL of remote '{config.name}' must be like {scheme}://host/path",
            hint=f"'dvc remote modify {config.name} url {scheme}://...'",
        )
    host = f"[{host}]" if ":" in host else host
    # What is percent-encoded already stays so; all else that no URL can hold is encoded.
    path = quote(url.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
    base = f"{web}://{host}{f':{port}' if port else ''}{path}"
    user = unquote(url.username) if url.username else None
    return scheme, base, user, unquote(url.password) if url.password else None


def _command_of(config: RemoteConfig) -> str | None:
    return protected(config, "bearer_token_command", "runs a program")


def _lacks(config: RemoteConfig, what: str, needed: str) -> ConfigError:
    option = needed.strip("'").split("'")[-1]
    return ConfigError(
        f"{what} of remote '{config.name}' needs {needed}",
        hint=f"'dvc remote modify --local {config.name} {option} <{option}>'",
    )


def _seconds(config: RemoteConfig, option: str) -> float:
    value = config.get(option)
    if value is None:
        return _TIMEOUT_S
    try:
        found = float(value)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise ConfigError(f"'{option}' must be a number of seconds, it is '{value}'")
    return found
