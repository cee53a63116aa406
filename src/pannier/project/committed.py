"""What Git keeps where only this machine's own files belong: a stranger's doing, not the user's.

`.dvc/.gitignore` names these places, but a commit can hold them all the same. A link there would
turn our own lock, sweep and cache on whatever it leads to, and a `config.local` would count as the
user's own word (docs/durability.md, hostile input S10 and S5).
"""

from __future__ import annotations

import os

from pannier.core.errors import BadPath, GitError
from pannier.git.repo import GitRepo

_OURS = (
    ".dvc",
    ".dvc/tmp",
    ".dvc/tmp/lock",
    ".dvc/tmp/rwlock",
    ".dvc/tmp/pannier",
    ".dvc/cache",
    ".dvc/cache/files",
    ".dvc/cache/files/md5",
)


def is_committed(path: str) -> bool:
    """True when Git keeps path (absolute), or would at the next commit.

    Asks Git whatever the project's config says of it: that came from the same stranger.
    """
    try:
        git = GitRepo.find(os.path.dirname(path))
        if git is None:
            return False
        try:
            return git.is_tracked(path)
        finally:
            git.close()
    except GitError:
        return False


def refuse_committed_links(root: str) -> None:
    """Raises BadPath when Git keeps a link where our own files belong. A user's own link, to a
    shared cache or a faster disk, is in nobody's commit and stays."""
    for place in _OURS:
        path = f"{root}/{place}"
        if os.path.islink(path) and is_committed(path):
            raise BadPath(
                path=place,
                reason="it is a link that Git keeps, and this machine's own files belong there",
                where="this repository",
                hint=f"look where it leads; then take it out with: git rm --cached {place}",
            )
