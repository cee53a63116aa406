"""Finding the repository that a folder belongs to, without running git in the plain cases.

The rules are git's own (gitrepository-layout(5), git(1) under GIT_DIR): the nearest `.git` going
up, a folder or a file that points to one; never across a mount point. The environment counts too:
git sets GIT_DIR for hooks, and some people keep their repository elsewhere with it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from pannier.core.errors import GitError
from pannier.core.record import dataclass, field
from pannier.git.command import environment, run


@dataclass(frozen=True, slots=True)
class Location:
    """A work tree and its repository, all absolute and real paths.

    git_dir: of this work tree; common_dir: shared by all work trees of the repository.
    places: GIT_* variables without which git, started in root, would not see the same.
    """

    root: str
    git_dir: str
    common_dir: str
    places: dict[str, str] = field(default_factory=dict)


def locate(path: str, environ: Mapping[str, str]) -> Location | None:
    """The work tree that path lies in; None outside of any, in a bare repository and inside `.git`.

    Two may hold it: the one that the environment names and the one found going up. The deeper wins,
    so that a clone inside a repository whose hook runs us is itself.
    Raises GitError for a `.git` that points nowhere.
    """
    path = os.path.realpath(path)
    found = _upward(path, environ)
    named = _named(path, found, environ)
    chosen = named if named and (not found or len(named.root) >= len(found.root)) else found
    if chosen is None:
        return None
    places = dict(chosen.places)
    index = environ.get("GIT_INDEX_FILE")
    if index:
        # Inside pre-commit the index to be committed may be another file than `index`; git reads a
        # relative name from the top of the work tree.
        index = os.path.join(chosen.root, index)
        if chosen is named or os.path.realpath(os.path.dirname(index)) == chosen.git_dir:
            places["GIT_INDEX_FILE"] = index
    return Location(chosen.root, chosen.git_dir, chosen.common_dir, places)


def is_git_dir(path: str) -> bool:
    if not os.path.lexists(path + "/HEAD"):
        return False
    return os.path.isfile(path + "/commondir") or (
        os.path.isdir(path + "/objects") and os.path.isdir(path + "/refs")
    )


def _upward(path: str, environ: Mapping[str, str]) -> Location | None:
    across = environ.get("GIT_DISCOVERY_ACROSS_FILESYSTEM", "").lower() in ("1", "true", "yes")
    ceilings = {
        os.path.realpath(entry)
        for entry in environ.get("GIT_CEILING_DIRECTORIES", "").split(os.pathsep)
        if entry
    }
    device = _device(path)
    while True:
        dot_git = os.path.join(path, ".git")
        try:
            mode = os.stat(dot_git).st_mode
        except OSError:
            mode = 0
        if stat.S_ISDIR(mode) and is_git_dir(dot_git):
            return _checked(path, os.path.realpath(dot_git), environ)
        if stat.S_ISREG(mode):
            return _checked(path, _read_gitfile(dot_git), environ)
        if is_git_dir(path):
            return None
        parent = os.path.dirname(path)
        if parent == path or parent in ceilings:
            return None
        if not across and device is not None and _device(parent) != device:
            return None
        path = parent


def _device(path: str) -> int | None:
    try:
        return os.stat(path).st_dev
    except OSError:
        return None


def _read_gitfile(path: str) -> str:
    """Where a `.git` file (of a worktree or a submodule) points."""
    with open(path, "rb") as file:
        data = file.read(8192)
    if not data.startswith(b"gitdir: "):
        raise GitError(f"'{path}' is not a valid .git file")
    target = os.fsdecode(data.removeprefix(b"gitdir: ").rstrip(b"\r\n"))
    git_dir = os.path.realpath(os.path.join(os.path.dirname(path), target))
    if not is_git_dir(git_dir):
        raise GitError(
            f"'{path}' points to '{target}', where no Git repository is",
            hint="if it has moved: git worktree repair",
        )
    return git_dir


def _checked(root: str, git_dir: str, environ: Mapping[str, str]) -> Location | None:
    """Applies what the repository's config says about its work tree."""
    common_dir = _common_dir(git_dir)
    # In a linked worktree these find nothing: core.bare and core.worktree are the main one's.
    bare, worktree, plain = _core_settings(git_dir)
    here = worktree is None or os.path.realpath(os.path.join(git_dir, worktree)) == root
    if plain and here and not bare:
        return Location(root, git_dir, common_dir)
    top = _ask_git(root, environ)
    # A work tree that does not hold the folder we came from is none of ours.
    if top is None or not _holds(top, root):
        return None
    places = {} if top == root else {"GIT_DIR": git_dir, "GIT_WORK_TREE": top}
    return Location(top, git_dir, common_dir, places)


def _common_dir(git_dir: str) -> str:
    try:
        with open(git_dir + "/commondir", "rb") as file:
            named = os.fsdecode(file.read(8192).rstrip(b"\r\n"))
    except OSError:
        return git_dir
    return os.path.realpath(os.path.join(git_dir, named))


def other_work_trees(root: str, common_dir: str) -> list[str]:
    """The work trees of a repository that are there, but for the one at root (a real path)."""
    found = [os.path.dirname(common_dir)] if os.path.basename(common_dir) == ".git" else []
    try:
        names = sorted(os.listdir(f"{common_dir}/worktrees"))
    except (FileNotFoundError, NotADirectoryError):
        names = []
    for name in names:
        own = f"{common_dir}/worktrees/{name}"
        found += [os.path.dirname(os.path.join(own, line)) for line in _lines(f"{own}/gitdir")[:1]]
    places = dict.fromkeys(os.path.realpath(place) for place in found)
    return [place for place in places if place != root and os.path.lexists(f"{place}/.git")]


def _core_settings(git_dir: str) -> tuple[bool, str | None, bool]:
    """core.bare and core.worktree of a repository's config: (bare, worktree, plain).

    plain False: the files hold something that only git itself can be trusted to understand.
    """
    bare, worktree, section = False, None, ""
    # The second one counts only with extensions.worktreeConfig, and is written only then
    # (git-sparse-checkout does).
    lines = _lines(git_dir + "/config") + _lines(git_dir + "/config.worktree")
    for line in lines:
        if line.startswith("["):
            head, _, line = line.partition("]")
            section = head[1:].strip().lower()
        key, _, value = (part.strip() for part in line.partition("="))
        key = key.lower()
        if section.startswith("include"):
            return False, None, False
        if section != "core" or key not in ("bare", "worktree"):
            continue
        if any(mark in value for mark in '"\\#;'):
            return False, None, False
        if key == "worktree":
            worktree = value
        else:
            bare = value.lower() not in ("false", "no", "off", "0")
    return bare, worktree, True


def _lines(path: str) -> list[str]:
    try:
        with open(path, "rb") as file:
            return [line.strip() for line in os.fsdecode(file.read()).split("\n")]
    except OSError:
        return []


def _ask_git(cwd: str, environ: Mapping[str, str]) -> str | None:
    try:
        _, answer = run(
            ["rev-parse", "--show-toplevel"],
            cwd=cwd,
            env=environment(environ, {}, lazy_fetch=False),
        )
    except GitError as error:
        if "must be run in a work tree" in error.message:
            return None
        raise
    return os.path.realpath(os.fsdecode(answer.removesuffix(b"\n")))


def _named(path: str, found: Location | None, environ: Mapping[str, str]) -> Location | None:
    """The repository that GIT_DIR names, when path lies in its work tree."""
    named = environ.get("GIT_DIR")
    if not named:
        return None
    git_dir = os.path.realpath(named)
    if os.path.isfile(git_dir):
        git_dir = _read_gitfile(git_dir)
    if not is_git_dir(git_dir):
        return None  # relative, and the hook has changed its folder since
    places = {}
    for name in ("GIT_OBJECT_DIRECTORY", "GIT_QUARANTINE_PATH"):
        if environ.get(name):
            places[name] = os.path.abspath(environ[name])
    if environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES"):
        places["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = environ["GIT_ALTERNATE_OBJECT_DIRECTORIES"]
    common_dir = _common_dir(git_dir)
    tree = environ.get("GIT_WORK_TREE", "")
    if found and found.git_dir == git_dir and tree in ("", "."):
        # A hook's own repository; its "." is wrong as soon as the hook goes to another folder.
        return Location(found.root, git_dir, common_dir, places | found.places)
    if not tree and common_dir == git_dir:
        bare, configured, _ = _core_settings(git_dir)
        if bare:
            return None
        tree = os.path.join(git_dir, configured) if configured else ""
    root = os.path.realpath(tree or ".")
    if not _holds(root, path):
        return None
    return Location(root, git_dir, common_dir, places | {"GIT_DIR": git_dir, "GIT_WORK_TREE": root})


def _holds(directory: str, path: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")
