"""What a work tree holds that is not committed yet: staged files, and merges that are under way.

Sources: git-ls-files(1); for the files of a merge, rebase or cherry-pick gitrepository-layout(5),
git-merge(1), git-rebase(1) and what Git 2.39 to 2.50 leave.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from pannier.core.errors import GitError
from pannier.git.command import run
from pannier.git.refs import is_oid
from pannier.git.repo import GitRepo

_EMPTY = {
    "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
    "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
}
"""The file without a byte, also in the place of one that `git add -N` only announced."""

_PICKS = re.compile(
    r"\s*(?:p|pick|r|reword|e|edit|s|squash|f|fixup|revert|m|merge)\s+(?:-[cC]\s+)?([0-9a-f]{4,64})\b"
)
_REVERTS = re.compile(r"\s*revert\s")

Sides = dict[int, str]
"""Side -> blob: 0 alone where nothing is in conflict; else 1 the ancestor's, 2 ours, 3 theirs."""


def staged(git: GitRepo, patterns: Sequence[str]) -> dict[str, Sides]:
    """The files that the index holds, by their path from the top of the work tree.

    patterns: Git's pathspecs. Links, submodules and empty files are left out.
    """
    words = ["ls-files", "-s", "-z", "--", *patterns]
    _, answer = run(words, cwd=git.root, env=git.env)
    found: dict[str, Sides] = {}
    for entry in answer.split(b"\0")[:-1]:
        head, _, path = entry.decode("utf-8", "surrogateescape").partition("\t")
        mode, blob, side = head.split(" ")
        if mode.startswith("100") and blob not in _EMPTY:
            found.setdefault(path, {})[int(side)] = blob
    return found


def under_way(git: GitRepo) -> list[str]:
    """The commits between which an unfinished merge, rebase, cherry-pick or revert stands: those
    that giving it up goes back to, and those that going on with it brings. [] when none is.

    Raises GitError when one of them is not there.
    """
    folder = git.git_dir
    named = [*_lines(f"{folder}/MERGE_HEAD"), *_lines(f"{folder}/sequencer/head")]
    named += _picks(f"{folder}/sequencer/todo")
    # Where these are no files but refs, only Git can tell whether they are there.
    maybe = ["CHERRY_PICK_HEAD", "REVERT_HEAD", "REVERT_HEAD^", "MERGE_AUTOSTASH"]
    for name in ("rebase-merge", "rebase-apply"):
        if os.path.isdir(f"{folder}/{name}"):
            named += _of_rebase(git, f"{folder}/{name}")
            maybe += ["REBASE_HEAD", "ORIG_HEAD"]
    found = [*git.resolve_all(list(dict.fromkeys(named))), *git.objects.commits(maybe)]
    commits = [sha for sha in dict.fromkeys(found) if sha is not None]
    head = git.head()
    return [*([head] if head else []), *commits] if commits else []


def _of_rebase(git: GitRepo, folder: str) -> list[str]:
    old, onto = (_lines(f"{folder}/{file}")[:1] for file in ("orig-head", "onto"))
    named = [*old, *_lines(f"{folder}/autostash"), *_picks(f"{folder}/git-rebase-todo")]
    if old and onto and not os.path.exists(f"{folder}/git-rebase-todo"):
        # Patches are to come then, which say nothing of the commits that they were made of.
        words = ["rev-list", *old, "--not", *onto, "--"]
        named += run(words, cwd=git.root, env=git.env)[1].decode().split()
    return named


def _picks(path: str) -> Iterator[str]:
    """The commits that a list of things to do names. To revert one brings what was before it."""
    for line in _text(path).splitlines():
        found = _PICKS.match(line)
        if found is not None:
            yield found[1] + ("^" if _REVERTS.match(line) else "")


def _lines(path: str) -> list[str]:
    """The full names of commits that a file holds, a line each."""
    return [line for line in map(str.strip, _text(path).splitlines()) if is_oid(line)]


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""
    except OSError as error:
        raise GitError(f"'{path}' cannot be read: {error.strerror}") from None
