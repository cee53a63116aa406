"""Which region a bucket at Amazon is in: the server says so to anybody who asks."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

from pannier.core.errors import Unreachable
from pannier.store.transports.s3_config import Settings
from pannier.store.transports.s3_errors import Place, missing_bucket

_HEADER = "x-amz-bucket-region"
_DEFAULT = "us-east-1"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def bucket_region(settings: Settings, place: Place) -> str:
    """Asks the bucket's own address, without credentials. Raises Unreachable, TransportError."""
    url = settings.endpoint + (f"/{settings.options.bucket}" if settings.path_style else "/")
    tls = ssl.create_default_context()
    if isinstance(settings.verify, str):
        tls.load_verify_locations(settings.verify)
    elif not settings.verify:
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=tls))
    request = urllib.request.Request(url, method="HEAD")
    try:
        with opener.open(request, timeout=settings.options.connect_timeout_s) as answer:
            return answer.headers.get(_HEADER) or _DEFAULT
    except urllib.error.HTTPError as error:
        region = error.headers.get(_HEADER)
        if region is None and error.code == 404:
            raise missing_bucket(place) from None
        return region or _DEFAULT
    except (OSError, HTTPException):
        raise Unreachable(
            f"cannot connect to {place.server} to ask for the region of '{place.bucket}'",
            hint=place.modify("region", "<region>"),
        ) from None
