"""Which transport speaks to which kind of URL; modules are loaded when one is opened."""

from __future__ import annotations

import importlib
import re
from typing import cast

from pannier.core.errors import UnsupportedScheme
from pannier.formats.references import COMMAND
from pannier.store.remote_config import RemoteConfig
from pannier.store.transport import Transport

LOCAL = "local"
"""The scheme of a plain path, and of file://."""

_TRANSPORTS = {
    LOCAL: ("pannier.store.transports.local", "LocalTransport"),
    "s3": ("pannier.store.transports.s3", "S3Transport"),
    "ssh": ("pannier.store.transports.ssh", "SshTransport"),
    "gs": ("pannier.store.transports.gs", "GsTransport"),
    "http": ("pannier.store.transports.http", "HttpTransport"),
    "https": ("pannier.store.transports.http", "HttpTransport"),
    "azure": ("pannier.store.transports.azure", "AzureTransport"),
    "oss": ("pannier.store.transports.oss", "OssTransport"),
    "gdrive": ("pannier.store.transports.gdrive", "GdriveTransport"),
    "hdfs": ("pannier.store.transports.hdfs", "HdfsTransport"),
    "webhdfs": ("pannier.store.transports.webhdfs", "WebhdfsTransport"),
    "rclone": ("pannier.store.transports.rclone", "RcloneTransport"),
    "webdav": ("pannier.store.transports.webdav", "WebdavTransport"),
    "webdavs": ("pannier.store.transports.webdav", "WebdavTransport"),
}
_PLUG_IN = ("pannier.store.transports.fsspec_files", "FsspecTransport")
"""For every other kind: file systems that others register with fsspec."""

_READERS = {
    "http": ("pannier.store.transports.http_read", "HttpReader"),
    "https": ("pannier.store.transports.http_read", "HttpReader"),
}
"""Who reads single files of these kinds for import-url: with ETags, and any server's."""

_NOT_YET = {"remote"}
"""Of the kinds that DVC 3.67.1 knows: remote://name/path is resolved by who reads the config."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_USER = re.compile(r"//[^/]*@")


def scheme_of(url: str) -> str:
    """The kind of a URL in lower case; LOCAL for a path."""
    found = _SCHEME.match(url)
    scheme = found.group(1).lower() if found else LOCAL
    return LOCAL if scheme == "file" else scheme


def check_kind(url: str, name: str = "") -> None:
    """Raises ConfigError for a kind of URL that nobody knows. Opens and asks nothing."""
    open_transport(RemoteConfig(name, url)).close()


def open_transport(config: RemoteConfig) -> Transport:
    """The transport for a remote. Neither connects nor reads a file; a program of the user's own
    that prints a secret (`cmd:`) is run.

    Raises ConfigError for a kind of URL that nobody knows (not fsspec either, if it is installed)
    and for options that are wrong, UnsupportedScheme for one of DVC's that is not there yet.
    """
    scheme = scheme_of(config.url)
    if scheme in _NOT_YET:
        raise UnsupportedScheme(_USER.sub("//***@", config.url), scheme)
    return _opened(_TRANSPORTS.get(scheme, _PLUG_IN), config)


def open_readable(config: RemoteConfig) -> Transport:
    """The same, to read single files from."""
    scheme = scheme_of(config.url)
    if scheme not in _READERS:
        return open_transport(config)
    return _opened(_READERS[scheme], config)


def _opened(where: tuple[str, str], config: RemoteConfig) -> Transport:
    if any(str(value).startswith(COMMAND) for value in config.options.values()):
        config = importlib.import_module("pannier.store.secret_commands").with_secrets(config)
    module, name = where
    return cast(Transport, getattr(importlib.import_module(module), name)(config))
