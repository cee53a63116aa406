"""What the settings of several kinds of remotes have in common, read and checked."""

from __future__ import annotations

import os

from pannier.core.errors import ConfigError
from pannier.store.remote_config import RemoteConfig


def protected_path(config: RemoteConfig, option: str) -> str | None:
    """A file that a cloned repository must not name (docs/durability.md, S5)."""
    value = protected(config, option, "names a file outside the project")
    return None if value is None else os.path.expanduser(value)


def protected(config: RemoteConfig, option: str, what_it_does: str) -> str | None:
    """An option that counts only from the user's own levels of the configuration."""
    value = config.get(option)
    if value is not None and option not in config.protected:
        raise ConfigError(
            f"the option '{option}' of remote '{config.name}' {what_it_does}, "
            "so it counts only in your own configuration",
            hint=f"if you trust it: 'dvc remote modify --local {config.name} {option} {value}'",
        )
    return value


def verify_of(config: RemoteConfig) -> bool | str | None:
    """`ssl_verify`: a switch, the path of a file with certificates to trust, or not said."""
    value = config.get("ssl_verify")
    if value is None:
        return None
    word = str(value).strip().lower()
    return word == "true" if word in ("true", "false") else protected_path(config, "ssl_verify")


def seconds(config: RemoteConfig, option: str, default: int) -> int:
    value = config.get(option)
    if value is None:
        return default
    try:
        found = int(value)
    except ValueError:
        found = 0
    if found <= 0:
        raise ConfigError(f"'{option}' must be a whole number of seconds, it is '{value}'")
    return found
