"""URLs: data that lies anywhere a transport reaches, as cargo that can be brought from there.

A path on this machine, the URL of a store, or `remote://name/path` for a place below a remote of
the project. What is there is a file or a folder; what tells that it changed is its checksum, where
the place knows one without the bytes, else the digest of the bytes.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping

from pannier.core.errors import BadPath, ConfigError
from pannier.core.path import is_inside, relative
from pannier.core.record import dataclass, field
from pannier.core.source_errors import UrlMissing
from pannier.core.typed import Any
from pannier.formats import config_schema as schema
from pannier.project.project import Project
from pannier.store.cargo import Cargo, Lot
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import LOCAL, open_transport, scheme_of
from pannier.store.transport import Facts, Transport, facts_of

REMOTE = "remote"


@dataclass(slots=True)
class Origin:
    """What a URL names. url: as typed. key: below the transport's root, '' for all of it.
    path: on this machine, absolute, else None. base: key's own name.
    """

    url: str
    transport: Transport
    key: str
    path: str | None = None
    keys: list[tuple[str, int | None]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What the data is called when nobody says otherwise."""
        name = posixpath.basename((self.path or self.key).rstrip("/"))
        return name.partition("?")[0] if self.path is None else name

    def shown(self, project: Project | None, cwd: str) -> str:
        """As messages name it: a path in the project from where the user stands."""
        if self.path is None:
            return self.url
        if project is not None:
            inner = os.path.relpath(self.path, project.root)
            if is_inside(inner):
                return relative(inner, cwd)
        return self.path

    def look(self) -> Facts | None:
        """What is told of a single file; None for a folder and for nothing."""
        return facts_of(self.transport, self.key) if self.key else None

    def is_folder(self) -> bool:
        """True when something lies below. Call it when `look` found no file."""
        if self.path is not None:
            return os.path.isdir(self.path)
        prefix = f"{self.key}/" if self.key else ""
        return next(iter(self.transport.list(prefix)), None) is not None

    def cargo(self) -> Cargo:
        """All of it. Raises UrlMissing, BadPath."""
        if self.key and self.transport.stat(self.key) is not None:
            return Cargo(self.url, False, [Lot(self.transport, [("", self.key, "")], self.url)])
        prefix = f"{self.key}/" if self.key else ""
        self.keys = sorted((entry.key, entry.size_bytes) for entry in self.transport.list(prefix))
        if not self.keys and not self.is_folder():
            raise UrlMissing(self.url)
        cut = len(prefix)
        items = [(key[cut:], key, "") for key, _ in self.keys if not key.endswith("/")]
        cargo = Cargo(self.url, True, [Lot(self.transport, items, self.url)])
        cargo.check()
        return cargo

    def close(self) -> None:
        self.transport.close()


def open_url(
    url: str,
    project: Project | None,
    cwd: str,
    fs_config: Mapping[str, Any] | None = None,
    *,
    trusted: bool = True,
) -> Origin:
    """Opens what url names. cwd: absolute, where relative paths start.

    trusted: fs_config comes from the user, not from a pointer, which may be anybody's.
    Raises ConfigError, UnsupportedScheme, UnknownRemote.
    """
    options = {str(name): str(value) for name, value in (fs_config or {}).items()}
    for name, value in () if trusted else options.items():
        if schema.is_protected(name, value):
            raise ConfigError(
                f"'{name}' of '{url}' runs a program or names a file of credentials, so it does"
                " not count from a .dvc file",
                hint="name a remote in your own settings, and import from 'remote://<name>/...'",
            )
    scheme = scheme_of(url)
    if scheme == REMOTE:
        return _open_below_remote(url, project, options)
    if scheme == LOCAL:
        plain = url.removeprefix("file://")
        path = os.path.normpath(os.path.join(cwd, os.path.expanduser(plain)))
        folder, name = os.path.split(path)
        transport = open_transport(RemoteConfig("", folder, options))
        return Origin(url, transport, name, path)
    root, key = _split(url)
    protected = frozenset(options) if trusted else frozenset[str]()
    return Origin(url, open_transport(RemoteConfig("", root, options, protected)), key)


def _open_below_remote(url: str, project: Project | None, options: dict[str, str]) -> Origin:
    name, _, path = url.partition("://")[2].partition("/")
    if project is None:
        raise ConfigError(
            f"remote '{name}' doesn't exist", hint="remote:// names a remote of a project"
        )
    config = project.settings.remote(name)
    key = posixpath.normpath(path) if path else ""
    if key and not is_inside(key):
        raise BadPath(path, "it leaves the remote", f"'{url}'")
    key = "" if key == "." else key
    merged = {**config.options, **options}
    transport = open_transport(RemoteConfig(config.name, config.url, merged, config.protected))
    return Origin(url, transport, key)


def _split(url: str) -> tuple[str, str]:
    """(root, key) of a URL: what a transport is opened with has a host, or a bucket, at least."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.strip("/").partition("/")
    folder, _, name = path.rstrip("/").rpartition("/")
    root = f"{scheme}://{host}"
    return (f"{root}/{folder}" if folder else root), name
