"""Errors under the names that DVC gives them, for programs that catch them.

In DVC they live in `dvc.exceptions`, `dvc.scm` and `dvc.config`.
"""

from __future__ import annotations

from pannier.core.datasets import DatasetNotFound
from pannier.core.errors import (
    ConfigError,
    GitError,
    ListMissing,
    NoRemote,
    NotInProject,
    PannierError,
    SourceError,
    UnknownRemote,
)
from pannier.core.reading_errors import (
    ArtifactNotFound,
    IsDirectory,
    OutputNotFound,
    PathMissing,
)

__all__ = [
    "ArtifactNotFoundError",
    "CloneError",
    "ConfigError",
    "DatasetNotFoundError",
    "DvcException",
    "IsADirectoryError",
    "ListMissing",
    "NoRemoteError",
    "NotDvcRepoError",
    "OutputNotFoundError",
    "PathMissingError",
    "RemoteConfigError",
    "RemoteNotFoundError",
    "RevError",
    "SCMError",
]

DvcException = PannierError
ArtifactNotFoundError = ArtifactNotFound
DatasetNotFoundError = DatasetNotFound
IsADirectoryError = IsDirectory
NotDvcRepoError = NotInProject
OutputNotFoundError = OutputNotFound
PathMissingError = PathMissing

RemoteConfigError = ConfigError
NoRemoteError = NoRemote
RemoteNotFoundError = UnknownRemote

SCMError = GitError
RevError = GitError
CloneError = SourceError
