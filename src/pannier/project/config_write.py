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
from pannier.formats.config_secrets import holds_secret
from pannier.formats.references import (
    SHARED,
    command_of,
    not_shared,
    starts_with_variable,
    variables,
)
from pannier.git.repo import GitRepo
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
    if _stays(value):
        return value
    return os.path.relpath(os.path.join(place.cwd, value), place.folder)


def _stays(value: str) -> bool:
    """True for a path option's value that is no path relative to anything."""
    return bool(
        schema.scheme_of(value)
        or os.path.isabs(os.path.expanduser(value))
        or starts_with_variable(value)
    )


# -- secrets -------------------------------------------------------------------------------------


def is_secret(option: str, value: str | None) -> bool:
    """True for a value that should not lie in a file that others read.

    What names a variable holds no secret; neither does the line of a program.
    """
    if value is None or variables(value):
        return False
    if option in schema.URLS:
        return holds_secret(value)
    return option in schema.SECRETS and command_of(value) is None


def refuse_for_committed(
    place: Place, key: tuple[str, ...], value: str, *, force: bool, adding: bool = False
) -> None:
    """Raises ConfigError for a value that does not belong into the file that is committed.

    Without a Git repository around nothing is committed. force: secrets are written all the same,
    but not what would never count from there. adding: of a remote that is not there yet.
    """
    if place.level != REPO or place.dvc_dir is None:
        return
    option, shown = key[-1], ".".join(key)
    if adding:
        mine = f"dvc remote add --local {key[1]}"
    elif key[0] == "remote":
        mine = f"dvc remote modify --local {key[1]} {option}"
    else:
        mine = f"dvc config --local {shown}"
    if option in schema.SECRETS and command_of(value) is not None:
        raise ConfigError(
            f"'{shown}' would run a program, and .dvc/config may not decide that for others",
            hint=f"keep it to yourself: {mine} '{value}'",
        )
    for name in variables(value) if key[0] in ("remote", "db") else ():
        if not name.startswith(SHARED):
            what = "remote" if key[0] == "remote" else "connection"
            raise not_shared(name, option, f"{what} '{key[1]}' in .dvc/config")
    if force or not is_for_all_to_read(place, option, value):
        return
    raise ConfigError(
        f"'{shown}' {'holds' if option in schema.URLS else 'is'} a secret, and .dvc/config is"
        " committed to Git, where others can read it",
        hint=f"keep it to yourself: {mine} <value>; or --force, to let them read it",
    )


def is_for_all_to_read(place: Place, option: str, value: str | None) -> bool:
    """True for a secret in the file that is committed."""
    if place.level != REPO or place.dvc_dir is None or not is_secret(option, value):
        return False
    git = GitRepo.find(os.path.dirname(place.dvc_dir))
    if git is None:
        return False
    git.close()
    return True


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
    """Raises what a change would break; returns a fault that was there before and still is.

    As with DVC a file must also do without those that count for more, which may not be there
    elsewhere: `config.local` hides no fault of `config`.
    """
    settings = load_settings(place.dvc_dir, check=False)
    before = [level.tree for level in settings.levels]
    own = [level.name for level in settings.levels].index(place.level)
    after = [*before[:own], _resolved(tree, place.folder), *before[own + 1 :]]
    left = []
    for count in (own + 1, len(before)):
        fault = _fault(merge(after[:count]))
        if fault is not None and str(fault) != str(_fault(merge(before[:count]))):
            raise fault
        left.append(fault)
    return left[0] or left[1]


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
            if isinstance(value, str) and not _stays(value):
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
