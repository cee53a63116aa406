"""What the settings of an Azure remote mean: its options, AZURE_* variables, ~/.azure/config.

The order and the words are DVC's: connection string, service principal, account key, SAS token,
what the machine has by itself, nobody.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from pannier.core.errors import ConfigError
from pannier.core.record import dataclass, field
from pannier.store.remote_config import RemoteConfig
from pannier.store.transports.options import seconds
from pannier.store.transports.s3_aws_files import read_sections

_TIMEOUT_S = 60
_DEVELOPMENT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
"""Of the account `devstoreaccount1` in every emulator, as Microsoft publishes it."""

_DEVELOPMENT = (
    f"AccountName=devstoreaccount1;AccountKey={_DEVELOPMENT_KEY};"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1"
)
_PRINCIPAL = ("tenant_id", "client_id", "client_secret")
_SECRETS = ("account_key", "sas_token", "connection_string", "client_secret")


@dataclass(frozen=True, slots=True)
class AzureOptions:
    """What the remote's own options say. given: those about who asks. excluded: of what the machine
    has by itself."""

    name: str
    container: str
    prefix: str
    given: dict[str, str] = field(repr=False)
    anonymous: bool
    excluded: frozenset[str]
    connect_timeout_s: int
    read_timeout_s: int


@dataclass(frozen=True, slots=True)
class AzureSettings:
    """endpoint: URL that the container is appended to. login: obstore's settings for who asks.
    credential: what obstore's credential provider returns, when it does not expire."""

    options: AzureOptions
    account: str
    endpoint: str
    login: dict[str, str | bool] = field(repr=False)
    credential: dict[str, str | None] | None = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


def read_azure_options(config: RemoteConfig) -> AzureOptions:
    """Raises ConfigError for what is wrong. Nothing is read from elsewhere."""
    url = urlsplit(config.url)
    container, _, host = url.netloc.partition("@")
    if not container or ":" in url.netloc:
        raise ConfigError(
            f"the URL of remote '{config.name}' must be like azure://container/path",
            hint=f"'dvc remote modify {config.name} url azure://container/path'",
        )
    path = config.url.split("://", 1)[1][len(url.netloc) + 1 :].rstrip("/")
    words = ("connection_string", "account_name", "account_key", "sas_token", *_PRINCIPAL)
    given = {word: value for word in words if (value := config.get(word))}
    if host:
        given.setdefault("account_name", host.partition(".")[0])
    timeout_s = seconds(config, "timeout", _TIMEOUT_S)
    return AzureOptions(
        name=config.name,
        container=container,
        prefix=f"{path}/" if path else "",
        given=given,
        anonymous=config.flag("allow_anonymous_login"),
        excluded=frozenset(
            kind
            for kind in ("environment", "managed_identity")
            if config.flag(f"exclude_{kind}_credential")
        ),
        connect_timeout_s=seconds(config, "connection_timeout", timeout_s),
        read_timeout_s=seconds(config, "read_timeout", timeout_s),
    )


def resolve_azure(options: AzureOptions, env: Mapping[str, str]) -> AzureSettings:
    """Adds environment and ~/.azure/config. Raises ConfigError."""
    given = {**_from_machine(env), **options.given}
    if "account_name" not in given and "connection_string" not in given:
        raise ConfigError(
            "Authentication to Azure Blob Storage requires either account_name or"
            " connection_string.",
            hint=f"'dvc remote modify {options.name} account_name <account>'",
        )
    secrets = [given[word] for word in _SECRETS if word in given]
    if "connection_string" in given:
        parts = _parts_of(given["connection_string"], options.name)
        secrets += [
            parts[word] for word in ("AccountKey", "SharedAccessSignature") if word in parts
        ]
        endpoint = _endpoint_of(parts, options.name)
        account = parts.get("AccountName") or (urlsplit(endpoint).hostname or "").split(".")[0]
        login, credential = _by_key_or_token(
            parts.get("AccountKey"), parts.get("SharedAccessSignature")
        )
    else:
        account = given["account_name"]
        endpoint = f"https://{account}.blob.core.windows.net"
        login, credential = _login(given, options, env)
    return AzureSettings(options, account, endpoint, login, credential, tuple(secrets))


def _from_machine(env: Mapping[str, str]) -> dict[str, str]:
    folder = env.get("AZURE_CONFIG_DIR") or "~/.azure"
    path = os.path.join(os.path.expanduser(folder), "config")
    section = read_sections(path).get("storage", {})
    found = {}
    for word, names, key in (
        ("connection_string", ("AZURE_STORAGE_CONNECTION_STRING",), "connection_string"),
        ("account_name", ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"), "account"),
        ("account_key", ("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY"), "key"),
        ("sas_token", ("AZURE_STORAGE_SAS_TOKEN",), "sas_token"),
    ):
        value = next((env[name] for name in names if env.get(name)), section.get(key))
        if value:
            found[word] = value
    return found


def _parts_of(text: str, remote: str) -> dict[str, str]:
    """A connection string's parts: `Name=value;Name=value`."""
    parts = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
    if parts.get("UseDevelopmentStorage", "").lower() == "true":
        return _parts_of(_DEVELOPMENT, remote)
    if "AccountName" not in parts and "BlobEndpoint" not in parts:
        raise ConfigError(
            f"the 'connection_string' of remote '{remote}' names no account",
            hint="it must be like 'AccountName=...;AccountKey=...', as the portal shows it",
        )
    return parts


def _endpoint_of(parts: Mapping[str, str], remote: str) -> str:
    endpoint = parts.get("BlobEndpoint")
    if endpoint is None:
        scheme = parts.get("DefaultEndpointsProtocol", "https")
        suffix = parts.get("EndpointSuffix", "core.windows.net")
        endpoint = f"{scheme}://{parts['AccountName']}.blob.{suffix}"
    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or not url.netloc or "@" in url.netloc:
        raise ConfigError(f"the 'connection_string' of remote '{remote}' leads to no server")
    return f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}"


_Login = tuple[dict[str, str | bool], dict[str, str | None] | None]


def _by_key_or_token(key: str | None, token: str | None) -> _Login:
    if key:
        return {}, {"access_key": key, "expires_at": None}
    if token:
        return {}, {"sas_token": token.lstrip("?"), "expires_at": None}
    return {"skip_signature": True}, None


def _login(given: Mapping[str, str], options: AzureOptions, env: Mapping[str, str]) -> _Login:
    principal = {word: given[word] for word in _PRINCIPAL if word in given}
    if len(principal) == len(_PRINCIPAL):
        return {**principal}, None
    if "account_key" in given or "sas_token" in given:
        return _by_key_or_token(given.get("account_key"), given.get("sas_token"))
    if options.anonymous:
        return {"skip_signature": True}, None
    return _by_itself(options, env), None


def _by_itself(options: AzureOptions, env: Mapping[str, str]) -> dict[str, str | bool]:
    """What the machine has: a service principal in its environment, a workload's token, the
    identity that Azure gave it, or a log-in by `az login`."""
    names = {word: f"AZURE_{word.upper()}" for word in _PRINCIPAL}
    if "environment" not in options.excluded and all(env.get(name) for name in names.values()):
        return {word: env[name] for word, name in names.items()}
    token = env.get("AZURE_FEDERATED_TOKEN_FILE")
    if token and env.get("AZURE_CLIENT_ID") and env.get("AZURE_TENANT_ID"):
        return {
            "federated_token_file": token,
            "client_id": env["AZURE_CLIENT_ID"],
            "tenant_id": env["AZURE_TENANT_ID"],
        }
    if "managed_identity" not in options.excluded and env.get("IDENTITY_ENDPOINT"):
        return {"msi_endpoint": env["IDENTITY_ENDPOINT"]}
    return {"use_azure_cli": True}
