"""What a cloud's object store answered, for the clouds beside Amazon's: see s3_errors."""

from __future__ import annotations

import re

from pannier.core.errors import AccessDenied, NotThere, PannierError, TransportError
from pannier.core.record import dataclass
from pannier.store.transports.s3_errors import (
    Place,
    answer_in,
    busy,
    is_busy,
    on_the_way,
    refused,
)

_TOKEN = re.compile(r"token request|OAuth|authoriz(?:ed|ation) token|Error getting token", re.I)
_NO_CREDENTIALS = re.compile(r"metadata|IMDS|169\.254|azure cli|Azure CLI|credential", re.I)


@dataclass(frozen=True, slots=True)
class Words:
    """How one cloud says things. bucket_missing, overload: codes. keys: the hint for whom it does
    not let in."""

    bucket_missing: frozenset[str]
    overload: frozenset[str]
    keys: str


def explain_cloud(error: BaseException, place: Place, key: str, words: Words) -> PannierError:
    """The error of the contract for what obstore raised while it worked on a key."""
    if isinstance(error, PannierError):
        return error
    text = str(error)
    status, code, message = answer_in(error)
    # Only the sentence itself: what follows quotes the request, with keys of any name.
    first = text.partition("Debug source")[0]
    if _TOKEN.search(first) and 400 <= status < 500 and status not in (404, 408, 429):
        return AccessDenied(
            f"the credentials for '{place.url}' are not accepted ({status})", hint=words.keys
        )
    if not status and not code:
        if _NO_CREDENTIALS.search(first):
            return AccessDenied(f"no credentials for '{place.url}' were found", hint=words.keys)
        return on_the_way(text, place)
    if code in words.bucket_missing:
        return TransportError(
            f"'{place.bucket}' does not exist on {place.server}",
            hint="check the remote's URL with 'dvc remote list', or create it there",
        )
    if status == 404:
        return NotThere(f"'{key}' does not exist in '{place.url}'")
    if status in (401, 403):
        what = f"'{key}' in '{place.url}'" if key else f"'{place.url}'"
        return AccessDenied(
            f"no access to {what}" + (f" ({code})" if code else ""), hint=words.keys
        )
    if code in words.overload or is_busy(status):
        return busy(status, code, place)
    return refused(status, code, message.partition("\n")[0], place, key)


def odd_key(key: str, url: str) -> TransportError:
    return TransportError(f"{key!r} cannot be a name below '{url}'")
