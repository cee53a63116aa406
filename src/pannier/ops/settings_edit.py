"""Changing DVC's config: options, and remotes with what refers to them."""

from __future__ import annotations

from pannier.core.errors import ConfigError
from pannier.formats import config_schema as schema
from pannier.formats.config import Tree, head
from pannier.project.config_files import LEVELS, LOCAL, REPO, merge
from pannier.project.config_write import Place, as_stored, change_level, refuse_for_committed
from pannier.project.settings import load_settings

# -- options -------------------------------------------------------------------------------------


def set_option(place: Place, key: tuple[str, ...], value: str, *, force: bool = False) -> None:
    """Sets `("core", "remote")` or `("remote", "store", "url")`.

    force: also a secret in the file that is committed; else that raises ConfigError.
    """
    refuse_for_committed(place, key, value, force=force)

    def change(tree: Tree) -> dict[str, str]:
        section = tree
        for name in key[:-1]:
            section = section.setdefault(name, {})
            if not isinstance(section, dict):
                raise ConfigError(f"expected a dictionary for dictionary value @ data[{name!r}]")
        is_path = key == ("cache", "dir") or (key[0] == "remote" and key[-1] in schema.PATHS)
        section[key[-1]] = as_stored(value, place) if is_path else value
        return {}

    change_level(place, change)


def unset_option(place: Place, key: tuple[str, ...]) -> None:
    def change(tree: Tree) -> dict[str, str]:
        section = section_of(tree, key)
        if key[-1] not in section:
            raise no_option(key)
        del section[key[-1]]
        return {}

    change_level(place, change)


def section_of(tree: Tree, key: tuple[str, ...]) -> Tree:
    """The section that holds a key's option. Raises ConfigError, in DVC's words."""
    section = tree
    for depth, name in enumerate(key[:-1]):
        below = section.get(name)
        if not isinstance(below, dict):
            kind = key[0] if depth == 1 or len(key) == 3 else "section"
            raise ConfigError(f"{kind} '{key[len(key) - 2]}' doesn't exist")
        section = below
    return section


def no_option(key: tuple[str, ...]) -> ConfigError:
    where = f"{key[0]} '{key[1]}'" if len(key) == 3 else f"section '{key[0]}'"
    return ConfigError(f"option '{key[-1]}' doesn't exist in {where}")


# -- remotes -------------------------------------------------------------------------------------


def add_remote(place: Place, name: str, url: str, *, default: bool, force: bool) -> None:
    refuse_for_committed(place, ("remote", name, "url"), url, force=force, adding=True)

    def change(tree: Tree) -> dict[str, str]:
        remotes = tree.setdefault("remote", {})
        if name in remotes and not force:
            raise ConfigError(f"remote '{name}' already exists. Use `-f|--force` to overwrite it.")
        remotes[name] = {"url": as_stored(url, place)}
        if default:
            tree.setdefault("core", {})["remote"] = name
        return {}

    change_level(place, change)


def modify_remote(
    place: Place, name: str, option: str, value: str | None, *, unset: bool, force: bool = False
) -> None:
    """Sets one option of a remote that is known at this level, or below it; or unsets it."""
    if value is not None and not unset:
        refuse_for_committed(place, ("remote", name, option.lower()), value, force=force)
    known = known_remotes(place)

    def change(tree: Tree) -> dict[str, str]:
        if name not in known:
            raise _no_remote(name)
        section = tree.setdefault("remote", {}).setdefault(name, {})
        if unset:
            section.pop(option, None)
        elif option != option.lower():  # reading would make it one with the lower-case option
            raise ConfigError(f"extra keys not allowed @ data['remote'][{name!r}][{option!r}]")
        elif value is None and option == "url":
            raise ConfigError(
                f"expected str for dictionary value @ data['remote'][{name!r}]['url']"
            )
        else:
            is_path = option in schema.PATHS and value is not None
            section[option] = as_stored(str(value), place) if is_path else value
        return {}

    change_level(place, change)


def remove_remote(place: Place, name: str) -> None:
    """Removes a remote from one level; where it was the default from there upwards, none is."""
    begun = _leads_nowhere(place, name)

    def change(tree: Tree) -> dict[str, str]:
        if name in tree.get("remote", {}):
            del tree["remote"][name]
        elif not begun:
            raise _no_remote(name)
        _follow(tree, name, None)
        return {}

    change_level(place, change)
    follow_default(place, name, None)


def rename_remote(place: Place, name: str, new: str) -> None:
    """Renames a remote in one level; a default that meant it follows, from there upwards."""
    known, begun = known_remotes(place), _leads_nowhere(place, name)

    def change(tree: Tree) -> dict[str, str]:
        if begun and new in tree.get("remote", {}):
            return {}
        if new in known and new != name:
            raise ConfigError(f"Rename failed. Remote name '{new}' already exists.")
        if name not in tree.get("remote", {}):
            raise _no_remote(name)
        tree["remote"][new] = tree["remote"].pop(name)
        _follow(tree, name, new)
        return {head("remote", name): head("remote", new)}

    change_level(place, change)
    follow_default(place, name, new)


def set_default(place: Place, name: str) -> None:
    if name not in known_remotes(place):
        raise ConfigError("default remote must be present in remote list.")
    set_option(place, ("core", "remote"), name)


def unset_default(place: Place) -> None:
    """No error when there is none."""

    def change(tree: Tree) -> dict[str, str]:
        if isinstance(tree.get("core"), dict):
            tree["core"].pop("remote", None)
        return {}

    change_level(place, change)


def follow_default(place: Place, name: str, new: str | None) -> None:
    """A default that means a remote follows it, in its own level and those above.

    DVC leaves an empty `.dvc/config.local` behind here, and so do we.
    """

    def change(tree: Tree) -> dict[str, str]:
        _follow(tree, name, new)
        return {}

    for level in LEVELS[LEVELS.index(place.level) :]:
        if level not in (REPO, LOCAL) or place.dvc_dir is not None:
            change_level(Place(level, place.dvc_dir, place.cwd), change, only_if_changed=True)


def _follow(tree: Tree, name: str, new: str | None) -> None:
    """In one file, so that a kill finds remote and default as they were, or as they are to be."""
    if _means(tree, name):
        if new is None:
            del tree["core"]["remote"]
        else:
            tree["core"]["remote"] = new


def _means(tree: Tree, name: str) -> bool:
    core = tree.get("core")
    return isinstance(core, dict) and str(core.get("remote", "")).lower() == name


def _leads_nowhere(place: Place, name: str) -> bool:
    """True when a level has a default that no level has: a run of ours was killed between two
    files, and the same command again is to do the rest."""
    settings = load_settings(place.dvc_dir, check=False)
    known = merge([level.tree for level in settings.levels]).get("remote", {})
    return name not in known and any(_means(level.tree, name) for level in settings.levels)


def known_remotes(place: Place) -> set[str]:
    """Remotes that a level can speak of: its own and those of the levels below it."""
    settings = load_settings(place.dvc_dir, check=False)
    below = LEVELS[: LEVELS.index(place.level) + 1]
    trees = [level.tree for level in settings.levels if level.name in below]
    return set(merge(trees).get("remote", {}))


def _no_remote(name: str) -> ConfigError:
    return ConfigError(f"remote '{name}' doesn't exist.")
