"""Changing our own settings, `pannier.*`, which never lie in DVC's files."""

from __future__ import annotations

import os

from pannier.core.errors import ConfigError
from pannier.disk import fsio
from pannier.formats.settings import edit_settings, parse_value
from pannier.git.repo import GitRepo
from pannier.project.config_files import LOCAL, own_path, read_text
from pannier.project.config_write import Place, write_file


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
    write_file(place, path, after)


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
