"""`all_branches`, `all_tags` and `all_commits` of a project's Git repository."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pannier.api.opening import open_view
from pannier.core.errors import GitError
from pannier.git.repo import GitRepo


def all_branches(repo: str | None = None) -> list[str]:
    """Names of the branches, sorted. repo: a folder or URL, None for the project around.

    Of a URL these are the branches there. Raises NotInProject, SourceError, GitError.
    """
    with _git(repo) as git:
        return [name for name, _ in git.branches()]


def all_tags(repo: str | None = None) -> list[str]:
    """Names of the tags, sorted. repo and errors as for all_branches."""
    with _git(repo) as git:
        return [name for name, _ in git.tags()]


def all_commits(repo: str | None = None) -> list[str]:
    """Full names of the commits of all branches and tags, newest first; see all_branches."""
    with _git(repo) as git:
        return git.all_commits()


@contextmanager
def _git(repo: str | None) -> Iterator[GitRepo]:
    view = open_view(repo)
    try:
        git = view.source.git or GitRepo.find(view.source.root)
        if git is None:
            raise GitError(f"{view.source.root} is not a git repository")
        try:
            yield git
        finally:
            git.close()
    finally:
        view.close()
