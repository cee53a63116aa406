"""Which transport speaks to which kind of URL; modules are loaded when one is opened."""

from __future__ import annotations

import importlib
import re
from typing import cast

from pannier.core.errors import ConfigError, UnsupportedScheme
from pannier.store.remote_config import RemoteConfig
from pannier.store.transport import Transport

LOCAL = "local"
"""The scheme of a plain path, and of file://."""

_TRANSPORTS = {
    LOCAL: ("pannier.store.transports.local", "LocalTransport"),
    "s3": ("pannier.store.transports.s3", "S3Transport"),
    "ssh": ("pannier.store.transports.ssh", "SshTransport"),
    "http": ("pannier.store.transports.http", "HttpTransport"),
    "https": ("pannier.store.transports.http", "HttpTransport"),
    "azure": ("pannier.store.transports.azure", "AzureTransport"),
    "webdav": ("pannier.store.transports.webdav", "WebdavTransport"),
    "webdavs": ("pannier.store.transports.webdav", "WebdavTransport"),
}
_NOT_YET = {"gs", "hdfs", "webhdfs"}
_NOT_YET |= {"oss", "gdrive", "remote"}
"""The other kinds that DVC 3.67.1 knows. remote://name/path is resolved by who reads the config."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_USER = re.compile(r"//[^/]*@")


def scheme_of(url: str) -> str:
    """The kind of a URL in lower case; LOCAL for a path."""
    found = _SCHEME.match(url)
    scheme = found.group(1).lower() if found else LOCAL
    return LOCAL if scheme == "file" else scheme


def open_transport(config: RemoteConfig) -> Transport:
    """The transport for a remote. Neither connects nor reads a file.

    Raises ConfigError for a kind of URL that nobody knows and for options that are wrong,
    UnsupportedScheme for one of DVC's that is not there yet.
    """
    scheme = scheme_of(config.url)
    if scheme in _NOT_YET:
        raise UnsupportedScheme(_USER.sub("//***@", config.url), scheme)
    if scheme not in _TRANSPORTS:
        at = f" for dictionary value @ data['remote']['{config.name}']" if config.name else ""
        raise ConfigError(f"Unsupported URL type {scheme}://{at}")
    module, name = _TRANSPORTS[scheme]
    return cast(Transport, getattr(importlib.import_module(module), name)(config))
