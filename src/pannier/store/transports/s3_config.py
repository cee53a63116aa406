"""What an S3 remote's settings mean: options of the remote, AWS_* variables, ~/.aws files.

The order and the words are botocore's, because DVC's S3 goes through it; the files are read here,
because importing botocore costs more than a whole `status`.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from pannier.core.errors import ConfigError
from pannier.core.record import dataclass, field, replace
from pannier.store.remote_config import RemoteConfig
from pannier.store.transports.options import protected_path, seconds, verify_of
from pannier.store.transports.s3_aws_files import AwsFiles, Keys, read_sections

_GRANTS = {
    "grant_read": "GrantRead",
    "grant_read_acp": "GrantReadACP",
    "grant_write_acp": "GrantWriteACP",
    "grant_full_control": "GrantFullControl",
}
_ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
_READ_TIMEOUT_S = _CONNECT_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Options:
    """What the remote's own options say; nothing is read from elsewhere.

    prefix: of all keys, "" or ending in '/'. verify: of TLS certificates: True, False, or the
    path of a file with those to trust. sse_customer_key: base64. access: who else may do what with
    new objects, as arguments of botocore's PutObject.
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
    access: dict[str, str]


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
    url = urlsplit(config.url)
    if not url.netloc or "@" in url.netloc:
        raise ConfigError(f"the URL of remote '{config.name}' must be like s3://bucket/path")
    path = config.url.split("://", 1)[1][len(url.netloc) + 1 :].rstrip("/")
    key_id, secret = config.get("access_key_id"), config.get("secret_access_key")
    if (key_id is None) != (secret is None):
        raise ConfigError(
            f"remote '{config.name}' has only one of 'access_key_id' and 'secret_access_key'"
        )
    keys = Keys(key_id, secret, config.get("session_token")) if key_id and secret else None
    customer_key = _customer_key_of(config)
    return Options(
        name=config.name,
        bucket=url.netloc,
        prefix=f"{path}/" if path else "",
        endpoint=config.get("endpointurl"),
        region=config.get("region"),
        profile=config.get("profile"),
        keys=keys,
        credentials_file=protected_path(config, "credentialpath"),
        config_file=protected_path(config, "configpath"),
        use_ssl=config.flag("use_ssl", True),
        verify=verify_of(config),
        anonymous=config.flag("allow_anonymous_login"),
        sse=_encryption_of(config, customer_key),
        sse_kms_key_id=config.get("sse_kms_key_id"),
        sse_customer_key=customer_key,
        read_timeout_s=seconds(config, "read_timeout", _READ_TIMEOUT_S),
        connect_timeout_s=seconds(config, "connect_timeout", _CONNECT_TIMEOUT_S),
        access=_access_of(config),
    )


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


def _access_of(config: RemoteConfig) -> dict[str, str]:
    grants = {name: value for option, name in _GRANTS.items() if (value := config.get(option))}
    acl = config.get("acl")
    if acl and grants:
        raise ConfigError("`acl` and `grant_*` AWS S3 config options are mutually exclusive")
    return {"ACL": acl} if acl else grants


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
    files = AwsFiles(
        read_sections(config_file), read_sections(credentials_file), wanted or "default"
    )
    if wanted and not files.has_profile and options.keys is None and not options.anonymous:
        raise ConfigError(
            f"the AWS profile '{wanted}' is in neither '{config_file}' nor '{credentials_file}'"
        )
    endpoint = options.endpoint or files.endpoint(env)
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
    from_machine = files.static_keys(env, only_profile=options.profile is not None)
    return Settings(
        options=options,
        endpoint=_full_endpoint(options, endpoint, region, path_style),
        custom=bool(endpoint),
        path_style=path_style,
        region=region,
        profile=wanted,
        keys=None if options.anonymous else options.keys or from_machine,
        credentials_file=credentials_file,
        config_file=config_file,
        verify=verify,
    )


def with_region(settings: Settings, region: str) -> Settings:
    """The same settings for a bucket whose region was found out."""
    endpoint = _full_endpoint(settings.options, None, region, settings.path_style)
    return replace(settings, region=region, endpoint=endpoint)


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
