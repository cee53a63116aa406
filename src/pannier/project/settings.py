"""Settings: what the four levels of DVC's config and our own settings files say together.

What could run a program or names a credential file counts only from the user's own levels, never
from the committed one: docs/decisions/0003-protected-configuration.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from pannier.core.errors import ConfigError, NoRemote, UnknownRemote
from pannier.core.record import dataclass, field
from pannier.formats import config_schema as schema
from pannier.formats.config import Tree
from pannier.formats.references import command_of, expand, from_environment, starts_with_variable
from pannier.formats.settings import Value, executors_of
from pannier.project.committed import is_committed
from pannier.project.config_files import (
    GLOBAL,
    LEVELS,
    LOCAL,
    REPO,
    SYSTEM,
    Level,
    absolute,
    as_text,
    merge,
    own_remote_levels,
    read_level,
    read_own,
)
from pannier.store.remote_config import RemoteConfig

_UNCOMMIT = "; and take the file out of Git: git rm --cached .dvc/config.local"
_CHAIN = 20
"""Remotes that lead on to each other by `remote://`."""


def own_cache() -> str:
    """Our folder in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return f"{base}/pannier"


def load_settings(dvc_dir: str | None, *, check: bool = True) -> Settings:
    """Reads all levels. dvc_dir: the project's `.dvc`, None outside of one.

    check: refuse what DVC's schema refuses; without it, settings can be shown and mended.
    """
    levels = [
        read_level(name, dvc_dir) for name in (LEVELS if dvc_dir is not None else (SYSTEM, GLOBAL))
    ]
    settings = Settings(levels, dvc_dir)
    if check:
        settings.warnings += schema.validate(settings.merged)
        settings.check_cache_dir()
    return settings


# -- asking --------------------------------------------------------------------------------------


@dataclass(slots=True)
class Settings:
    """All settings of one project (or of none). Keys: `core.remote`, `remote.<name>.<option>`.

    levels: lowest first. warnings: sentences that the user should see once.
    """

    levels: list[Level]
    dvc_dir: str | None
    warnings: list[str] = field(default_factory=list)
    merged: Tree = field(init=False)
    _own: dict[str, Value] | None = field(default=None, init=False)
    _own_remotes: list[Level] | None = field(default=None, init=False)
    _committed: dict[str, bool] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.merged = merge([level.tree for level in self.levels])

    def get(self, key: str) -> str | None:
        """A setting's text, None when it is not set. Paths are absolute."""
        found = self._found(key)
        if found is None or isinstance(found[0], dict):
            return None
        text = as_text(found[0])
        return text.lower() if key == "core.remote" else text

    def flag(self, key: str, default: bool = False) -> bool:
        text = self.get(key)
        return default if text is None else text.lower() == "true"

    def integer(self, key: str) -> int | None:
        text = self.get(key)
        return None if text is None else int(text)

    def origin(self, key: str) -> str | None:
        """The file that a setting comes from, as messages name it."""
        found = self._found(key)
        return found[1].shown if found else None

    def _found(self, key: str) -> tuple[object, Level] | None:
        path = split_key(key)
        own_levels_only = ".".join(path) in schema.PROTECTED_ELSEWHERE
        for level in reversed(self.levels):
            here: object = level.tree
            for part in path:
                here = here.get(part) if isinstance(here, dict) else None
            if here is not None and not (own_levels_only and self._is_strangers(level)):
                return here, level
        return None

    def _is_strangers(self, level: Level) -> bool:
        """True for a level that came with the repository: the committed one, and a `config.local`
        that somebody committed as well."""
        if level.name != LOCAL:
            return level.name == REPO
        if level.path not in self._committed:
            self._committed[level.path] = is_committed(level.path)
        return self._committed[level.path]

    # Remotes

    def remote_names(self) -> list[str]:
        remotes = self.merged.get("remote", {})
        names = [name for name in remotes if isinstance(remotes[name], dict)]
        return list(dict.fromkeys([*names, *self.own_remotes()]))

    def own_remotes(self) -> Tree:
        """Remotes that DVC cannot read, as our own files have them: options by name."""
        found: Tree = merge([level.tree for level in self._own_levels()]).get("remote", {})
        return found

    def _own_levels(self) -> list[Level]:
        """What our own files say of remotes, in the shape of DVC's; lowest level first."""
        if self._own_remotes is None:
            self._own_remotes = own_remote_levels(self.levels, self.dvc_dir)
        return self._own_remotes

    def default_remote(self) -> str | None:
        return self.get("core.remote")

    def remote(self, name: str | None = None) -> RemoteConfig:
        """A remote's settings; None means the default one. Raises NoRemote, UnknownRemote.

        `remote://other/path` is resolved: the URL of `other` with the path, and its options under
        the remote's own.
        """
        name = name or self.default_remote()
        if name is None:
            raise NoRemote(os.path.dirname(self.dvc_dir or ""))
        known = self.remote_names()
        options: dict[str, str] = {}
        values: dict[str, Value] = {}
        mine: set[str] = set()
        below, at, seen = "", name.lower(), [name.lower()]
        while True:
            if at not in known:
                raise UnknownRemote(name if at == seen[0] else at, known)
            for option, (text, value, own) in self._options(at).items():
                if option not in options or option == "url":
                    options[option], values[option] = text, value
                    mine = mine | {option} if own else mine - {option}
            url = options.get("url")
            if url is None:
                raise ConfigError(f"expected 'url' for dictionary value @ data['remote'][{at!r}]")
            if schema.scheme_of(url) != "remote":
                break
            at, _, path = url[len("remote://") :].partition("/")
            at, below = at.lower(), f"{path}/{below}".strip("/")
            if at in seen or len(seen) > _CHAIN:
                raise ConfigError(f"remote '{name}' leads back to itself: {' -> '.join(seen)}")
            seen.append(at)
        for kept in (options, values):
            kept.pop("url")
        url = f"{url.rstrip('/')}/{below}" if below else url
        kept_here = frozenset(mine - {"url"})
        # Not in the project: a repository could bring notes, and with them where bytes go.
        notes = f"{own_cache()}/uploads"
        return RemoteConfig(name.lower(), url, options, kept_here, notes, values)

    def _options(self, name: str) -> dict[str, tuple[str, Value, bool]]:
        """A remote's options as text and value, each with whether it comes from the user's own
        levels.

        Variables of the environment are replaced; what a program is to print is left to who opens
        the remote. Raises ConfigError for an option that counts only from the user's own levels and
        is given by the project alone, and for a variable that is not set.
        """
        found: dict[str, tuple[str, Value, bool]] = {}
        refused: dict[str, tuple[str, str]] = {}
        given: dict[str, Level] = {}
        guarded = self._guarded(name)
        for level in [*self.levels, *self._own_levels()]:
            remotes = level.tree.get("remote")
            section = remotes.get(name) if isinstance(remotes, dict) else None
            for option, value in (section or {}).items():
                text, own = as_text(value), level.name != REPO
                if guarded(option, text) and self._is_strangers(level):
                    refused[option] = text, level.shown
                else:
                    kept = value if isinstance(value, int) else text
                    found[option] = text, kept, own
                    given[option] = level
        for option in refused.keys() - found.keys():
            raise ConfigError(
                f"'{option}' of remote '{name}' in {refused[option][1]} runs a program or names a"
                " file of credentials, so it counts only from your own settings",
                hint=f"if you trust it: dvc remote modify --local {name} {option}"
                f" '{refused[option][0]}'"
                + (_UNCOMMIT if refused[option][1].endswith("local") else ""),
            )
        for option, (text, _, own) in found.items():
            if "${" in text:
                text = self._expanded(name, option, text, given[option])
                found[option] = text, text, own
        return found

    def database(self, name: str) -> dict[str, str]:
        """The options of a database connection, variables replaced; {} when there is none.

        Raises ConfigError for a variable that is not set, and a program that is not the user's.
        """
        found: dict[str, tuple[str, Level]] = {}
        for level in self.levels:
            section = level.tree.get("db", {})
            section = section.get(name) if isinstance(section, dict) else None
            for option, value in section.items() if isinstance(section, dict) else ():
                text = as_text(value)
                if schema.is_protected(option, text) and self._is_strangers(level):
                    raise ConfigError(
                        f"'{option}' of connection '{name}' in {level.shown} runs a program, so it"
                        " counts only from your own settings",
                        hint=f"if you trust it: dvc config --local db.{name}.{option} '{text}'",
                    )
                found[option] = text, level
        return {
            option: self._expanded(name, option, text, level, "connection")
            for option, (text, level) in found.items()
        }

    def _expanded(
        self, name: str, option: str, text: str, level: Level, kind: str = "remote"
    ) -> str:
        if "${" not in text:
            return text
        where = f"{kind} '{name}' in {level.shown}"
        value = from_environment(text, os.environ, option, where, self._is_strangers(level))
        if option in schema.PATHS and starts_with_variable(text):
            value = absolute(value, os.path.dirname(level.path))
        return value

    def _guarded(self, name: str) -> Callable[[str, str], bool]:
        """What tells the options of a remote that count only from the user's own levels.

        Of a kind that DVC does not know we do not know what its options do: all count only from
        there. Raises ConfigError for a remote that has a URL in DVC's files and in ours.
        """
        own = self.own_remotes().get(name, {})
        if "url" in own and "url" in (self.merged.get("remote", {}).get(name) or {}):
            raise ConfigError(
                f"remote '{name}' has one URL in DVC's settings and another in ours",
                hint=f"dvc config --unset pannier.remote.{name}.url",
            )
        if "url" in own and schema.is_foreign(str(own["url"])):
            return lambda option, text: option not in schema.HARMLESS
        return schema.is_protected

    def secret_values(self) -> set[str]:
        """Values that must not be shown."""
        found: set[str] = set()
        for sections in self.own_remotes().values():
            secret = {_known(v) for option, v in sections.items() if schema.sounds_secret(option)}
            found |= secret | _secrets_of(sections)
        for level in self.levels:
            for kind in ("remote", "db", "studio"):
                sections = level.tree.get(kind)
                if not isinstance(sections, dict):
                    continue
                for section in [sections, *sections.values()]:
                    if isinstance(section, dict):
                        found |= _secrets_of(section)
        return found - {""}

    # The cache

    def check_cache_dir(self) -> None:
        """Refuses a committed `cache.dir` outside of the project that the user knows nothing of.

        Teams share a cache that way, so a folder that is there already is taken; one that is not
        is made only where the user could have made it: below a folder of the user's own.
        """
        found = self._found("cache.dir")
        if found is None or self.dvc_dir is None or found[1].name not in (REPO, LOCAL):
            return
        path = as_text(found[0])
        root = os.path.realpath(os.path.dirname(self.dvc_dir))
        real = os.path.realpath(path)
        if schema.scheme_of(path) or real.startswith(root + "/") or os.path.isdir(real):
            return
        if not self._is_strangers(found[1]):
            return
        above = os.path.dirname(real)
        while not os.path.isdir(above):
            above = os.path.dirname(above)
        if hasattr(os, "getuid") and os.stat(above).st_uid != os.getuid():
            raise ConfigError(
                f"the cache of {found[1].shown}, '{path}', lies outside of the project and is not"
                " there",
                hint=f"if you trust it, make the folder, or: dvc cache dir --local '{path}'",
            )

    # Our own settings

    def own(self, key: str, default: str = "") -> str:
        """One of our own settings, as `pannier.<key>`."""
        value = self.own_settings().get(key)
        return default if value is None else str(value)

    def own_integer(self, key: str) -> int | None:
        value = self.own_settings().get(key)
        return value if isinstance(value, int) else None

    def executors(self) -> Tree:
        """Places that run stages, as our own files have them: options by name."""
        return dict(executors_of(self.own_settings()))

    def own_settings(self) -> dict[str, Value]:
        if self._own is None:
            self._own = {}
            for level in self.levels:
                self._own |= read_own(level.name, self.dvc_dir)
        return self._own


def _secrets_of(section: Tree) -> set[str]:
    """The secret values of one section; with the user's name, as a header would have them; and
    URLs that hold a password."""
    secrets = {_known(section[option]) for option in section.keys() & schema.SECRETS}
    user = section.get("user") or section.get("username")
    pairs = {f"{user}:{secret}" for secret in secrets} if isinstance(user, str) else set()
    urls = {_known(section[option]) for option in section.keys() & schema.URLS}
    return secrets | pairs | {url for url in urls if _holds_password(url)}


def _known(value: object) -> str:
    """A value as far as it is known: variables that are not set are nothing. Of a program's line,
    which may be shown, nothing is a secret."""
    text = as_text(value)
    return "" if command_of(text) else expand(text, lambda name: os.environ.get(name, ""))


def _holds_password(url: str) -> bool:
    """True for `user:password@`, and for what may be a token before the host of a web address."""
    scheme, _, rest = url.partition("://")
    userinfo, at, _ = rest.partition("/")[0].rpartition("@")
    return bool(at) and (":" in userinfo or scheme.startswith(("http", "webdav")))


def split_key(key: str) -> tuple[str, ...]:
    """The path of a key in a tree: `remote.my.store.url` is ("remote", "my.store", "url")."""
    section, _, rest = key.lower().partition(".")
    if section in ("remote", "db", "machine") and "." in rest:
        name, _, option = rest.rpartition(".")
        return section, name, option
    return (section, rest) if rest else (section,)
