"""Whether a config file holds a secret, for those who would keep a copy of it."""

from __future__ import annotations

from collections.abc import Iterator

from pannier.core.errors import ConfigError
from pannier.core.pattern import pattern
from pannier.core.typed import Any
from pannier.formats.config import parse
from pannier.formats.config_schema import HARMLESS, SCHEMES, SECRETS, sounds_secret, validate
from pannier.formats.settings import executors_of, parse_settings, remotes_of

_IN_QUERY = pattern(
    r"(?i)[?&;](?:x-amz-(?:signature|security-token)|x-goog-signature|sig|signature"
    r"|[\w-]*(?:token|password|secret)|[\w-]*api-?_?key)=[^&;]"
)


def holds_secret(url: str) -> bool:
    """True for a URL with a password before its host, or a key or signature behind its `?`."""
    user, at, _ = url.partition("://")[2].partition("/")[0].rpartition("@")
    return (bool(at) and ":" in user) or bool(_IN_QUERY.search(url))


def surely_holds_no_secret(data: bytes) -> bool:
    """True for a valid file of known options, none of them secret, no URL with more than a place.

    In doubt false: a value that is not understood may be a password in the wrong line.
    """
    try:
        tree = parse(data.decode("utf-8"))
        remotes = tree.get("remote", {})
        if not isinstance(remotes, dict):
            return False
        if validate({**tree, "remote": {n: s for n, s in remotes.items() if "url" in s}}):
            return False
        if not all("url" in section or _is_part(section) for section in remotes.values()):
            return False
    except (UnicodeDecodeError, ConfigError):
        return False
    return not any(
        option in SECRETS or "@" in value or "?" in value for option, value in _leaves(tree)
    )


def own_surely_holds_no_secret(data: bytes) -> bool:
    """The same for one of our own settings files: its remotes have a URL and what is harmless."""
    try:
        settings = parse_settings(data.decode("utf-8"))
    except (UnicodeDecodeError, ConfigError):
        return False
    for table in (*remotes_of(settings).values(), *executors_of(settings).values()):
        if any(sounds_secret(option) for option in table):
            return False
    for remote in remotes_of(settings).values():
        url = str(remote.get("url", ""))
        if remote.keys() - HARMLESS or "@" in url or "?" in url:
            return False
    return True


def _is_part(remote: object) -> bool:
    """True for known options of a remote whose URL stands in a file of another level."""
    if not isinstance(remote, dict):
        return False
    for scheme in SCHEMES:
        try:
            validate({"remote": {"": {**remote, "url": f"{scheme}://host" if scheme else "/"}}})
        except ConfigError:
            continue
        return True
    return False


def _leaves(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value)
        else:
            yield name.lower(), str(value)
