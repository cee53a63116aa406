"""Making obstore's clients for one bucket out of the settings."""

from __future__ import annotations

import os

from pannier.core.record import dataclass
from pannier.core.typed import Any
from pannier.store.transports.object_client import (
    RETRIES,
    SLOW_UPLOAD_S,
    client_options,
    library,
)
from pannier.store.transports.s3_config import Options, Settings, resolve, with_region
from pannier.store.transports.s3_credentials import Credentials
from pannier.store.transports.s3_errors import Place
from pannier.store.transports.s3_region import bucket_region


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
    obstore, store_class = library("s3", "S3Store")
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
            client_options=client_options(
                settings.endpoint, options.connect_timeout_s, timeout_s, settings.verify
            ),
            retry_config=RETRIES,
            credential_provider=credentials,
        )
        for timeout_s in (read_timeout_s, max(read_timeout_s, SLOW_UPLOAD_S))
    ]
    return Connection(obstore, settings, place, credentials, *stores)


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
