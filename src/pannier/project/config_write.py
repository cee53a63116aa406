"""Writing one level of the config: checked against the others before, in one step, private if
need be.

A change that would leave the configuration invalid is not written at all. Comments and order of
the file stay (pannier.formats.config_edit).
"""

from __future__ import annotations

import os
from collections.abc import Callable

from pannier.core.errors import ConfigError
from pannier.core.record import dataclass
from pannier.disk import fsio
from pannier.formats import config_schema as schema
from pannier.formats.config import Tree, dump, parse
from pannier.formats.config_edit import edit, has_comments
from pannier.project.committed import is_committed, refuse_committed_links
from pannier.project.config_files import (
    GLOBAL,
    LOCAL,
    REPO,
    absolute,
    level_path,
    merge,
    path_sections,
    read_text,
)
from pannier.project.settings import load_settings

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


def as_stored(value: str, place: Place) -> str:
    """A path as the file has it: relative to the file's folder, unless it is absolute or `~`."""
    if schema.scheme_of(value) or os.path.isabs(os.path.expanduser(value)):
        return value
    return os.path.relpath(os.path.join(place.cwd, value), place.folder)


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


def change_level(place: Place, change: Change, *, only_if_changed: bool = False) -> None:
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
        write_file(place, path, changed, private=_holds_secrets(tree))
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


def write_file(place: Place, path: str, text: str, *, private: bool = False) -> None:
    """Commit point of a change. private: for its owner's eyes only, where the file is a user's."""
    fsio.set_policy(_policy(place))
    scratch = within = None
    if place.level in (REPO, LOCAL):
        root = os.path.dirname(str(place.dvc_dir))
        refuse_committed_links(root)
        # A link of the user's own, to settings kept elsewhere, is followed.
        within = root if os.path.islink(path) and is_committed(path) else None
        scratch = f"{place.dvc_dir}/tmp/pannier"
        fsio.make_dirs(scratch)
    else:
        fsio.make_dirs(os.path.dirname(path))
    mode = 0o600 if private and place.level in (LOCAL, GLOBAL) else None
    fsio.write_atomic(path, text.encode("utf-8"), mode=mode, scratch=scratch, within=within)


def _policy(place: Place) -> str:
    """How durable to write: `pannier.fsync`, also while that very setting is being mended."""
    try:
        return load_settings(place.dvc_dir, check=False).own("fsync", "batch")
    except ConfigError:
        return "batch"
