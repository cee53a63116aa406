"""Errors of reading a source: with those of pannier.core.errors they are one tree.

PannierError                 255
+-- PathMissing                   a path that a source does not hold
+-- IsDirectory                   a path that is no file
+-- OutputNotFound                a path that no output is or holds
+-- ArtifactNotFound
"""

from __future__ import annotations

from pannier.core.errors import PannierError


class PathMissing(PannierError):
    """is_recorded: an output says what it holds, and neither cache nor remote have that."""

    def __init__(self, path: str, *, is_recorded: bool = False) -> None:
        super().__init__(
            f"The path '{path}' does not exist in the target repository '{path}' neither as a DVC "
            "output nor as a Git-tracked file.",
            hint="run 'dvc push' where the data is" if is_recorded else None,
        )
        self.path, self.is_recorded = path, is_recorded


class IsDirectory(PannierError):
    def __init__(self, path: str) -> None:
        super().__init__(f"'{path}' is a directory")
        self.path = path


class OutputNotFound(PannierError):
    def __init__(self, path: str) -> None:
        super().__init__(f"Unable to find DVC file with output '{path}'")
        self.path = path


class ArtifactNotFound(PannierError):
    """name: as asked for, with its version or stage."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Unable to find artifact '{name}'")
        self.name = name
