"""Which region a bucket at Amazon is in: the server says so to anybody who asks."""

from __future__ import annotations

from pannier.core.errors import Unreachable
from pannier.store.transports.s3_config import Settings
from pannier.store.transports.s3_errors import Place, missing_bucket

_HEADER = "x-amz-bucket-region"
_DEFAULT = "us-east-1"


def bucket_region(settings: Settings, place: Place) -> str:
    """Asks the bucket's own address, without credentials. Raises Unreachable, TransportError."""
    # A third of all that an S3 remote imports; most remotes name their region or endpoint.
    import ssl
    import urllib.request
    from http.client import HTTPException

    url = settings.endpoint + (f"/{settings.options.bucket}" if settings.path_style else "/")
    tls = ssl.create_default_context()
    if isinstance(settings.verify, str):
        tls.load_verify_locations(settings.verify)
    elif not settings.verify:
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    # Neither redirects are followed nor statuses judged: the header stands in every answer.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=tls),
    ):
        opener.add_handler(handler)
    request = urllib.request.Request(url, method="HEAD")
    try:
        with opener.open(request, timeout=settings.options.connect_timeout_s) as answer:
            region: str | None = answer.headers.get(_HEADER)
            if region is None and answer.status == 404:
                raise missing_bucket(place)
            return region or _DEFAULT
    except (OSError, HTTPException):
        raise Unreachable(
            f"cannot connect to {place.server} to ask for the region of '{place.bucket}'",
            hint=place.modify("region", "<region>"),
        ) from None
