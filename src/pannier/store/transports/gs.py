"""Google Cloud Storage: data through obstore, but for big uploads, which go on after a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from pannier.core.errors import ConfigError, TransportError, Unreachable
from pannier.core.record import dataclass
from pannier.core.typed import Any
from pannier.store.remote_config import RemoteConfig
from pannier.store.transports.big_uploads import CannotContinue
from pannier.store.transports.gs_parts import GsAsker, keeps_versions
from pannier.store.transports.gs_tokens import client_for
from pannier.store.transports.object_cloud import Cloud, CloudTransport, connect_cloud
from pannier.store.transports.object_errors import Words
from pannier.store.transports.options import protected_path
from pannier.store.transports.s3_errors import Place
from pannier.store.transports.web_client import WebClient
from pannier.store.transports.web_options import WebOptions
from pannier.store.transports.xml_parts import XmlParts, give_up_stale

_GOOGLE = "https://storage.googleapis.com"
_TIMEOUT_S = 60
_OVERLOAD = frozenset({"SlowDown", "InternalError", "ServiceUnavailable", "RateLimitExceeded"})


@dataclass(frozen=True, slots=True)
class GsOptions:
    """What the remote's own options say. credentials: a path."""

    name: str
    bucket: str
    prefix: str
    endpoint: str | None
    credentials: str | None
    anonymous: bool


def read_gs_options(config: RemoteConfig) -> GsOptions:
    """Raises ConfigError for what is wrong. Nothing is read from elsewhere."""
    url = urlsplit(config.url)
    if not url.netloc or "@" in url.netloc or ":" in url.netloc:
        raise ConfigError(
            f"the URL of remote '{config.name}' must be like gs://bucket/path",
            hint=f"'dvc remote modify {config.name} url gs://bucket/path'",
        )
    path = config.url.split("://", 1)[1][len(url.netloc) + 1 :].rstrip("/")
    return GsOptions(
        name=config.name,
        bucket=url.netloc,
        prefix=f"{path}/" if path else "",
        endpoint=config.get("endpointurl"),
        credentials=protected_path(config, "credentialpath"),
        anonymous=config.flag("allow_anonymous_login"),
    )


def resolve_gs(options: GsOptions, env: Mapping[str, str]) -> dict[str, Any]:
    """obstore's settings. What is not said there it finds as Google's own tools do: the file that
    GOOGLE_APPLICATION_CREDENTIALS names, what 'gcloud auth application-default login' left, the
    machine's own account. Raises ConfigError.
    """
    endpoint = options.endpoint or env.get("STORAGE_EMULATOR_HOST")
    config: dict[str, Any] = {"base_url": _checked(endpoint, options.name)}
    if options.anonymous:
        return {**config, "skip_signature": True}
    path = options.credentials
    if path is not None:
        config[_kind_of(path, options.name)] = path
    return config


def _checked(endpoint: str | None, remote: str) -> str:
    if endpoint is None:
        return _GOOGLE
    url = urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}")
    if url.scheme not in ("http", "https") or not url.netloc or "@" in url.netloc:
        raise ConfigError(
            f"the 'endpointurl' of remote '{remote}' is no http(s) URL of a server",
            hint=f"'dvc remote modify {remote} endpointurl https://...'",
        )
    return f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}"


def _kind_of(path: str, remote: str) -> str:
    """obstore's name for what a file of credentials holds."""
    try:
        with open(path, "rb") as file:
            kind = json.load(file).get("type", "service_account")
    except (OSError, ValueError, AttributeError):
        raise ConfigError(
            f"the 'credentialpath' of remote '{remote}' cannot be read: '{path}'"
        ) from None
    if kind == "authorized_user":
        return "application_credentials"
    if kind == "service_account":
        return "service_account"
    raise ConfigError(
        f"'{path}' holds credentials of a kind that this version cannot use",
        hint="the key of a service account can be used, and what 'gcloud auth"
        " application-default login' writes",
    )


class GsTransport(CloudTransport):
    """See Transport."""

    def __init__(self, config: RemoteConfig) -> None:
        self._options = read_gs_options(config)
        super().__init__(config.url, self._options.bucket, self._options.prefix)
        self.scratch = config.scratch
        self._web: WebClient | None = None
        self.words = Words(
            frozenset({"NoSuchBucket"}),
            _OVERLOAD,
            "'gcloud auth application-default login', or 'dvc remote modify --local "
            f"{config.name or '<remote>'} credentialpath <file>'",
        )

    def _connect(self) -> Cloud:
        options = self._options
        config = resolve_gs(options, os.environ)
        place = Place(
            remote=options.name,
            url=self.url,
            bucket=options.bucket,
            server=config["base_url"],
            profile=None,
            secrets=(),
        )
        timeouts_s = (_TIMEOUT_S, _TIMEOUT_S)
        return connect_cloud(("gs", "GCSStore"), place, config, None, timeouts_s, self.words.keys)

    def keeps_versions(self) -> bool:
        """See Versioning. The bucket is asked first, by who may read its settings."""
        try:
            return keeps_versions(self._asker())
        except (ConfigError, TransportError):
            return super().keeps_versions()

    # -- big uploads ----

    def give_up_uploads(self) -> int:
        """See Abandoning."""
        try:
            asker = self._asker()
        except ConfigError:  # only obstore can say who asks
            return 0
        before = datetime.now(UTC) - self.stale_after
        return give_up_stale(asker, self._prefix, before)

    def _parted(self, full: str) -> XmlParts:
        """Raises CannotContinue where only obstore can say who asks."""
        try:
            web = self._web_client()
            web.open()
            web.tokens_ready()
        except (ConfigError, TransportError) as error:
            if getattr(error, "temporary", False) and not isinstance(error, Unreachable):
                raise
            raise CannotContinue from None
        return XmlParts(self._asker(), full)

    def _asker(self) -> GsAsker:
        """Raises ConfigError."""
        bucket = f"{self._open().place.server}/{self._bucket}"
        return GsAsker(self._web_client(), bucket, self._prefix)

    def _web_client(self) -> WebClient:
        """Raises ConfigError."""
        options, server = self._options, self._open().place.server
        with self._lock:
            if self._web is None:
                web = WebOptions(options.name, self.url, server, "bearer")
                path, anonymous = options.credentials, options.anonymous
                self._web = client_for(web, path, anonymous, os.environ)
            return self._web

    def close(self) -> None:
        super().close()
        with self._lock:
            web, self._web = self._web, None
        if web is not None:
            web.close()
