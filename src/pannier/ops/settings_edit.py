"""Changing settings: options and remotes in one level of DVC's config, and our own settings.

A change that would leave the configuration invalid is not written at all. Comments and order of
the file stay (pannier.formats.config.edit).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from pannier.core.errors import ConfigError
from pannier.disk import fsio
from pannier.formats import config_schema as schema
from pannier.formats.config import Tree, dump, head, parse
from pannier.formats.config_edit import edit, has_comments
from pannier.formats.settings import edit_settings, parse_value
from pannier.git.repo import GitRepo
from pannier.project.settings import (
    GLOBAL,
    LEVELS,
    LOCAL,
    REPO,
    absolute,
    level_path,
    load_settings,
    merge,
    own_path,
    path_sections,
    read_text,
)

Change = Callable[[Tree], dict[str, str]]
"""Changes a tree in place; returns the heads of sections that it renamed, old to new."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where settings are changed: one level of a project, or of the user or the machine.

    dvc_dir: the project's `.dvc`, None outside of one. cwd: what relative paths start from.
    """

    level: str
    dvc_dir: str | None
    cwd: str

    @property
    def path(self) -> str:
        return level_path(self.level, self.dvc_dir)

    @property
    def folder(self) -> str:
        return os.path.dirname(self.path)


# -- options -------------------------------------------------------------------------------------


def set_option(place: Place, key: tuple[str, ...], value: str) -> None:
    """Sets `("core", "remote")` or `("remote", "store", "url")`."""

    def change(tree: Tree) -> dict[str, str]:
        section = tree
        for name in key[:-1]:
            section = section.setdefault(name, {})
            if not isinstance(section, dict):
                raise ConfigError(f"expected a dictionary for dictionary value @ data[{name!r}]")
        is_path = key == ("cache", "dir") or (key[0] == "remote" and key[-1] in schema.PATHS)
        section[key[-1]] = _as_stored(value, place) if is_path and value is not None else value
        return {}

    _write(place, change)


def unset_option(place: Place, key: tuple[str, ...]) -> None:
    def change(tree: Tree) -> dict[str, str]:
        section = section_of(tree, key)
        if key[-1] not in section:
            raise no_option(key)
        del section[key[-1]]
        return {}

    _write(place, change)


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


def _as_stored(value: str, place: Place) -> str:
    """A path as the file has it: relative to the file's folder, unless it is absolute or `~`."""
    if schema.scheme_of(value) or os.path.isabs(os.path.expanduser(value)):
        return value
    return os.path.relpath(os.path.join(place.cwd, value), place.folder)


# -- remotes -------------------------------------------------------------------------------------


def add_remote(place: Place, name: str, url: str, *, default: bool, force: bool) -> None:
    def change(tree: Tree) -> dict[str, str]:
        remotes = tree.setdefault("remote", {})
        if name in remotes and not force:
            raise ConfigError(f"remote '{name}' already exists. Use `-f|--force` to overwrite it.")
        remotes[name] = {"url": _as_stored(url, place)}
        if default:
            tree.setdefault("core", {})["remote"] = name
        return {}

    _write(place, change)


def modify_remote(place: Place, name: str, option: str, value: str | None, unset: bool) -> None:
    """Sets one option of a remote that is known at this level, or below it; or unsets it."""
    known = _known_remotes(place)

    def change(tree: Tree) -> dict[str, str]:
        if name not in known:
            raise _no_remote(name)
        section = tree.setdefault("remote", {}).setdefault(name, {})
        if unset:
            section.pop(option, None)
        elif value is None and option == "url":
            raise ConfigError(
                f"expected str for dictionary value @ data['remote'][{name!r}]['url']"
            )
        else:
            is_path = option in schema.PATHS and value is not None
            section[option] = _as_stored(str(value), place) if is_path else value
        return {}

    _write(place, change)


def remove_remote(place: Place, name: str) -> None:
    """Removes a remote from one level; where it was the default from there upwards, none is."""

    def change(tree: Tree) -> dict[str, str]:
        if name not in tree.get("remote", {}):
            raise _no_remote(name)
        del tree["remote"][name]
        return {}

    _write(place, change)
    _follow_default(place, name, None)


def rename_remote(place: Place, name: str, new: str) -> None:
    """Renames a remote in one level; a default that meant it follows, from there upwards."""
    known = _known_remotes(place)

    def change(tree: Tree) -> dict[str, str]:
        if new in known and new != name:
            raise ConfigError(f"Rename failed. Remote name '{new}' already exists.")
        if name not in tree.get("remote", {}):
            raise _no_remote(name)
        tree["remote"][new] = tree["remote"].pop(name)
        return {head("remote", name): head("remote", new)}

    _write(place, change)
    _follow_default(place, name, new)


def set_default(place: Place, name: str) -> None:
    if name not in _known_remotes(place):
        raise ConfigError("default remote must be present in remote list.")
    set_option(place, ("core", "remote"), name)


def unset_default(place: Place) -> None:
    """No error when there is none."""

    def change(tree: Tree) -> dict[str, str]:
        if isinstance(tree.get("core"), dict):
            tree["core"].pop("remote", None)
        return {}

    _write(place, change)


def _follow_default(place: Place, name: str, new: str | None) -> None:
    """A default that means a remote follows it, in its own level and those above.

    DVC leaves an empty `.dvc/config.local` behind here, and so do we.
    """

    def change(tree: Tree) -> dict[str, str]:
        core = tree.get("core")
        if isinstance(core, dict) and str(core.get("remote", "")).lower() == name:
            if new is None:
                del core["remote"]
            else:
                core["remote"] = new
        return {}

    for level in LEVELS[LEVELS.index(place.level) :]:
        if level not in (REPO, LOCAL) or place.dvc_dir is not None:
            _write(Place(level, place.dvc_dir, place.cwd), change, only_if_changed=True)


def _known_remotes(place: Place) -> set[str]:
    """Remotes that a level can speak of: its own and those of the levels below it."""
    settings = load_settings(place.dvc_dir, check=False)
    below = LEVELS[: LEVELS.index(place.level) + 1]
    trees = [level.tree for level in settings.levels if level.name in below]
    return set(merge(trees).get("remote", {}))


def _no_remote(name: str) -> ConfigError:
    return ConfigError(f"remote '{name}' doesn't exist.")


# -- secrets -------------------------------------------------------------------------------------


def is_secret(option: str, value: str | None) -> bool:
    """True for a value that should not lie in a file that others read."""
    if value is None:
        return False
    if option == "url":
        userinfo, at, _ = value.partition("://")[2].partition("/")[0].rpartition("@")
        return bool(at) and ":" in userinfo
    return option in schema.SECRETS


def _holds_secrets(tree: Tree) -> bool:
    for kind in ("remote", "db", "studio"):
        sections = tree.get(kind)
        if not isinstance(sections, dict):
            continue
        for section in [sections, *sections.values()]:
            if isinstance(section, dict) and any(
                is_secret(option, value)
                for option, value in section.items()
                if isinstance(value, str)
            ):
                return True
    return False


# -- writing -------------------------------------------------------------------------------------


def _write(place: Place, change: Change, *, only_if_changed: bool = False) -> None:
    """Changes one level's file. Commit point: its replacement; before it nothing is visible.

    A file without comments takes DVC's layout even when nothing changed, as with DVC.
    """
    path = place.path
    text = read_text(path)
    tree = parse(text)
    renamed = change(tree)
    fault = _fault_after(place, tree)
    if only_if_changed and tree == parse(text):
        changed = text or dump(tree)
    elif not has_comments(text):
        _normalise(tree, place.folder)
        changed = dump(tree)
    else:
        changed = edit(text, tree, renamed)
    if changed != text or not os.path.exists(path):
        _replace(place, path, changed, _holds_secrets(tree))
    if fault is not None:
        raise fault


def _fault_after(place: Place, tree: Tree) -> ConfigError | None:
    """Raises what a change would break; returns a fault that was there before and still is."""
    settings = load_settings(place.dvc_dir, check=False)
    before = _fault(settings.merged)
    after = _fault(
        merge(
            [
                _resolved(tree, place.folder) if level.name == place.level else level.tree
                for level in settings.levels
            ]
        )
    )
    if after is not None and (before is None or str(before) != str(after)):
        raise after
    return after


def _fault(tree: Tree) -> ConfigError | None:
    try:
        schema.validate(tree)
    except ConfigError as error:
        return error
    return None


def _resolved(tree: Tree, folder: str) -> Tree:
    copied = merge([tree])
    for section, options in path_sections(copied):
        for option in section.keys() & options:
            if isinstance(section[option], str):
                section[option] = absolute(section[option], folder)
    return copied


def _normalise(tree: Tree, folder: str) -> None:
    """Relative paths as DVC rewrites them: `./x//y/` becomes `x/y`."""
    for section, options in path_sections(tree):
        for option in section.keys() & options:
            value = section[option]
            if isinstance(value, str) and not (
                schema.scheme_of(value) or os.path.isabs(os.path.expanduser(value))
            ):
                section[option] = os.path.relpath(absolute(value, folder), folder)


def _replace(place: Place, path: str, text: str, secret: bool) -> None:
    """secret: the file is for its owner's eyes only, where it is the owner's."""
    fsio.set_policy(_policy(place))
    scratch = None
    if place.level in (REPO, LOCAL):
        scratch = f"{place.dvc_dir}/tmp/pannier"
        fsio.make_dirs(scratch)
    else:
        fsio.make_dirs(os.path.dirname(path))
    mode = 0o600 if secret and place.level in (LOCAL, GLOBAL) else None
    fsio.write_atomic(path, text.encode("utf-8"), mode=mode, scratch=scratch)


def _policy(place: Place) -> str:
    """How durable to write: `pannier.fsync`, also while that very setting is being mended."""
    try:
        return load_settings(place.dvc_dir, check=False).own("fsync", "batch")
    except ConfigError:
        return "batch"


# -- our own settings ----------------------------------------------------------------------------


def set_own(place: Place, key: str, text: str) -> None:
    """Sets `pannier.<key>` at a level."""
    _write_own(place, key, text)


def unset_own(place: Place, key: str) -> None:
    _write_own(place, key, None)


def _write_own(place: Place, key: str, text: str | None) -> None:
    path = own_path(place.level, place.dvc_dir)
    before = read_text(path)
    value = None if text is None else parse_value(key, text)
    after = edit_settings(before, key, value)
    if after == before:
        if text is None:
            raise ConfigError(f"option '{key}' doesn't exist in section 'pannier'")
        return
    if place.level == LOCAL:
        _hide_from_git(path, str(place.dvc_dir))
    _replace(place, path, after, False)


def _hide_from_git(path: str, dvc_dir: str) -> None:
    """Makes Git ignore a local file of ours without a change to a file that others see.

    `.dvc/.gitignore` is DVC's and has exactly three lines.
    """
    git = GitRepo.find(os.path.dirname(dvc_dir))
    if git is None or git.is_ignored(path):
        return
    exclude = git.info_exclude_path()
    text = read_text(exclude)
    line = "/" + os.path.relpath(os.path.realpath(path), git.root).replace(os.sep, "/")
    joint = "" if not text or text.endswith("\n") else "\n"
    fsio.make_dirs(os.path.dirname(exclude))
    fsio.write_atomic(exclude, f"{text}{joint}{line}\n".encode())
