"""Hides secrets in text that leaves the program."""

from __future__ import annotations

from collections.abc import Iterable

from pannier.core.hushed import hushed
from pannier.core.pattern import pattern

STARS = "***"
_SHORTEST = 4
_SHORTEST_IN_RESULTS = 8

_USERINFO = pattern(r"(\b[a-zA-Z][\w+.-]*:/{1,2}[^\s:/?#@'\"]*):[^\s/?#'\"]*@")
_PASSWORD_IN_URL = pattern(r"\b[a-zA-Z][\w+.-]*:/{1,2}[^\s:/?#@'\"]*:([^\s/?#'\"]*)@")
_QUERY = pattern(
    r"(?i)([?&;](?:x-amz-[\w-]+|x-goog-[\w-]+|sig|signature|se|skoid|[\w-]*token|[\w-]*password"
    r"|[\w-]*secret|awsaccesskeyid)=)[^\s&;'\"]+"
)
_NAMED = pattern(
    r"(?i)(\b(?:password|passphrase|secret_access_key|session_token|account_key|sas_token"
    r"|connection_string|client_secret|oss_key_secret|sse_customer_key|x-amz-[\w-]+"
    r"|authorization)['\"]?\s*[=:]\s*)(?:['\"][^'\"]*['\"]|(?:bearer |basic )?[^\s,;&'\"}]+)"
)


def _spellings(secret: str) -> set[str]:
    """A secret as a URL, a header or JSON would show it."""
    from base64 import b64encode
    from urllib.parse import quote

    once = quote(secret, safe="")
    alone = b64encode(secret.encode()).decode().rstrip("=")
    found = {secret, once, once.lower(), quote(secret), quote(once, safe="")}
    found |= {secret.replace("/", "\\/"), alone, quote(alone, safe="")}
    return {text for text in found if len(text) >= _SHORTEST}


class Mask:
    """Knows secrets by their shape and by their value.

    Values shorter than four characters are no secrets and are left alone: hiding them would eat
    the text around. In results, which programs read, only values of eight and more are hidden:
    the name of a file must not change because it is somebody's password.
    """

    def __init__(self) -> None:
        self._values: list[str] = []
        self._hushed = 0

    def learn(self, values: Iterable[str]) -> None:
        """Secrets as they are set; a URL teaches the password in it. Hidden in every spelling."""
        known = set(self._values)
        for value in values:
            secret = value
            if found := _PASSWORD_IN_URL.search(value):
                from urllib.parse import unquote

                secret = unquote(found[1])
            if len(secret) >= _SHORTEST:
                known |= _spellings(secret)
        self._values = sorted(known, key=len, reverse=True)

    def __call__(self, text: str, *, result: bool = False) -> str:
        if lately := hushed(self._hushed):
            self._hushed += len(lately)
            self.learn(lately)
        for value in self._values:
            if value in text and not (result and len(value) < _SHORTEST_IN_RESULTS):
                text = text.replace(value, STARS)
        if "@" in text and ":/" in text:
            text = _USERINFO.sub(rf"\1:{STARS}@", text)
        if result and "://" not in text:
            return text
        if "=" in text:
            text = _QUERY.sub(rf"\1{STARS}", text)
        if result:
            return text
        if "=" in text or ":" in text:
            text = _NAMED.sub(rf"\1{STARS}", text)
        return text
