"""What Python programs call: the functions of `dvc.api`, and a file system for fsspec.

Each name is loaded when it is used first, so the import costs next to nothing. Nothing here prints
or changes anything on disk but the cache and the mirrors of repositories. Errors are subclasses of
pannier.core.errors.PannierError, which `pannier.api.exceptions` has under DVC's names.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # typing's own would take longer to import than all the rest
if TYPE_CHECKING:
    from pannier.api.artifacts import artifacts_show as artifacts_show
    from pannier.api.datasets import get_dataset as get_dataset
    from pannier.api.files import get_url as get_url
    from pannier.api.files import open as open
    from pannier.api.files import read as read
    from pannier.api.filesystem import DVCFileSystem as DVCFileSystem
    from pannier.api.revisions import all_branches as all_branches
    from pannier.api.revisions import all_commits as all_commits
    from pannier.api.revisions import all_tags as all_tags
    from pannier.api.values import metrics_show as metrics_show
    from pannier.api.values import params_show as params_show

_HOME = {
    "DVCFileSystem": "filesystem",
    "all_branches": "revisions",
    "all_commits": "revisions",
    "all_tags": "revisions",
    "artifacts_show": "artifacts",
    "get_dataset": "datasets",
    "get_url": "files",
    "metrics_show": "values",
    "open": "files",
    "params_show": "values",
    "read": "files",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"pannier.api.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
