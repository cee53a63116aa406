"""init: makes a folder a project."""

from __future__ import annotations

import contextlib
import os

from pannier.core.errors import ConfigError, PannierError
from pannier.core.events import Progress
from pannier.core.record import dataclass
from pannier.disk import fsio, trees
from pannier.formats.config import dump
from pannier.git.repo import GitRepo
from pannier.project.settings import load_settings

GITIGNORE = b"/config.local\n/tmp\n/cache\n"
DVCIGNORE = b"""\
# Add patterns of files dvc should ignore, which could improve
# the performance. Learn more at
# https://dvc.org/doc/user-guide/dvcignore
"""


_BESIDE = ".pannier-tmp"


@dataclass(frozen=True, slots=True)
class InitReport:
    """root: of the new project. in_git: whether its files were staged."""

    root: str
    in_git: bool


def init(
    directory: str, *, no_scm: bool, subdir: bool, force: bool, progress: Progress
) -> InitReport:
    """Makes `.dvc`, `.dvcignore` and stages them in Git. Layout: docs/formats.md, section 1.

    force: replace a `.dvc` that is there, with its cache. The new `.dvc` is built beside and takes
    the name in one step, last of all, so that a kill leaves the old project or the new one.
    """
    root = os.path.realpath(directory)
    git = None if no_scm else _git_of(root, subdir)
    dvc_dir = os.path.join(root, ".dvc")
    if os.path.lexists(dvc_dir):
        _check_replaceable(dvc_dir, force)
    if git is not None and git.is_ignored(dvc_dir + "/"):
        raise PannierError(
            f"{dvc_dir} is ignored by your SCM tool. \n"
            "Make sure that it's tracked, for example, by adding '!.dvc' to .gitignore."
        )
    try:
        fsio.set_policy(load_settings(None, check=False).own("fsync", "batch"))
    except ConfigError:
        pass  # the user's settings are not what init is about; later commands name the fault
    fsio.make_dirs(root)
    _place(dvc_dir, no_scm, progress)
    dvcignore = os.path.join(root, ".dvcignore")
    if git is not None:
        git.add([f"{dvc_dir}/config", f"{dvc_dir}/.gitignore", dvcignore])
    return InitReport(root, git is not None)


def _git_of(root: str, subdir: bool) -> GitRepo:
    existing = root
    while not os.path.isdir(existing):
        existing = os.path.dirname(existing)
    git = GitRepo.find(existing)
    if git is None or (not subdir and os.path.realpath(git.root) != root):
        raise PannierError(
            f"{root} is not tracked by any supported SCM tool (e.g. Git). Use `--no-scm` if you"
            " don't want to use any SCM or `--subdir` if initializing inside a subdirectory of a"
            " parent SCM repository."
        )
    return git


def _check_replaceable(dvc_dir: str, force: bool) -> None:
    if os.path.islink(dvc_dir) or not os.path.isdir(dvc_dir):
        raise PannierError(
            f"'{dvc_dir}' is there and is no folder", hint="move it out of the way first"
        )
    if not force:
        raise PannierError(f"'{os.path.relpath(dvc_dir)}' exists. Use `-f` to force.")


def _sweep(dvc_dir: str) -> None:
    """Removes what killed runs built beside."""
    with os.scandir(os.path.dirname(dvc_dir)) as entries:
        left = [e.name for e in entries if e.name.startswith(".dvc.") and e.name.endswith(_BESIDE)]
    for name in left:
        pid = name.removeprefix(".dvc.").partition("-")[0]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            with contextlib.suppress(OSError):
                trees.remove_tree(os.path.join(os.path.dirname(dvc_dir), name))


def _place(dvc_dir: str, no_scm: bool, progress: Progress) -> None:
    _sweep(dvc_dir)
    new = f"{dvc_dir}.{os.getpid()}-{os.urandom(4).hex()}{_BESIDE}"
    try:
        fsio.make_dirs(f"{new}/tmp")
        config = dump({"core": {"no_scm": "True"}}).encode() if no_scm else b""
        fsio.write_atomic(f"{new}/config", config)
        fsio.write_atomic(f"{new}/tmp/btime", b"")
        if not no_scm:
            fsio.write_atomic(f"{new}/.gitignore", GITIGNORE)
        fsio.sync_dir(new)
        dvcignore = os.path.join(os.path.dirname(dvc_dir), ".dvcignore")
        if not os.path.lexists(dvcignore):
            fsio.write_atomic(dvcignore, DVCIGNORE, scratch=f"{new}/tmp")
        if not os.path.lexists(dvc_dir):
            fsio.replace(new, dvc_dir)
        elif fsio.exchange(new, dvc_dir):
            progress.debug(f"removing the old '{dvc_dir}'")
        else:
            # No exchange on this file system: for an instant the old project has another name.
            fsio.replace(dvc_dir, old := f"{new}-old")
            fsio.replace(new, dvc_dir)
            new = old
        fsio.sync_dir(os.path.dirname(dvc_dir))
    except OSError as error:
        fsio.fail(error, dvc_dir)
    finally:
        trees.remove_tree(new)
