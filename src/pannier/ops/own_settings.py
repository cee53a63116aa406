"""Changing our own settings, `pannier.*`, which never lie in DVC's files."""

from __future__ import annotations

import os

from pannier.core.errors import ConfigError
from pannier.disk import fsio
from pannier.formats.config_schema import sounds_secret
from pannier.formats.settings import Value, edit_settings, parse_value, remote_option
from pannier.git.repo import GitRepo
from pannier.project.config_files import LOCAL, own_path, read_text
from pannier.project.config_write import Place, write_file


def set_own(place: Place, key: str, value: Value) -> None:
    """Sets `pannier.<key>` at a level. value: text as typed, or what a file had."""
    _write_own(place, key, value)


def unset_own(place: Place, key: str) -> None:
    _write_own(place, key, None)


def _write_own(place: Place, key: str, given: Value | None) -> None:
    path = own_path(place.level, place.dvc_dir)
    before = read_text(path)
    value = parse_value(key, given) if isinstance(given, str) else given
    after = edit_settings(before, key, value)
    if after == before:
        if value is None:
            raise ConfigError(f"option '{key}' doesn't exist in section 'pannier'")
        return
    if place.level == LOCAL:
        _hide_from_git(path, str(place.dvc_dir))
    option = (remote_option(key) or ("", ""))[1]
    write_file(place, path, after, private=sounds_secret(option))


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
