"""Filters: which programs a repository names for its files, and how git is kept from them.

To see whether a file changed git hands it to the filter that its attributes ask for. Attributes
come with a clone, the program behind a filter does not; but who unpacks somebody's work tree
unpacks its `.git/config`, too, and then a mere look at it would run what is written there
(docs/durability.md, hostile input S12).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from pannier.disk.reading import read_small
from pannier.git.command import run
from pannier.git.repo import GitRepo

_PATTERN = r"^(filter|lfs\.extension)\."
"""Keys of Git's config that name such programs."""

_OWN_SCOPES = ("local", "worktree")
_NEUTRAL = {"clean": "", "smudge": "", "process": "", "required": "false"}

# What `git lfs install --local` writes. It names a program of the user's own PATH, and leaving it
# out would call every file of Git LFS changed that was touched.
_OF_LFS = {
    "clean": ("git-lfs clean -- %f",),
    "smudge": ("git-lfs smudge -- %f", "git-lfs smudge --skip -- %f"),
    "process": ("git-lfs filter-process", "git-lfs filter-process --skip"),
    "required": ("true",),
}


class Row(NamedTuple):
    """One setting as `git config --show-scope` tells it."""

    scope: str
    key: str
    value: str


def parse_rows(answer: bytes) -> list[Row]:
    """Reads the answer of `git config -z --show-scope --get-regexp`."""
    words = os.fsdecode(answer).split("\0")[:-1]
    pairs = zip(words[::2], words[1::2], strict=True)
    rows = [(scope, *setting.partition("\n")) for scope, setting in pairs]
    return [Row(scope, key, value) for scope, key, _, value in rows]


def may_name_filters(common_dir: str, git_dir: str) -> bool:
    """False when a repository's own config surely names none: spares asking git."""
    for path in (f"{common_dir}/config", f"{git_dir}/config.worktree"):
        try:
            text = read_small(path).lower()
        except FileNotFoundError:
            continue
        except OSError:
            return True
        if b"filter" in text or b"include" in text or b"extension" in text:
            return True
    return False


def foreign(rows: list[Row]) -> list[str]:
    """The names of filters that run what the repository names.

    A filter of the user's own config is not among them, nor what Git LFS itself puts into a
    repository; but both are when the repository names extensions, which Git LFS runs.
    """
    extended = any(
        row.scope in _OWN_SCOPES and row.key.startswith("lfs.extension.") for row in rows
    )
    found: dict[str, None] = {}
    for scope, key, value in rows:
        section, _, rest = key.partition(".")
        name, _, option = rest.rpartition(".")
        if section != "filter" or option not in _NEUTRAL:
            continue
        is_own = scope in _OWN_SCOPES and value not in _OF_LFS[option]
        if is_own or (extended and "lfs" in value):
            found[name] = None
    return list(found)


def without(names: list[str], env: Mapping[str, str]) -> dict[str, str]:
    """Variables that make git pass files through those filters as they are.

    By the environment: a filter's name may have characters that `-c` cannot say.
    """
    try:
        count = int(env.get("GIT_CONFIG_COUNT") or 0)
    except ValueError:
        return {}  # git refuses to work with it, in its own words
    more = {}
    for name in names:
        for option, value in _NEUTRAL.items():
            more[f"GIT_CONFIG_KEY_{count}"] = f"filter.{name}.{option}"
            more[f"GIT_CONFIG_VALUE_{count}"] = value
            count += 1
    return {**more, "GIT_CONFIG_COUNT": str(count)}


def disarmed(repo: GitRepo) -> Mapping[str, str]:
    """The environment in which git runs no program that the repository names for a file."""
    if not may_name_filters(repo.common_dir, repo.git_dir):
        return repo.env
    words = ("config", "-z", "--show-scope", "--get-regexp", _PATTERN)
    _, answer = run(words, cwd=repo.root, env=repo.env, allowed=(0, 1), overrides=())
    names = foreign(parse_rows(answer))
    return {**repo.env, **without(names, repo.env)} if names else repo.env


def is_dirty(repo: GitRepo) -> bool:
    """Tells whether a tracked file differs between HEAD, the index and the work tree.

    A touched file of a filter that the repository itself names counts as different.
    """
    words = ("status", "--porcelain", "-z", "--untracked-files=no", "--no-renames")
    _, answer = run((*words, "--ignore-submodules=dirty"), cwd=repo.root, env=disarmed(repo))
    return bool(answer)
