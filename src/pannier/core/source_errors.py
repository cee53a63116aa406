"""Errors of what is brought from elsewhere; part of the tree in pannier.core.errors."""

from __future__ import annotations

from pannier.core.errors import PannierError


class PathMissing(PannierError):
    """A source, as named by the user, has nothing at a path. rev: the revision asked for."""

    def __init__(self, url: str, path: str, rev: str | None = None) -> None:
        at = f" at '{rev}'" if rev else ""
        super().__init__(
            f"there is no '{path}' in '{url}'{at}",
            hint=f"'dvc list {url}{f' --rev {rev}' if rev else ''}' shows what there is",
        )


class NeverMade(PathMissing):
    """An output of a source of which nothing is recorded but its name."""

    def __init__(self, url: str, path: str) -> None:
        PannierError.__init__(
            self,
            f"'{path}' in '{url}' has no recorded data: what makes it was never run, or not"
            " committed",
            hint=f"in '{url}': run the stage, or 'dvc pull', and commit its lock file",
        )


class UrlMissing(PannierError):
    """Nothing is at a URL. shown: as messages name it."""

    def __init__(self, shown: str) -> None:
        super().__init__(f"The path '{shown}' does not exist")
        self.shown = shown

    @classmethod
    def of_dependency(cls, shown: str) -> UrlMissing:
        """The same, of what a pointer names."""
        error = cls(shown)
        error.message = f"dependency '{shown}' does not exist"
        return error


class DestinationExists(PannierError):
    """path: as the user sees it."""

    def __init__(self, path: str, *, is_dir: bool) -> None:
        kind = "directory" if is_dir else "file"
        super().__init__(
            f"The {kind} '{path}' already exists locally. \nTo override it, re-run with '--force'."
        )
