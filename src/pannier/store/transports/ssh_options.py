"""What an SSH remote's settings say, checked. Nothing is read from elsewhere."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from pannier.core.errors import ConfigError
from pannier.core.record import dataclass, field
from pannier.store.remote_config import RemoteConfig
from pannier.store.transports.options import protected_path

CONNECT_TIMEOUT_S = 60

_BAD_IN_HOST = re.compile(r"^-|[\s\x00-\x1f'\"`$\\;&<>|(){}/]")
_BAD_IN_USER = re.compile(r"^-|[\s\x00-\x1f'\"`$\\;&<>|(){}]")
"""A host or user that comes with a repository may end on the command line of a ProxyCommand; as
OpenSSH since 9.6, such names are refused."""


@dataclass(frozen=True, slots=True)
class Options:
    """user, port, timeout_s: None where ~/.ssh/config decides. root: absolute, without a slash at
    its end. sessions_max: channels on one connection. gss: None where ~/.ssh/config decides."""

    name: str
    host: str
    user: str | None
    port: int | None
    root: str
    password: str | None = field(repr=False)
    ask_password: bool
    keyfile: str | None
    passphrase: str | None = field(repr=False)
    ask_passphrase: bool
    timeout_s: int | None
    gss: bool | None
    allow_agent: bool
    sessions_max: int | None
    scratch: str = ""
    """As of RemoteConfig."""

    @property
    def url(self) -> str:
        """For messages: without the password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        at = f"{self.user}@{host}" if self.user else host
        return f"ssh://{at}{f':{self.port}' if self.port else ''}{self.root or '/'}"

    @property
    def command(self) -> str:
        """How a person connects: `ssh -p 2222 me@host`."""
        port = f"-p {self.port} " if self.port else ""
        return f"ssh {port}{f'{self.user}@' if self.user else ''}{self.host}"


def read_options(config: RemoteConfig) -> Options:
    """Raises ConfigError for what is wrong or does not fit together."""
    netloc, _, path = config.url.partition("://")[2].partition("/")
    try:
        url = urlsplit(f"ssh://{netloc}")
        host, url_port = url.hostname or "", url.port
    except ValueError:
        host, url_port = "", None
    if not host or _BAD_IN_HOST.search(host) or "\0" in path:
        raise ConfigError(
            f"the URL of remote '{config.name}' must be like ssh://user@host/absolute/path"
        )
    user = config.get("user") or (unquote(url.username) if url.username else None)
    if user is not None and _BAD_IN_USER.search(user):
        raise ConfigError(f"the user of remote '{config.name}' is no name that a server can know")
    password = config.get("password") or (unquote(url.password) if url.password else None)
    keyfile = protected_path(config, "keyfile")
    gss = config.flag("gss_auth") if config.get("gss_auth") is not None else None
    return Options(
        name=config.name,
        host=host,
        user=user,
        port=_number(config, "port", 65535) or url_port,
        root=f"/{path}".rstrip("/"),
        password=password,
        ask_password=config.flag("ask_password") and not password,
        keyfile=keyfile,
        passphrase=config.get("passphrase"),
        ask_passphrase=config.flag("ask_passphrase") and not config.get("passphrase"),
        timeout_s=_number(config, "timeout", 1 << 20),
        gss=gss,
        allow_agent=config.flag("allow_agent", True),
        sessions_max=_number(config, "max_sessions", 1 << 20),
        scratch=config.scratch,
    )


def _number(config: RemoteConfig, option: str, most: int) -> int | None:
    value = config.get(option)
    if value is None:
        return None
    try:
        number = int(value)
    except ValueError:
        number = 0
    if not 0 < number <= most:
        raise ConfigError(f"'{option}' of remote '{config.name}' cannot be {value}")
    return number
