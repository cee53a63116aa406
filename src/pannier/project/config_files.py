"""The config files of the four levels: where they are, and each one read by itself.

Levels, later ones win: system, global, repo (`.dvc/config`, committed), local
(`.dvc/config.local`). Our own settings files lie beside: docs/formats.md, section 13.
"""

from __future__ import annotations

import os
import sys

from pannier.core.errors import ConfigError, NotInProject
from pannier.core.record import dataclass
from pannier.disk.reading import read_small
from pannier.formats import config_schema as schema
from pannier.formats.config import Tree, parse
from pannier.formats.references import starts_with_variable
from pannier.formats.settings import Value, parse_settings, remotes_of

SYSTEM, GLOBAL, REPO, LOCAL = "system", "global", "repo", "local"
LEVELS = (SYSTEM, GLOBAL, REPO, LOCAL)


@dataclass(frozen=True, slots=True)
class Level:
    """One config file. tree: with paths made absolute; {} when there is no file.

    shown: the path as messages name it, relative to the project where it lies in one.
    """

    name: str
    path: str
    shown: str
    tree: Tree


def find_root(start: str) -> str:
    """The directory at or above start that holds a `.dvc` directory. Raises NotInProject.

    Stops at a mount point, as DVC does.
    """
    path = os.path.realpath(start)
    while not os.path.isdir(f"{path}/.dvc"):
        if os.path.ismount(path):
            raise NotInProject(path)
        path = os.path.dirname(path)
    return path


def dvc_dir_of(start: str) -> str | None:
    """The `.dvc` of the project that start lies in, None outside of any."""
    try:
        return f"{find_root(start)}/.dvc"
    except NotInProject:
        return None


# -- where the files are -------------------------------------------------------------------------


def level_path(level: str, dvc_dir: str | None) -> str:
    """The config file of a level. Raises ConfigError for a level of a project outside of one."""
    if level in (REPO, LOCAL):
        if dvc_dir is None:
            raise ConfigError("Not inside a DVC repo")
        return f"{dvc_dir}/config" if level == REPO else f"{dvc_dir}/config.local"
    return f"{config_dir(level)}/config"


def own_path(level: str, dvc_dir: str | None) -> str:
    """Our own settings file of a level."""
    if level in (REPO, LOCAL):
        if dvc_dir is None:
            raise ConfigError("Not inside a DVC repo")
        return f"{dvc_dir}/pannier.toml" if level == REPO else f"{dvc_dir}/pannier.local.toml"
    return f"{_base_dir(level)}/pannier/config.toml"


def config_dir(level: str) -> str:
    """DVC's directory of the global or the system level."""
    named = os.environ.get(f"DVC_{level.upper()}_CONFIG_DIR")
    return named or f"{_base_dir(level)}/dvc"


def _base_dir(level: str) -> str:
    """Where programs keep the settings of a user, or of the machine."""
    if level == GLOBAL:
        named = os.environ.get("XDG_CONFIG_HOME", "")
        if named.startswith("/"):
            return named
        mac, linux = "~/Library/Application Support", "~/.config"
        return os.path.expanduser(mac if sys.platform == "darwin" else linux)
    named = os.environ.get("XDG_CONFIG_DIRS", "").split(os.pathsep)[0]
    if named.startswith("/"):
        return named
    return "/Library/Application Support" if sys.platform == "darwin" else "/etc/xdg"


# -- reading -------------------------------------------------------------------------------------


def read_level(name: str, dvc_dir: str | None) -> Level:
    path = level_path(name, dvc_dir)
    return parse_level(name, path, read_text(path))


def parse_level(name: str, path: str, text: str) -> Level:
    """A level out of its text. path: where the text lies, or would: its paths start from there."""
    shown = f".dvc/{path.rpartition('/')[2]}" if name in (REPO, LOCAL) else path
    try:
        tree = parse(text) if text else {}
    except ConfigError as error:
        error.hint = f"mend the file '{path}'"
        raise
    _each_path(tree, os.path.dirname(path))
    return Level(name, path, shown, tree)


def read_text(path: str) -> str:
    """A config file's text, "" when there is none."""
    try:
        data = read_small(path)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError(f"cannot read '{path}': {error.strerror}") from None
    try:
        return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{error}", hint=f"mend the file '{path}'") from None


def _each_path(tree: Tree, folder: str) -> None:
    """Makes the paths in a tree absolute; they are relative to the folder of their file."""
    for section, options in path_sections(tree):
        for option in section.keys() & options:
            if isinstance(section[option], str):
                section[option] = absolute(section[option], folder)


def path_sections(tree: Tree) -> list[tuple[Tree, frozenset[str]]]:
    """The sections of a tree that hold paths, and which options of theirs are paths."""
    remotes = tree.get("remote")
    found = [
        (section, schema.PATHS)
        for section in (remotes.values() if isinstance(remotes, dict) else ())
        if isinstance(section, dict)
    ]
    cache = tree.get("cache")
    return [*found, (cache, frozenset({"dir"}))] if isinstance(cache, dict) else found


def absolute(value: str, folder: str) -> str:
    """A path option's value as an absolute path; URLs and absolute paths stay as they are."""
    if schema.scheme_of(value) or starts_with_variable(value):
        return value
    value = os.path.expanduser(value)
    return value if os.path.isabs(value) else os.path.normpath(os.path.join(folder, value))


def merge(levels: list[Tree]) -> Tree:
    merged: Tree = {}
    for tree in levels:
        _merge_into(merged, tree)
    return merged


def _merge_into(merged: Tree, tree: Tree) -> None:
    for key, value in tree.items():
        if not isinstance(value, dict):
            merged[key] = value
            continue
        if not isinstance(merged.get(key), dict):
            merged[key] = {}
        _merge_into(merged[key], value)


def as_text(value: object) -> str:
    """An option's value as one text: a list is joined by commas."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def read_own(level: str, dvc_dir: str | None) -> dict[str, Value]:
    """Our own settings of one level."""
    path = own_path(level, dvc_dir)
    text = read_text(path)
    try:
        return parse_settings(text) if text else {}
    except ConfigError as error:
        error.hint = f"mend the file '{path}'"
        raise


def own_remote_levels(levels: list[Level], dvc_dir: str | None) -> list[Level]:
    """Remotes of our own settings files, which DVC could not read, in the shape of DVC's levels."""
    found = []
    for level in (level for level in levels if level.name in LEVELS):
        remotes = remotes_of(read_own(level.name, dvc_dir))
        if remotes:
            path = own_path(level.name, dvc_dir)
            shown = f".dvc/{os.path.basename(path)}" if level.name in (REPO, LOCAL) else path
            found.append(Level(level.name, path, shown, {"remote": remotes}))
    return found
