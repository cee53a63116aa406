"""URLs: data that lies anywhere a transport reaches, as cargo that can be brought from there.

A path on this machine, the URL of a store, or `remote://name/path` for a place below a remote of
the project. What is there is a file or a folder; what tells that it changed is its checksum, where
the place knows one without the bytes, else the digest of the bytes.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from typing import cast

from pannier.core.errors import BadPath, ConfigError
from pannier.core.path import is_inside, relative
from pannier.core.record import dataclass
from pannier.core.source_errors import UrlMissing
from pannier.core.typed import Any
from pannier.formats import config_schema as schema
from pannier.project.project import Project
from pannier.store.cargo import Cargo, Lot
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import LOCAL, open_readable, scheme_of
from pannier.store.transport import (
    Entry,
    Facts,
    Transport,
    Versioning,
    facts_of,
    key_of_version,
)
from pannier.store.versioned import latest_below

REMOTE = "remote"
_MARKS = {"azure": ("?versionid=",), REMOTE: ("?versionId=", "?versionid=")}


@dataclass(slots=True)
class Origin:
    """What a URL names. url: as typed. key: below the transport's root, '' for all of it.
    path: on this machine, absolute, else None. facts, entries: what `look` found: those of a
    single file, or all that lies below, by key. versions: of a place with cloud versions, by key
    what is meant, {} before `look`; None for other places. pinned: the version of a single file
    that is meant, instead of the latest.
    """

    url: str
    transport: Transport
    key: str
    path: str | None = None
    facts: Facts | None = None
    entries: list[Entry] | None = None
    versions: dict[str, Facts] | None = None
    pinned: str | None = None

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

    def look(self) -> None:
        """Asks what is there, once. Raises UrlMissing, TransportError."""
        if self.facts is not None or self.entries is not None:
            return
        if self.versions is not None:
            self._look_at_versions()
            return
        self.facts = facts_of(self.transport, self.key) if self.key else None
        if self.facts is not None:
            return
        found = sorted(self.transport.list(self.prefix), key=lambda entry: entry.key)
        if not found and not self.is_folder():
            raise UrlMissing(self.url)
        self.entries = [entry for entry in found if not entry.key.endswith("/")]

    def _look_at_versions(self) -> None:
        if not hasattr(self.transport, "versions"):
            self._look_at_each()
            return
        found = list(cast(Versioning, self.transport).versions(self.key))
        own = [
            facts
            for key, facts, latest in found
            if key == self.key and self._is_meant(facts, latest)
        ]
        if own:
            self.facts, self.versions = own[0], {self.key: own[0]}
            return
        self.take_versions(
            {
                key: facts
                for key, facts, latest in found
                if latest and key.startswith(self.prefix) and not key.endswith("/")
            }
        )
        if not self.versions:
            raise UrlMissing(self.url)

    def _look_at_each(self) -> None:
        """As _look_at_versions, where versions cannot be listed."""
        asked = key_of_version(self.key, self.pinned) if self.pinned else self.key
        facts = facts_of(self.transport, asked) if self.key else None
        if facts is not None:
            if self.pinned:
                facts = facts._replace(version_id=self.pinned)
            self.facts, self.versions = facts, {self.key: facts}
        else:
            found = latest_below(self.transport, self.prefix, self.transport.jobs_default)
            self.take_versions({key: found[key] for key in found if not key.endswith("/")})
        if not self.versions:
            raise UrlMissing(self.url)

    def check_versions(self) -> None:
        """Raises ConfigError when there is to be a version of each file, and is none."""
        self.look()
        if not all(facts.version_id for facts in (self.versions or {}).values()):
            raise ConfigError(
                f"'{self.url}' has no versions",
                hint="enable versioning at its provider, or import it without '--version-aware'",
            )

    def _is_meant(self, facts: Facts, latest: bool) -> bool:
        return latest if self.pinned is None else facts.version_id == self.pinned

    def take_versions(self, versions: dict[str, Facts]) -> None:
        """These files of a folder are meant, by key, whatever else there is."""
        self.versions = versions
        self.entries = [
            Entry(key, versions[key].size_bytes, versions[key].checksum) for key in sorted(versions)
        ]

    def _travelling(self, key: str) -> str:
        facts = (self.versions or {}).get(key)
        return key_of_version(key, facts.version_id) if facts and facts.version_id else key

    @property
    def prefix(self) -> str:
        """What the keys of a folder start with."""
        return f"{self.key}/" if self.key else ""

    def is_folder(self) -> bool:
        """True when something lies below. Call it when there is no file."""
        if self.path is not None:
            return os.path.isdir(self.path)
        return next(iter(self.transport.list(self.prefix)), None) is not None

    def cargo(self) -> Cargo:
        """All of it. Raises UrlMissing, BadPath."""
        self.look()
        if self.entries is None:
            return Cargo(
                self.url,
                False,
                [Lot(self.transport, [("", self._travelling(self.key), "")], self.url)],
            )
        cut = len(self.prefix)
        items = [(entry.key[cut:], self._travelling(entry.key), "") for entry in self.entries]
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
    url, pinned = version_in(url, aware=is_aware(options))
    origin = _open(url, project, cwd, options, trusted=trusted)
    if pinned or is_aware(options) or origin.versions is not None:
        if not hasattr(origin.transport, "keeps_versions"):
            origin.close()
            raise ConfigError("cloud versions can be imported from s3://, azure:// and gs:// only")
        origin.versions, origin.pinned = {}, pinned
    return origin


def is_aware(options: Mapping[str, Any]) -> bool:
    """Tells whether options of a place say that it keeps cloud versions."""
    return any(
        str(options.get(name, "")).lower() == "true" for name in ("version_aware", "worktree")
    )


def version_in(url: str, *, aware: bool = False) -> tuple[str, str | None]:
    """(URL, the id of a version that it names). aware: it may name one as Google's do, by a number
    behind `#`, which may be a part of a name as well."""
    scheme = scheme_of(url)
    for mark in _MARKS.get(scheme, ("?versionId=",)):
        bare, found, version = url.rpartition(mark)
        if found and version and scheme != LOCAL:
            return bare, version
    bare, found, version = url.rpartition("#")
    if aware and scheme in ("gs", REMOTE) and found and version.isdecimal():
        return bare, version
    return url, None


def _open(
    url: str, project: Project | None, cwd: str, options: dict[str, str], *, trusted: bool
) -> Origin:
    scheme = scheme_of(url)
    if scheme == REMOTE:
        return _open_below_remote(url, project, options)
    if scheme == LOCAL:
        plain = url.removeprefix("file://")
        path = os.path.normpath(os.path.join(cwd, os.path.expanduser(plain)))
        folder, name = os.path.split(path)
        transport = open_readable(RemoteConfig("", folder, options))
        return Origin(url, transport, name, path)
    root, key = _split(url)
    protected = frozenset(options) if trusted else frozenset[str]()
    return Origin(url, open_readable(RemoteConfig("", root, options, protected)), key)


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
    transport = open_readable(
        RemoteConfig(config.name, config.url, merged, config.protected, values=config.values)
    )
    return Origin(url, transport, key, versions={} if is_aware(merged) else None)


def _split(url: str) -> tuple[str, str]:
    """(root, key) of a URL: what a transport is opened with has a host, or a bucket, at least."""
    scheme, _, rest = url.partition("://")
    query = ""
    if scheme.lower() in ("http", "https"):
        rest, mark, query = rest.partition("#")[0].partition("?")
        query = mark + query
    host, _, path = rest.strip("/").partition("/")
    folder, _, name = path.rstrip("/").rpartition("/")
    root = f"{scheme}://{host}"
    return (f"{root}/{folder}" if folder else root), name + query
