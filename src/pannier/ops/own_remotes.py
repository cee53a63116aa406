"""Remotes of kinds that DVC does not know: kept in our own settings files, never in DVC's.

DVC refuses every command over a URL of a kind that it does not know, so such a remote would lock
out whoever uses DVC in the same project (docs/decisions/0007-own-settings-beside.md).
"""

from __future__ import annotations

from pannier.core.errors import ConfigError
from pannier.formats import config_schema as schema
from pannier.formats.settings import REMOTE, Value, remotes_of
from pannier.ops import settings_edit
from pannier.ops.own_settings import set_own, unset_own
from pannier.project.config_files import LEVELS, LOCAL, REPO, read_own
from pannier.project.config_write import Place, refuse_for_committed
from pannier.project.settings import load_settings
from pannier.store.schemes import check_kind


def is_own(place: Place, name: str) -> bool:
    """True when our own files have a remote of this name, at any level."""
    return name in load_settings(place.dvc_dir, check=False).own_remotes()


def add_own_remote(place: Place, name: str, url: str, *, default: bool, force: bool) -> None:
    """Raises ConfigError for a name that is taken, and a kind of URL that nobody knows."""
    if name in _at(place) and not force:
        raise ConfigError(f"remote '{name}' already exists. Use `-f|--force` to overwrite it.")
    if name in settings_edit.known_remotes(place):
        raise ConfigError(
            f"remote '{name}' exists already in DVC's settings", hint=f"dvc remote remove {name}"
        )
    refuse_for_committed(place, (REMOTE, name, "url"), url, force=force, adding=True)
    check_kind(url, name)
    for option in _at(place).get(name, {}):
        unset_own(place, f"{REMOTE}.{name}.{option}")
    set_own(place, f"{REMOTE}.{name}.url", url)
    if default:
        settings_edit.set_option(place, ("core", "remote"), name)


def modify_own_remote(
    place: Place, name: str, option: str, value: str | None, *, unset: bool, force: bool = False
) -> None:
    """Sets or unsets an option. What is committed names the place and nothing else.

    Raises ConfigError.
    """
    key = f"{REMOTE}.{name}.{option}"
    if unset:
        if option in _at(place).get(name, {}):
            unset_own(place, key)
        return
    if place.level == REPO and option not in schema.HARMLESS:
        raise ConfigError(
            f"'{option}' may be a secret or name a file, so it belongs into your own settings",
            hint=f"dvc remote modify --local {name} {option} <value>",
        )
    if value is None:
        raise ConfigError(f"'{option}' of remote '{name}' needs a value")
    refuse_for_committed(place, (REMOTE, name, option), value, force=force)
    if option == "url":
        check_kind(value, name)
    set_own(place, key, value)


def remove_own_remote(place: Place, name: str) -> None:
    """Removes it, from this level and those above it; where it was the default, none is."""
    for at, options in _held(place, name):
        for option in options:
            unset_own(at, f"{REMOTE}.{name}.{option}")
    settings_edit.follow_default(place, name, None)


def rename_own_remote(place: Place, name: str, new: str) -> None:
    """Renames it, in this level and those above it; a default that meant it follows."""
    held = _held(place, name)
    if new == name:
        return
    if new in settings_edit.known_remotes(place) or is_own(place, new):
        raise ConfigError(f"Rename failed. Remote name '{new}' already exists.")
    for at, options in held:
        for option, value in options.items():
            set_own(at, f"{REMOTE}.{new}.{option}", value)
        for option in options:
            unset_own(at, f"{REMOTE}.{name}.{option}")
    settings_edit.follow_default(place, name, new)


def set_own_default(place: Place, name: str) -> None:
    settings_edit.set_option(place, ("core", "remote"), name)


def _at(place: Place) -> dict[str, dict[str, Value]]:
    """The remotes of our own file of one level."""
    return remotes_of(read_own(place.level, place.dvc_dir))


def _held(place: Place, name: str) -> list[tuple[Place, dict[str, Value]]]:
    """The levels from this one upwards that have options of a remote, this one among them."""
    if name not in _at(place):
        raise ConfigError(f"remote '{name}' doesn't exist.")
    above = LEVELS[LEVELS.index(place.level) :]
    places = [
        Place(level, place.dvc_dir, place.cwd)
        for level in above
        if level not in (REPO, LOCAL) or place.dvc_dir is not None
    ]
    return [(at, _at(at)[name]) for at in places if name in _at(at)]
