"""`dvc.api` for programs that import it, where DVC itself is not installed: Pannier's own.

There is no `dvc/__init__.py` beside this file, and there must be none: without it DVC's own package
comes first wherever it is installed, in any order (docs/decisions/0121-dvc-api-by-namespace.md).
"""

import importlib
import sys

import dvc
from pannier import api as _api

__all__ = list(_api.__all__)


def __getattr__(name: str) -> object:
    return getattr(_api, name)


def __dir__() -> list[str]:
    return __all__


def _error(name: str) -> object:
    return getattr(importlib.import_module("pannier.api.exceptions"), name)


# In DVC these are modules of their own. They cannot be files here: DVC's have the same names.
for _name in ("exceptions", "scm", "config"):
    if f"dvc.{_name}" not in sys.modules:
        _module = type(sys)(f"dvc.{_name}", "Errors under DVC's names: pannier.api.exceptions.")
        _module.__getattr__ = _error  # type: ignore[method-assign]
        sys.modules[f"dvc.{_name}"] = _module
        setattr(dvc, _name, _module)
