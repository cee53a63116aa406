"""Whether a config file holds a secret, for those who would keep a copy of it."""

from __future__ import annotations

from collections.abc import Iterator

from pannier.core.errors import ConfigError
from pannier.core.typed import Any
from pannier.formats.config import parse
from pannier.formats.config_schema import SCHEMES, SECRETS, validate


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
