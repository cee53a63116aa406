"""obstore, the library that speaks to object stores: how its clients are set up.

The only module that knows it. It is imported with the first request.
"""

from __future__ import annotations

from datetime import timedelta

from pannier import __version__
from pannier.core.errors import ConfigError
from pannier.core.typed import Any, Protocol
from pannier.store.transports.s3_errors import Place

_FOREVER = timedelta(days=7)
RETRIES = {
    "max_retries": 2,
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2)},
    "retry_timeout": timedelta(seconds=60),
}
"""store.transfer repeats what failed; here only the hiccups of a busy server are smoothed."""

SLOW_UPLOAD_S = 1800
"""obstore's read timeout runs while it sends. What object_store.py lets be under way at a time,
some 200 MB, takes so long on a line of 1 MBit/s; a line that is dead TCP itself gives up sooner."""


class Client(Protocol):
    """obstore: the module. store: for what is answered soon; slow: for big bodies out. place:
    where requests go."""

    @property
    def obstore(self) -> Any: ...
    @property
    def store(self) -> Any: ...
    @property
    def slow(self) -> Any: ...
    @property
    def place(self) -> Place: ...


def library(extra: str, name: str) -> tuple[Any, Any]:
    """The module and its class of that name. extra: of our package, and the kind of URL."""
    try:
        import obstore
        from obstore import store
    except ImportError:
        raise ConfigError(
            f"remotes of the kind {extra}:// need a package that is not installed",
            hint=f"pip install 'pannier[{extra}]'",
        ) from None
    return obstore, getattr(store, name)


def client_options(
    server: str, connect_timeout_s: float, read_timeout_s: float, verify: bool | str = True
) -> dict[str, Any]:
    """server: its URL. verify: as in s3_config.Options. Raises ConfigError."""
    options: dict[str, Any] = {
        "allow_http": server.startswith("http:"),
        "connect_timeout": timedelta(seconds=connect_timeout_s),
        "read_timeout": timedelta(seconds=read_timeout_s),
        "timeout": _FOREVER,
        "user_agent": f"pannier/{__version__}",
    }
    if isinstance(verify, str):
        try:
            with open(verify, "rb") as file:
                options["root_certificate"] = file.read()
        except OSError:
            raise ConfigError(f"the CA file '{verify}' cannot be read") from None
    elif not verify:
        options["allow_invalid_certificates"] = True
    return options
