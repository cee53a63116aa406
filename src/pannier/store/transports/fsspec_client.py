"""File systems that others register with fsspec: found by the scheme of a URL, made for a remote.

The only module of the transports that knows fsspec. A file system is somebody else's code: what it
does to threads, names and half-written files is not known, so each thread has one of its own,
unless it says that it is made for many.
"""

from __future__ import annotations

import errno
import threading

from pannier.core.errors import (
    AccessDenied,
    ConfigError,
    NotThere,
    PannierError,
    TransportError,
    Unreachable,
)
from pannier.core.typed import Any
from pannier.formats.config_schema import HARMLESS
from pannier.store.remote_config import RemoteConfig

_FORGETS = {"memory"}
_NO_STORES = {"file", "local", "asynclocal", "generic", "dir", "reference", "data", "dask", "dvc"}
_NO_STORES |= {"cached", "blockcache", "filecache", "simplecache", "async_wrapper", "asyncwrapper"}
_NO_STORES |= {"zip", "tar", "libarchive"}
"""Of fsspec's own: those that stand for another file system, archives, and what cannot be written
or is here without fsspec."""

_GONE = {
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.ECONNABORTED,
    errno.EPIPE,
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
}
_BASES = {"fsspec.spec", "fsspec.asyn"}
_LONGEST = 300


class Client:
    """The file system of one remote. root: where it starts, as the file system names it."""

    def __init__(self, config: RemoteConfig, scheme: str) -> None:
        self._config = config
        self._class = _class_of(config, scheme)
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._shared: Any = None
        self._secrets = [
            str(value) for option, value in config.options.items() if option not in HARMLESS
        ]
        self.root = ""
        own = [kind.__dict__ for kind in self._class.__mro__ if kind.__module__ not in _BASES]
        self._renames = any("mv" in names for names in own)
        self._copies = any({"cp_file", "_cp_file"} & names.keys() for names in own)

    def open(self) -> Any:
        """The file system for this thread. Raises ConfigError, and what connecting fails at."""
        if self._class.async_impl:
            with self._lock:
                if self._shared is None:
                    self._shared = self._make()
                return self._shared
        if not hasattr(self._mine, "made"):
            self._mine.made = self._make()
        return self._mine.made

    def _make(self) -> Any:
        options = {
            option: self._config.values.get(option, value)
            for option, value in self._config.options.items()
            if option not in HARMLESS
        }
        try:
            given = {**self._class._get_kwargs_from_urls(self._config.url), **options}
            made = self._class(**given, skip_instance_cache=True)
        except TypeError as error:
            raise ConfigError(
                f"the options of remote '{self._config.name}' do not suit"
                f" {self._class.__name__}: {self.said(error)}",
                hint="the options of such a remote are those of the file system's own manual",
            ) from None
        self.root = str(self._class._strip_protocol(self._config.url)).rstrip("/")
        return made

    def check_writable(self) -> None:
        """Raises TransportError when bytes cannot be given another name."""
        if not self._renames and not self._copies:
            raise TransportError(
                f"{self._class.__name__} can neither move nor copy a file, so what a broken upload"
                f" leaves could pass for an object: '{self._config.url}' is for reading only"
            )

    def move(self, fs: Any, path: str, target: str) -> None:
        """Gives a file its name, replacing what has it."""
        if self._renames:
            fs.mv(path, target)
        else:  # fsspec's own `mv` takes `*` in a name for a pattern
            fs.cp_file(path, target)
            fs.rm_file(path)

    def said(self, error: BaseException) -> str:
        """The first line of what a stranger's code says, without the values of the options."""
        text = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        for secret in sorted(self._secrets, key=len, reverse=True):
            if len(secret) > 2:
                text = text.replace(secret, "***")
        return text[:_LONGEST]

    def explained(self, error: BaseException, key: str) -> PannierError:
        """The contract's error for what a file system raised."""
        where = f"'{key}' in '{self._config.url}'" if key else f"'{self._config.url}'"
        if isinstance(error, PannierError):
            return error
        if isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError):
            return NotThere(f"{where} does not exist")
        if isinstance(error, PermissionError):
            return AccessDenied(f"no access to {where}: {self.said(error)}")
        code = error.errno if isinstance(error, OSError) else None
        if isinstance(error, ConnectionError | TimeoutError | EOFError) or code in _GONE:
            return Unreachable(f"'{self._config.url}' does not answer: {self.said(error)}")
        return TransportError(
            f"a request for {where} failed: {type(error).__name__}: {self.said(error)}"
        )


def _class_of(config: RemoteConfig, scheme: str) -> Any:
    """The class that was registered for a scheme. Raises ConfigError."""
    at = f" for dictionary value @ data['remote']['{config.name}']" if config.name else ""
    unknown = f"Unsupported URL type {scheme}://{at}"
    if scheme in _FORGETS:
        raise ConfigError(f"{unknown}: it keeps nothing beyond the end of a command")
    if scheme in _NO_STORES:
        raise ConfigError(unknown)
    try:
        from fsspec.registry import get_filesystem_class
    except ImportError:
        raise ConfigError(
            unknown,
            hint=f"a package for fsspec may know {scheme}://: pip install 'pannier[fsspec]' and it",
        ) from None
    try:
        return get_filesystem_class(scheme)
    except ValueError:
        raise ConfigError(unknown) from None
    except ImportError as error:
        raise ConfigError(f"{unknown}: {error}") from None
