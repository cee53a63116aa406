"""What an S3 remote's settings mean: options of the remote, AWS_* variables, ~/.aws files.

The order and the words are botocore's, because DVC's S3 goes through it; the files are read here,
because importing botocore costs more than a whole `status`.
"""

from __future__ import annotations

import base64
import binascii
import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pannier.core.errors import ConfigError
from pannier.store.transport import RemoteConfig

_CANNOT_SEND = ("acl", "grant_read", "grant_read_acp", "grant_write_acp", "grant_full_control")
_NEEDS_BOTOCORE = (
    "role_arn",
    "sso_session",
    "sso_start_url",
    "sso_account_id",
    "credential_process",
    "web_identity_token_file",
    "login_session",
)
_ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
_READ_TIMEOUT_S = _CONNECT_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Keys:
    """A key pair that does not expire while we run."""

    key_id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Options:
    """What the remote's own options say; nothing is read from elsewhere.

    prefix: of all keys, "" or ending in '/'. verify: of TLS certificates: True, False, or the
    path of a file with those to trust. sse_customer_key: base64.
    """

    name: str
    bucket: str
    prefix: str
    endpoint: str | None
    region: str | None
    profile: str | None
    keys: Keys | None
    credentials_file: str | None
    config_file: str | None
    use_ssl: bool
    verify: bool | str | None
    anonymous: bool
    sse: str | None
    sse_kms_key_id: str | None = field(repr=False)
    sse_customer_key: str | None = field(repr=False)
    read_timeout_s: int
    connect_timeout_s: int


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a client needs to know.

    endpoint: URL that bucket and key are appended to (path_style) or that holds the bucket
    already. custom: not Amazon's own. keys: None when botocore has to find them, or when
    anonymous. region: None when the bucket is to be asked for it.
    """

    options: Options
    endpoint: str
    custom: bool
    path_style: bool
    region: str | None
    profile: str | None
    keys: Keys | None
    credentials_file: str
    config_file: str
    verify: bool | str

    @property
    def shown_endpoint(self) -> str:
        return self.endpoint if self.custom else "Amazon S3"


def read_options(config: RemoteConfig) -> Options:
    """Checks a remote's options. Raises ConfigError for what is wrong or cannot be done here."""
    for option in _CANNOT_SEND:
        if config.get(option):
            raise ConfigError(
                f"the option '{option}' of remote '{config.name}' is not supported: objects would "
                "be written without it",
                hint=f"give the bucket a policy in its place, then "
                f"'dvc remote modify --unset {config.name} {option}'",
            )
    url = urlsplit(config.url)
    if not url.netloc:
        raise ConfigError(f"the URL '{config.url}' of remote '{config.name}' names no bucket")
    path = config.url.split("://", 1)[1][len(url.netloc) + 1 :].rstrip("/")
    key_id, secret = config.get("access_key_id"), config.get("secret_access_key")
    if (key_id is None) != (secret is None):
        raise ConfigError(
            f"remote '{config.name}' has only one of 'access_key_id' and 'secret_access_key'"
        )
    keys = Keys(key_id, secret, config.get("session_token")) if key_id and secret else None
    verify = _verify_of(config)
    customer_key = _customer_key_of(config)
    return Options(
        name=config.name,
        bucket=url.netloc,
        prefix=f"{path}/" if path else "",
        endpoint=config.get("endpointurl"),
        region=config.get("region"),
        profile=config.get("profile"),
        keys=keys,
        credentials_file=_protected(config, "credentialpath"),
        config_file=_protected(config, "configpath"),
        use_ssl=config.flag("use_ssl", True),
        verify=verify,
        anonymous=config.flag("allow_anonymous_login"),
        sse=_encryption_of(config, customer_key),
        sse_kms_key_id=config.get("sse_kms_key_id"),
        sse_customer_key=customer_key,
        read_timeout_s=_seconds(config, "read_timeout", _READ_TIMEOUT_S),
        connect_timeout_s=_seconds(config, "connect_timeout", _CONNECT_TIMEOUT_S),
    )


def _protected(config: RemoteConfig, option: str) -> str | None:
    """An option that a cloned repository must not decide (docs/durability.md, S5)."""
    value = config.get(option)
    if value is None:
        return None
    if option not in config.protected:
        raise ConfigError(
            f"the option '{option}' of remote '{config.name}' names a file outside the project, "
            "so it counts only in your own configuration",
            hint=f"if you trust it: 'dvc remote modify --local {config.name} {option} {value}'",
        )
    return os.path.expanduser(value)


def _verify_of(config: RemoteConfig) -> bool | str | None:
    value = config.get("ssl_verify")
    if value is None:
        return None
    word = str(value).strip().lower()
    return word == "true" if word in ("true", "false") else _protected(config, "ssl_verify")


def _customer_key_of(config: RemoteConfig) -> str | None:
    key = config.get("sse_customer_key")
    if key is None:
        return None
    if config.get("sse_kms_key_id"):
        raise ConfigError(
            "`sse_kms_key_id` and `sse_customer_key` AWS S3 config options are mutually exclusive"
        )
    algorithm = config.get("sse_customer_algorithm", "AES256")
    if algorithm != "AES256":
        raise ConfigError(f"'sse_customer_algorithm' must be AES256, it is '{algorithm}'")
    try:
        raw = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise ConfigError("'sse_customer_key' must be the base64 text of 32 bytes")
    return key


def _encryption_of(config: RemoteConfig, customer_key: str | None) -> str | None:
    sse = config.get("sse")
    if customer_key is not None:
        if sse:
            raise ConfigError("'sse' and 'sse_customer_key' are mutually exclusive")
        return "sse-c"
    if sse and sse not in _ENCRYPTIONS:
        raise ConfigError(f"'sse' must be one of {', '.join(_ENCRYPTIONS)}, it is '{sse}'")
    return sse or ("aws:kms" if config.get("sse_kms_key_id") else None)


def _seconds(config: RemoteConfig, option: str, default: int) -> int:
    value = config.get(option)
    if value is None:
        return default
    try:
        seconds = int(value)
    except ValueError:
        seconds = 0
    if seconds <= 0:
        raise ConfigError(f"'{option}' must be a whole number of seconds, it is '{value}'")
    return seconds


# -- the rest of the machine ----


def resolve(options: Options, env: Mapping[str, str]) -> Settings:
    """Adds environment and ~/.aws files. Raises ConfigError for files that cannot be read."""
    config_file = env.get("AWS_CONFIG_FILE") or options.config_file or "~/.aws/config"
    credentials_file = (
        env.get("AWS_SHARED_CREDENTIALS_FILE") or options.credentials_file or "~/.aws/credentials"
    )
    config_file = os.path.expanduser(config_file)
    credentials_file = os.path.expanduser(credentials_file)
    wanted = options.profile or env.get("AWS_DEFAULT_PROFILE") or env.get("AWS_PROFILE")
    files = AwsFiles(_sections(config_file), _sections(credentials_file), wanted or "default")
    if wanted and not files.has_profile and options.keys is None and not options.anonymous:
        raise ConfigError(
            f"the AWS profile '{wanted}' is in neither '{config_file}' nor '{credentials_file}'"
        )
    endpoint = options.endpoint or _endpoint_of(files, env)
    region = (
        options.region
        or env.get("AWS_DEFAULT_REGION")
        or env.get("AWS_REGION")
        or files.profile.get("region")
        or ("us-east-1" if endpoint else None)
    )
    style = files.nested("s3").get("addressing_style", "auto")
    path_style = style == "path" if not endpoint else style != "virtual"
    if not endpoint and "." in options.bucket:
        path_style = True  # Amazon's certificate is for names of one part
    verify = options.verify
    if verify is None:
        verify = (
            env.get("AWS_CA_BUNDLE")
            or files.profile.get("ca_bundle")
            or env.get("REQUESTS_CA_BUNDLE")
            or True
        )
    return Settings(
        options=options,
        endpoint=_full_endpoint(options, endpoint, region, path_style),
        custom=bool(endpoint),
        path_style=path_style,
        region=region,
        profile=wanted,
        keys=None if options.anonymous else options.keys or _static_keys(options, files, env),
        credentials_file=credentials_file,
        config_file=config_file,
        verify=verify,
    )


def with_region(settings: Settings, region: str) -> Settings:
    """The same settings for a bucket whose region was found out."""
    options = settings.options
    return Settings(
        options=options,
        endpoint=_full_endpoint(options, None, region, settings.path_style),
        custom=False,
        path_style=settings.path_style,
        region=region,
        profile=settings.profile,
        keys=settings.keys,
        credentials_file=settings.credentials_file,
        config_file=settings.config_file,
        verify=settings.verify,
    )


def _full_endpoint(
    options: Options, endpoint: str | None, region: str | None, path_style: bool
) -> str:
    if endpoint is None:
        domain = "amazonaws.com.cn" if (region or "").startswith("cn-") else "amazonaws.com"
        host = f"s3.{region}.{domain}" if region else f"s3.{domain}"
        endpoint = f"{'https' if options.use_ssl else 'http'}://{host}"
    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or not url.netloc or "@" in url.netloc:
        raise ConfigError(
            f"the 'endpointurl' of remote '{options.name}' is no http(s) URL of a server",
            hint=f"'dvc remote modify {options.name} endpointurl https://...'",
        )
    host = url.netloc if path_style else f"{options.bucket}.{url.netloc}"
    return f"{url.scheme}://{host}{url.path.rstrip('/')}"


@dataclass(frozen=True, slots=True)
class AwsFiles:
    """The two files, as far as one profile goes."""

    config: dict[str, dict[str, str]] = field(repr=False)
    credentials: dict[str, dict[str, str]] = field(repr=False)
    name: str

    @property
    def profile(self) -> dict[str, str]:
        """The profile's section of the config file; `[default]` needs no word before its name."""
        found = self.config.get(f"profile {self.name}")
        return found if found is not None else self.config.get(self.name, {})

    @property
    def has_profile(self) -> bool:
        return bool(self.profile) or self.name in self.credentials

    def nested(self, key: str) -> dict[str, str]:
        return _nested(self.profile.get(key, ""))

    @property
    def service_endpoint(self) -> str | None:
        """`endpoint_url` of S3 in the profile's `services` section."""
        services = self.config.get(f"services {self.profile.get('services', '')}", {})
        return _nested(services.get("s3", "")).get("endpoint_url")


def _endpoint_of(files: AwsFiles, env: Mapping[str, str]) -> str | None:
    ignore = env.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") or files.profile.get(
        "ignore_configured_endpoint_urls", ""
    )
    if ignore.lower() == "true":
        return None
    return (
        env.get("AWS_ENDPOINT_URL_S3")
        or env.get("AWS_ENDPOINT_URL")
        or files.service_endpoint
        or files.profile.get("endpoint_url")
    )


def _static_keys(options: Options, files: AwsFiles, env: Mapping[str, str]) -> Keys | None:
    """The key pair, when it stands somewhere in plain text and nothing of higher rank exists."""
    key_id, secret = env.get("AWS_ACCESS_KEY_ID"), env.get("AWS_SECRET_ACCESS_KEY")
    if key_id and secret and not options.profile:
        return Keys(key_id, secret, env.get("AWS_SESSION_TOKEN") or env.get("AWS_SECURITY_TOKEN"))
    stored = files.credentials.get(files.name, {})
    if env.get("AWS_WEB_IDENTITY_TOKEN_FILE") and not options.profile:
        return None
    if any(name in section for name in _NEEDS_BOTOCORE for section in (files.profile, stored)):
        return None
    for section in (stored, files.profile):
        key_id, secret = section.get("aws_access_key_id"), section.get("aws_secret_access_key")
        if key_id and secret:
            token = section.get("aws_session_token") or section.get("aws_security_token")
            return Keys(key_id, secret, token)
    return None


def _sections(path: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(default_section="\0", strict=False)
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error):
        # The parser's own words quote the line it stumbled on, which may be a secret.
        raise ConfigError(f"the AWS file '{path}' cannot be read or is not well formed") from None
    return {
        " ".join(name.replace('"', "").replace("'", "").split()): dict(parser.items(name))
        for name in parser.sections()
    }


def _nested(text: str) -> dict[str, str]:
    """The indented lines below a key, as `s3 =` has them."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}
