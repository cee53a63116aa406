"""Tokens of Google's for who asks: a service account, or a user who logged in once.

The only module that knows google-auth, and that only to sign: a token is one request.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from pannier.core.errors import AccessDenied, ConfigError, TransportError
from pannier.core.typed import Any, Protocol
from pannier.store.transports.web_client import WebClient

TOKENS = "https://oauth2.googleapis.com/token"
_LIFE_S = 3600
_EARLY_S = 120
_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Post(Protocol):
    def __call__(self, url: str, form: dict[str, str]) -> tuple[int, bytes]: ...


def posted_by(client: Callable[[], WebClient]) -> Post:
    """client: who sends the forms; it is asked for when there is one to send."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    def post(url: str, form: dict[str, str]) -> tuple[int, bytes]:
        return client().post_bare(url, urlencode(form).encode(), headers)

    return post


class GoogleTokens:
    """Tokens of one remote, for all of its threads; a subclass finds the credentials.

    scope: what is asked for. post: sends a form. tokens: who hands them out to a user. acts_for:
    the user in whose place a service account asks, or None. extra: of our package.
    """

    def __init__(
        self,
        remote: str,
        scope: str,
        post: Post,
        extra: str,
        tokens: str = TOKENS,
        acts_for: str | None = None,
    ) -> None:
        self._remote, self._scope, self._post, self._extra = remote, scope, post, extra
        self._tokens, self._acts_for = tokens, acts_for
        self._lock = threading.Lock()
        self._token, self._until_s = "", 0.0
        self._who: dict[str, Any] | None = None

    def token(self) -> str:
        """Raises ConfigError, AccessDenied, TransportError."""
        with self._lock:
            if not self._token or time.monotonic() > self._until_s:
                self._renew()
            return self._token

    def forget(self, token: str) -> None:
        """Called with a token that was refused; several threads may have used it."""
        with self._lock:
            if token == self._token:
                self._token = ""

    def _renew(self) -> None:
        who = self._who = self._who or self._found()
        if who.get("type") == "service_account":
            answer = self._ask(str(who["token_uri"]), self._assertion(who))
        else:
            form = {name: str(who[name]) for name in ("client_id", "client_secret")}
            form |= {"grant_type": "refresh_token", "refresh_token": str(who["refresh_token"])}
            answer = self._ask(str(who.get("token_uri") or self._tokens), form)
        self._take(answer)

    def _take(self, answer: dict[str, Any]) -> None:
        self._token = str(answer["access_token"])
        life_s = float(answer.get("expires_in") or _LIFE_S)
        self._until_s = time.monotonic() + max(life_s - _EARLY_S, life_s / 2)

    def _ask(self, url: str, form: dict[str, str]) -> dict[str, Any]:
        if urlsplit(url).scheme != "https" and urlsplit(url).hostname != "127.0.0.1":
            raise ConfigError(f"the credentials of remote '{self._remote}' name no https URL")
        status, body = self._post(url, form)
        try:
            answer = json.loads(body)
        except ValueError:
            answer = {}
        if status == 200 and isinstance(answer, dict) and "access_token" in answer:
            return answer
        word = str(answer.get("error", "")) if isinstance(answer, dict) else ""
        if status >= 500 or status == 429:
            error = TransportError(f"Google hands out no token now ({status})")
            error.temporary = True
            raise error
        raise AccessDenied(
            f"Google does not accept the credentials of remote '{self._remote}' ({word or status})",
            hint=self._again(),
        )

    def _found(self) -> dict[str, Any]:
        """The credentials, as Google's console writes them. Raises ConfigError."""
        raise NotImplementedError

    def _again(self) -> str:
        """What to do about credentials that are not accepted."""
        raise NotImplementedError

    # -- service accounts ----

    def _assertion(self, who: dict[str, Any]) -> dict[str, str]:
        try:
            from google.auth import jwt
            from google.auth.crypt import RSASigner
        except ImportError:
            raise ConfigError(
                "service accounts of Google need a package that is not installed",
                hint=f"pip install 'pannier[{self._extra}]'",
            ) from None
        now_s = int(time.time())
        claims = {
            "iss": who["client_email"],
            "scope": self._scope,
            "aud": who["token_uri"],
            "iat": now_s,
            "exp": now_s + _LIFE_S,
        }
        if self._acts_for:
            claims["sub"] = self._acts_for
        try:
            signer: Any = RSASigner
            encode: Any = jwt.encode
            signed = encode(signer.from_service_account_info(who), claims)
        except (ValueError, KeyError):
            raise ConfigError(
                f"the key of the service account of remote '{self._remote}' is damaged"
            ) from None
        return {"grant_type": _JWT_GRANT, "assertion": signed.decode()}
