"""What an S3 server or the way to it answered, in the words of the transport contract.

Answers quote requests, and requests hold keys and tokens: nothing of an answer is shown but its
code, and its message where it is not about credentials.
"""

from __future__ import annotations

import re

from pannier.core.errors import (
    AccessDenied,
    NotThere,
    PannierError,
    TransportError,
    Unreachable,
)
from pannier.core.record import dataclass, field

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,60})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,300})</Message>")

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}
_WRONG_REGION = {
    "PermanentRedirect",
    "TemporaryRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
}
_OVERLOAD = {
    "SlowDown",
    "ServiceUnavailable",
    "InternalError",
    "RequestTimeout",
    "TooManyRequests",
    "OperationAborted",
}
_CUT = (
    "kind: Interrupted",
    "kind: Body",
    "kind: Decode",
    "IncompleteMessage",
    "IncompleteBody",
    "UnexpectedEof",
    "BrokenPipe",
    "ConnectionReset",
    "ConnectionAborted",
    "NoContentRange",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests go, for messages. remote: its name in the configuration, or "". keys: the hint
    about keys, where it is not Amazon's."""

    remote: str
    url: str
    bucket: str
    server: str
    profile: str | None
    secrets: tuple[str, ...] = field(repr=False)
    keys: str = ""

    def modify(self, option: str, value: str) -> str:
        return f"'dvc remote modify {self.remote or '<remote>'} {option} {value}'"


def explain(error: BaseException, place: Place, key: str) -> PannierError:
    """The error of the contract for what obstore raised while it worked on a key."""
    if isinstance(error, PannierError):
        return error
    status, code, message = answer_in(error)
    if status or code:
        return from_answer(status, code, message, place, key)
    return on_the_way(str(error), place)


def answer_in(error: BaseException) -> tuple[int, str, str]:
    """(status, code, message) of the server's answer that obstore put into an error; 0 and ""
    where there was none."""
    text = str(error)
    status = int(_first(_STATUS, text) or 0)
    if not status and isinstance(error, FileNotFoundError):
        status = 404
    return status, _first(_CODE, text), _first(_MESSAGE, text)


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found.group(1) if found else ""


def from_answer(status: int, code: str, message: str, place: Place, key: str) -> PannierError:
    """The error for an HTTP status, and the code and message in its body where there is one."""
    if code == "NoSuchBucket":
        return missing_bucket(place)
    if status == 404 or code in ("NoSuchKey", "NotFound"):
        return NotThere(f"'{key}' does not exist in '{place.url}'")
    if denied := _denied(status, code, place, key):
        return denied
    if code in _WRONG_REGION or status in (301, 307):
        return wrong_region(place)
    if code in _OVERLOAD or is_busy(status):
        return busy(status, code, place)
    return refused(status, code, message, place, key)


def is_busy(status: int) -> bool:
    """Of a server that failed, and not one that cannot do at all what it was asked (501)."""
    return status in (408, 429) or (status >= 500 and status != 501)


def busy(status: int, code: str, place: Place) -> TransportError:
    error = TransportError(f"{place.server} cannot answer now ({status} {code})".replace(" )", ")"))
    error.temporary = True
    return error


def refused(status: int, code: str, message: str, place: Place, key: str) -> TransportError:
    said = f": {message}" if message and not any(s in message for s in place.secrets) else ""
    return TransportError(
        f"{place.server} refused a request about '{key}' ({status} {code or 'no reason'}){said}"
    )


def _denied(status: int, code: str, place: Place, key: str) -> AccessDenied | None:
    login = "'aws sso login" + (f" --profile {place.profile}'" if place.profile else "'")
    keys = place.keys or "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or " + place.modify(
        "--local access_key_id", "<key>"
    )
    if code in _EXPIRED:
        return AccessDenied(
            f"the session for '{place.url}' has expired", hint=f"log in again, as with {login}"
        )
    if code in ("InvalidToken", "InvalidClientTokenId", "UnrecognizedClientException"):
        return AccessDenied(
            f"{place.server} does not accept the session token", hint=f"log in again with {login}"
        )
    if code == "InvalidAccessKeyId":
        return AccessDenied(f"{place.server} does not know the access key id", hint=keys)
    if code == "SignatureDoesNotMatch":
        return AccessDenied(
            f"{place.server} does not accept the access key id with this secret key", hint=keys
        )
    if code == "RequestTimeTooSkewed":
        return AccessDenied(
            f"the clock of this machine differs too much from that of {place.server}",
            hint="set the clock, then repeat the command",
        )
    if status in (401, 403) or code in ("AccessDenied", "AllAccessDisabled", "AccountProblem"):
        what = f"'{key}' in '{place.url}'" if key else f"'{place.url}'"
        return AccessDenied(
            f"no access to {what}" + (f" ({code})" if code not in ("", "AccessDenied") else ""),
            hint="ask the owner of the bucket for the right, or " + keys,
        )
    return None


def missing_bucket(place: Place) -> TransportError:
    return TransportError(
        f"the bucket '{place.bucket}' does not exist on {place.server}",
        hint="check the remote's URL with 'dvc remote list', or create the bucket",
    )


def wrong_region(place: Place) -> TransportError:
    return TransportError(
        f"the bucket '{place.bucket}' is in another region",
        hint=place.modify("region", "<region>"),
    )


def not_s3(place: Place) -> TransportError:
    return TransportError(
        f"{place.server} answers, but not as an S3 server does",
        hint="check the remote's endpoint, and whether a proxy or log-in page stands between",
    )


def on_the_way(text: str, place: Place) -> TransportError:
    """No answer at all, or half of one."""
    if "BareRedirect" in text:
        return wrong_region(place)
    if "ertificate" in text:
        return TransportError(
            f"the certificate of {place.server} is not trusted",
            hint=place.modify("--local ssl_verify", "<file with its CA>"),
        )
    if "dns error" in text or "failed to lookup" in text:
        return Unreachable(
            f"no such host: {place.server}", hint="check the network and the remote's settings"
        )
    if "TimedOut" in text or "kind: Timeout" in text or "deadline has elapsed" in text:
        return Unreachable(f"{place.server} did not answer in time")
    if "kind: Connect" in text:
        return Unreachable(f"cannot connect to {place.server}")
    if any(word in text for word in _CUT):
        return Unreachable(f"the connection to {place.server} broke off")
    if "InvalidXml" in text or "InvalidListResponse" in text:
        return not_s3(place)
    return TransportError(f"a request to {place.server} failed")
