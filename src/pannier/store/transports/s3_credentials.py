"""Credentials that do not stand in a file: SSO, roles, processes, containers, instances.

The only module that knows botocore. Importing it costs more than a whole `status`, so nothing
here is called while a plain key pair will do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from pannier import __version__
from pannier.core.errors import AccessDenied, ConfigError, PannierError, TransportError, Unreachable
from pannier.core.typed import Any
from pannier.store.transports.s3_aws_files import Keys
from pannier.store.transports.s3_config import Settings
from pannier.store.transports.s3_errors import Place, from_answer
from pannier.store.transports.s3_mfa import let_it_ask

_LIFETIME = timedelta(minutes=10)
"""obstore asks again when less than five minutes of this are left. botocore never hands out what
expires within ten."""

_CONNECTIONS = 16

_LOG_IN = ("SSO", "Token", "Login")
"""How the names of botocore's errors begin or go on when the remedy is to log in again."""


class Credentials:
    """obstore's credential callback. The first call of `load` raises what is wrong with them."""

    def __init__(self, settings: Settings, place: Place) -> None:
        self._settings, self._place = settings, place
        self._found: Any = None
        self.failure: PannierError | None = None
        """Why the last call failed: obstore hands on its words only."""

    def load(self) -> None:
        """Finds the credentials, once. Raises AccessDenied or ConfigError."""
        if self._settings.keys is None and self._found is None:
            session = _session(self._settings)
            try:
                self._found = session.get_credentials()
                if self._found is not None:
                    self._found.get_frozen_credentials()
            except Exception as error:
                self._found = None
                raise _explain_search(error, self._place) from None
            if self._found is None:
                raise _none_found(self._place)

    def keys(self) -> Keys:
        """Those that count now. Raises what botocore raises, AccessDenied and ConfigError."""
        if self._settings.keys is not None:
            return self._settings.keys
        self.load()
        frozen = self._found.get_frozen_credentials()
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)

    def __call__(self) -> dict[str, Any]:
        try:
            keys = self.keys()
            self.failure = None
        except Exception as error:
            self.failure = _explain_search(error, self._place)
            raise RuntimeError("no credentials") from None
        static = self._settings.keys is not None
        # obstore accepts this very object as the time zone, and no other that means the same.
        expires = None if static else datetime.now(timezone.utc) + _LIFETIME  # noqa: UP017
        return {
            "access_key_id": keys.key_id,
            "secret_access_key": keys.secret,
            "token": keys.token,
            "expires_at": expires,
        }


class Signed:
    """Requests that botocore signs and sends; from all threads of a transport. keys: None for
    requests without a signature."""

    def __init__(self, settings: Settings, keys: Callable[[], Keys] | None) -> None:
        from botocore.httpsession import URLLib3Session
        from botocore.utils import get_environ_proxies

        _keep_silent()
        options = settings.options
        self._keys, self._region = keys, settings.region
        self._session = URLLib3Session(
            verify=settings.verify,
            proxies=get_environ_proxies(settings.endpoint),
            timeout=(options.connect_timeout_s, options.read_timeout_s),
            max_pool_connections=_CONNECTIONS,
        )

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, sha256: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        """(status, headers, body) of the answer. sha256: of the body, in hex. Raises what botocore
        raises."""
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import ReadOnlyCredentials

        agent = {"User-Agent": f"pannier/{__version__}"}
        request = AWSRequest(method, url, headers={**headers, **agent}, data=body)
        if self._keys is not None:
            keys = self._keys()
            who = ReadOnlyCredentials(keys.key_id, keys.secret, keys.token)
            signer = S3SigV4Auth(who, "s3", self._region)
            signer.payload = lambda request: sha256  # it would hash the body itself
            signer.add_auth(request)
        answer = self._session.send(request.prepare())
        return answer.status_code, answer.headers, answer.content

    def close(self) -> None:
        self._session.close()


def make_client(settings: Settings) -> Any:
    """A botocore S3 client, for what obstore cannot do."""
    import botocore
    import botocore.config

    options = settings.options
    config = botocore.config.Config(
        signature_version=botocore.UNSIGNED if options.anonymous else "s3v4",
        s3={"addressing_style": "path" if settings.path_style else "virtual"},
        connect_timeout=options.connect_timeout_s,
        read_timeout=options.read_timeout_s,
        retries={"max_attempts": 2, "mode": "standard"},
        max_pool_connections=_CONNECTIONS,
        # Servers that know nothing of the new checksums refuse them (Backblaze B2 does).
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    keys = settings.keys
    return _session(settings).create_client(
        "s3",
        region_name=settings.region,
        endpoint_url=_base_endpoint(settings),
        use_ssl=options.use_ssl,
        verify=settings.verify,
        aws_access_key_id=keys.key_id if keys else None,
        aws_secret_access_key=keys.secret if keys else None,
        aws_session_token=keys.token if keys else None,
        config=config,
    )


def explain_answer(error: Exception, place: Place, key: str) -> PannierError:
    """The contract's error for what a botocore client raised."""
    if isinstance(error, PannierError):
        return error
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):
        said = answer.get("Error", {})
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = str(said.get("Code", ""))
        return from_answer(
            int(status), "" if code.isdigit() else code, str(said.get("Message", "")), place, key
        )
    name = type(error).__name__
    if "Connect" in name or "Timeout" in name or "Stream" in name or "HTTPClient" in name:
        return Unreachable(f"the connection to {place.server} failed")
    return TransportError(f"a request to {place.server} failed ({name})")


def _session(settings: Settings) -> Any:
    import botocore.session

    _keep_silent()
    # AWS_PROFILE is nothing that a server of another maker's kind should fail by.
    elsewhere = {"profile": (None, None, None, None)} if settings.keys_hint else None
    session = botocore.session.Session(elsewhere, profile=settings.options.profile)
    session.set_config_variable("config_file", settings.config_file)
    session.set_config_variable("credentials_file", settings.credentials_file)
    let_it_ask(session, settings.options.name)
    return session


def _keep_silent() -> None:
    """At DEBUG botocore writes whole requests, tokens among their headers, to whatever log is
    open."""
    import logging

    logger = logging.getLogger("botocore")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)


def _base_endpoint(settings: Settings) -> str | None:
    """The server's URL without the bucket, which botocore puts there itself."""
    if not settings.custom:
        return None
    url = urlsplit(settings.endpoint)
    host = url.netloc
    if not settings.path_style:
        host = host.removeprefix(f"{settings.options.bucket}.")
    return f"{url.scheme}://{host}{url.path}"


def _none_found(place: Place) -> AccessDenied:
    return AccessDenied(
        f"no credentials for '{place.url}' were found",
        hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
        + place.modify("profile", "<name>"),
    )


def _explain_search(error: Exception, place: Place) -> PannierError:
    """Why botocore found no credentials. Its words may quote a process's output: not shown."""
    if isinstance(error, PannierError):
        return error
    name = type(error).__name__
    of = f" of profile '{place.profile}'" if place.profile else ""
    refused_by_sts = str(getattr(error, "operation_name", "")).startswith("AssumeRole")
    if not refused_by_sts and any(word in name for word in _LOG_IN):
        profile = f" --profile {place.profile}" if place.profile else ""
        return AccessDenied(
            f"the log-in{of} for '{place.url}' is missing or has expired",
            hint=f"log in again, as with 'aws sso login{profile}'",
        )
    if name == "CredentialRetrievalError":
        return AccessDenied(
            f"the credential process{of} failed", hint="run the command in ~/.aws/config by hand"
        )
    if name in ("ProfileNotFound", "InvalidConfigError", "ConfigParseError"):
        return ConfigError(f"the AWS configuration{of} is incomplete ({name})")
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):
        code = str(answer.get("Error", {}).get("Code", ""))
        return AccessDenied(f"the credentials{of} cannot be had: AWS answered {code}")
    return AccessDenied(f"the credentials{of} for '{place.url}' cannot be had ({name})")
