"""What a WebHDFS remote's settings say, checked, and where its name nodes are."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from pannier.core.errors import ConfigError
from pannier.core.record import dataclass, field
from pannier.store.remote_config import RemoteConfig
from pannier.store.transports.hadoop_settings import cluster_of, name_nodes, read_settings
from pannier.store.transports.kerberos import Kerberos
from pannier.store.transports.options import verify_of
from pannier.store.transports.web_options import WebOptions

_PORT = 50070
_API = "/webhdfs/v1"


@dataclass(frozen=True, slots=True)
class Settings:
    """nodes: one for each name node, of which one answers at a time. root: without a slash at its
    end. who: what every request says of who asks. data_proxy: see `data_proxy_target`."""

    nodes: list[tuple[WebOptions, Kerberos | None]]
    root: str
    who: dict[str, str] = field(repr=False)
    data_proxy: str | None = None


def read_webhdfs_settings(config: RemoteConfig) -> Settings:
    """Raises ConfigError for what is wrong or does not fit together."""
    try:
        url = urlsplit(config.url)
        host, port = url.hostname or "", url.port
    except ValueError:
        host, port = "", None
    if not host:
        raise ConfigError(
            f"the URL of remote '{config.name}' must be like webhdfs://host:port/path"
        )
    root = unquote(url.path).rstrip("/")
    settings = read_settings()
    if cluster := cluster_of(settings, config.url):
        what = "https-address" if config.flag("use_https") else "http-address"
        addresses, shown = name_nodes(settings, cluster, what), f"webhdfs://{cluster}{root}"
    else:
        at = f"{f'[{host}]' if ':' in host else host}:{port or _PORT}"
        addresses, shown = [at], f"webhdfs://{at}{root}"
    options = [_options(config, shown, at) for at in addresses]
    return Settings(
        nodes=[(each, _kerberos(config, each)) for each in options],
        root=root,
        who=_who(config, options[0]),
        data_proxy=config.get("data_proxy_target"),
    )


def _options(config: RemoteConfig, shown: str, address: str) -> WebOptions:
    url = urlsplit(config.url)
    user = config.get("user") or (unquote(url.username) if url.username else None)
    password = config.get("password") or (unquote(url.password) if url.password else None)
    if password and not user:
        raise ConfigError(
            f"'password' of remote '{config.name}' needs 'user'",
            hint=f"dvc remote modify {config.name} user <user>",
        )
    verify = verify_of(config)
    return WebOptions(
        name=config.name,
        shown=shown,
        base=f"{'https' if config.flag('use_https') else 'http'}://{address}{_API}",
        auth="basic" if password else "",
        user=user,
        password=password,
        verify=True if verify is None else verify,
        method="PUT",
    )


def _who(config: RemoteConfig, options: WebOptions) -> dict[str, str]:
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
