"""Aliyun OSS, through its S3 interface: virtual-hosted names and the fourth signature."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from pannier.core.errors import ConfigError
from pannier.store.remote_config import RemoteConfig
from pannier.store.transports.s3 import S3Transport
from pannier.store.transports.s3_aws_files import Keys
from pannier.store.transports.s3_client import Connection, connected
from pannier.store.transports.s3_config import Options, Settings

_ALIYUN = re.compile(r"(?:s3\.)?oss-([a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com(?::\d+)?")
_NO_REGION = "us-east-1"
"""Part of the signature; what speaks S3 under another name than Aliyun's takes this one."""


class OssTransport(S3Transport):
    """See Transport."""

    def __init__(self, config: RemoteConfig) -> None:
        self._given = {name: value for name in _OPTIONS if (value := config.get(name))}
        super().__init__(RemoteConfig(config.name, config.url, scratch=config.scratch))

    def _connect(self) -> Connection:
        return connected(resolve_oss(self._options, self._given, os.environ), self.url)


_OPTIONS = {
    "oss_key_id": "OSS_ACCESS_KEY_ID",
    "oss_key_secret": "OSS_ACCESS_KEY_SECRET",
    "oss_endpoint": "OSS_ENDPOINT",
}


def resolve_oss(options: Options, given: Mapping[str, str], env: Mapping[str, str]) -> Settings:
    """All that a client needs to know. Nothing of Amazon's files and variables counts.

    Raises ConfigError when something is missing.
    """
    found = {name: given.get(name) or env.get(variable) for name, variable in _OPTIONS.items()}
    for name, value in found.items():
        if not value:
            raise ConfigError(
                f"remote '{options.name}' lacks '{name}'",
                hint=f"'dvc remote modify --local {options.name} {name} <value>',"
                f" or set {_OPTIONS[name]}",
            )
    endpoint, region, path_style = _endpoint_of(str(found["oss_endpoint"]), options)
    return Settings(
        options=options,
        endpoint=endpoint,
        custom=True,
        path_style=path_style,
        region=region,
        profile=None,
        keys=Keys(str(found["oss_key_id"]), str(found["oss_key_secret"])),
        credentials_file="",
        config_file="",
        verify=True,
        keys_hint="check OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET, or"
        f" 'dvc remote modify --local {options.name} oss_key_id <key>'",
    )


def _endpoint_of(text: str, options: Options) -> tuple[str, str, bool]:
    """(endpoint, region, path style). A scheme may be missing, as in Aliyun's own tools."""
    url = urlsplit(text if "://" in text else f"https://{text}")
    if url.scheme not in ("http", "https") or not url.hostname or "@" in url.netloc:
        raise ConfigError(f"the 'oss_endpoint' of remote '{options.name}' is no URL of a server")
    host = url.netloc.lower()
    aliyun = _ALIYUN.fullmatch(host)
    if aliyun and not host.startswith("s3."):
        host = f"s3.{host}"
    path_style = _has_no_names(url.hostname)
    if not path_style:
        host = f"{options.bucket}.{host}"
    region = aliyun.group(1) if aliyun else _NO_REGION
    return f"{url.scheme}://{host}{url.path.rstrip('/')}", region, path_style


def _has_no_names(host: str) -> bool:
    """True for a host below which no bucket can have a name of its own."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host
    return True
