"""Who asks Google Cloud Storage where obstore cannot: found as obstore finds it.

What cannot be found in the same way is nobody's: then obstore does what it can.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping

from pannier.core.errors import ConfigError
from pannier.core.typed import Any
from pannier.disk.reading import read_small
from pannier.store.transports.google_tokens import GoogleTokens, Post, posted_by
from pannier.store.transports.web_client import WebClient
from pannier.store.transports.web_options import WebOptions

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_METADATA = "computeMetadata/v1/instance/service-accounts/default/token"
_OWN_TO_OBSTORE = (
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "SERVICE_ACCOUNT",
)
_FIELDS = {
    "service_account": ("client_email", "private_key", "token_uri"),
    "authorized_user": ("client_id", "client_secret", "refresh_token"),
}
Get = Callable[[str, dict[str, str]], tuple[int, bytes]]


class GsTokens(GoogleTokens):
    """who: credentials, or None for the account of the machine, in Google's cloud. get: asks for a
    URL, with headers."""

    def __init__(self, remote: str, who: dict[str, Any] | None, post: Post, get: Get) -> None:
        super().__init__(remote, _SCOPE, post, "gs")
        self._who, self._get = who, get

    def _renew(self) -> None:
        if self._who is not None:
            super()._renew()
            return
        host = os.environ.get("GCE_METADATA_HOST") or "metadata.google.internal"
        status, body = self._get(f"http://{host}/{_METADATA}", {"Metadata-Flavor": "Google"})
        try:
            self._take(json.loads(body) if status == 200 else {})
        except (ValueError, KeyError, TypeError):
            raise ConfigError("this machine has no account in Google's cloud") from None

    def _found(self) -> dict[str, Any]:
        raise AssertionError

    def _again(self) -> str:
        return "make a new key, or log in with 'gcloud auth application-default login'"


def client_for(
    options: WebOptions, path: str | None, anonymous: bool, env: Mapping[str, str]
) -> WebClient:
    """A client that says who asks. path: of a file of credentials. Raises ConfigError where only
    obstore can say it."""
    tokens = None
    if not anonymous:
        who = credentials(path, env)
        if who is None or who.get("disable_oauth") is not True:  # of a server that is not Google's
            post = posted_by(lambda: client)
            tokens = GsTokens(options.name, who, post, lambda *asked: client.get_bare(*asked))
    client = WebClient(options, "gs", tokens)
    return client


def credentials(path: str | None, env: Mapping[str, str]) -> dict[str, Any] | None:
    """What the file says that is named, or that Google's own tools left; None for the account of
    the machine. Raises ConfigError for what cannot be used."""
    if path is None:
        if any(env.get(name) for name in _OWN_TO_OBSTORE):
            raise ConfigError("these credentials are obstore's to read")
        left = os.path.expanduser("~/.config/gcloud/application_default_credentials.json")
        path = env.get("GOOGLE_APPLICATION_CREDENTIALS") or left
        if path == left and not os.path.exists(left):
            return None
    try:
        who = json.loads(read_small(path))
    except (OSError, ValueError):
        raise ConfigError(f"'{path}' cannot be read") from None
    if not isinstance(who, dict):
        raise ConfigError(f"'{path}' holds no credentials of Google's")
    who = {"type": "service_account", **who}
    fields = _FIELDS.get(str(who["type"]), ("of another kind",))
    if who.get("disable_oauth") is not True and not all(
        isinstance(who.get(f), str) for f in fields
    ):
        raise ConfigError(f"'{path}' holds no credentials of Google's that can be used")
    return who
