"""Making obstore's clients for one bucket out of the settings."""

from __future__ import annotations

import os
from datetime import timedelta

from pannier import __version__
from pannier.core.errors import ConfigError
from pannier.core.record import dataclass
from pannier.core.typed import Any
from pannier.store.transports.s3_config import Options, Settings, resolve, with_region
from pannier.store.transports.s3_credentials import Credentials
from pannier.store.transports.s3_errors import Place
from pannier.store.transports.s3_region import bucket_region

_FOREVER = timedelta(days=7)
_RETRIES = {
    "max_retries": 2,
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2)},
    "retry_timeout": timedelta(seconds=60),
}
"""store.transfer repeats what failed; here only the hiccups of a busy server are smoothed."""

SLOW_UPLOAD_S = 1800
"""obstore's read timeout runs while it sends. What s3.py lets be under way at a time, some 200 MB,
takes so long on a line of 1 MBit/s; a line that is dead TCP itself gives up sooner."""


@dataclass(frozen=True, slots=True)
class Connection:
    """obstore: the module. store: for what is answered soon; slow: for big bodies out."""

    obstore: Any
    settings: Settings
    place: Place
    credentials: Credentials | None
    store: Any
    slow: Any


def connect(options: Options, url: str) -> Connection:
    """Reads the environment and ~/.aws, finds region and credentials where they are not said.

    Raises ConfigError, AccessDenied, Unreachable. Nothing is asked of the bucket's server yet.
    """
    obstore, store_class = _library()
    settings = resolve(options, os.environ)
    place = _place(settings, url)
    if settings.region is None:
        settings = with_region(settings, bucket_region(settings, place))
    credentials = None if options.anonymous else Credentials(settings, place)
    if credentials is not None:
        credentials.load()
    read_timeout_s = options.read_timeout_s
    stores = [
        store_class(
            options.bucket,
            config=_store_config(settings),
            client_options=_client_options(settings, timeout_s),
            retry_config=_RETRIES,
            credential_provider=credentials,
        )
        for timeout_s in (read_timeout_s, max(read_timeout_s, SLOW_UPLOAD_S))
    ]
    return Connection(obstore, settings, place, credentials, *stores)


def _library() -> tuple[Any, Any]:
    try:
        import obstore
        from obstore.store import S3Store
    except ImportError:
        raise ConfigError(
            "remotes of the kind s3:// need a package that is not installed",
            hint="pip install 'pannier[s3]'",
        ) from None
    return obstore, S3Store


def _place(settings: Settings, url: str) -> Place:
    keys = settings.keys
    secrets = [keys.secret, keys.token, keys.key_id] if keys else []
    return Place(
        remote=settings.options.name,
        url=url,
        bucket=settings.options.bucket,
        server=settings.shown_endpoint,
        profile=settings.profile,
        secrets=tuple(text for text in secrets if text),
    )


def _store_config(settings: Settings) -> dict[str, Any]:
    """Says everything, because obstore takes what is not said from AWS_* variables by itself."""
    options = settings.options
    config: dict[str, Any] = {
        "endpoint": settings.endpoint,
        "aws_endpoint_url_s3": settings.endpoint,
        "region": settings.region,
        "virtual_hosted_style_request": not settings.path_style,
        "skip_signature": options.anonymous,
        "unsigned_payload": False,
        # The bulk call wants checksums that not every server knows; we delete one by one.
        "disable_bulk_delete": True,
    }
    if options.sse:
        config["server_side_encryption"] = options.sse
    if options.sse_kms_key_id:
        config["sse_kms_key_id"] = options.sse_kms_key_id
    if options.sse_customer_key:
        config["sse_customer_key_base64"] = options.sse_customer_key
    return config


def _client_options(settings: Settings, read_timeout_s: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        "allow_http": settings.endpoint.startswith("http:"),
        "connect_timeout": timedelta(seconds=settings.options.connect_timeout_s),
        "read_timeout": timedelta(seconds=read_timeout_s),
        "timeout": _FOREVER,
        "user_agent": f"pannier/{__version__}",
    }
    if isinstance(settings.verify, str):
        try:
            with open(settings.verify, "rb") as file:
                options["root_certificate"] = file.read()
        except OSError:
            raise ConfigError(f"the CA file '{settings.verify}' cannot be read") from None
    elif not settings.verify:
        options["allow_invalid_certificates"] = True
    return options
