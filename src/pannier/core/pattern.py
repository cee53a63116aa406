"""Regular expressions that are compiled when they are first used, not when a module is imported."""

from __future__ import annotations

import re

from pannier.core.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, overload


class _Pattern:
    """Stands for a compiled expression; each method asked for is kept, so that it costs once."""

    def __init__(self, text: Any, flags: int) -> None:
        self._text, self._flags = text, flags

    def __getattr__(self, name: str) -> Any:
        method = getattr(re.compile(self._text, self._flags), name)
        setattr(self, name, method)
        return method


if TYPE_CHECKING:

    @overload
    def pattern(text: str, flags: int = 0) -> re.Pattern[str]: ...
    @overload
    def pattern(text: bytes, flags: int = 0) -> re.Pattern[bytes]: ...


def pattern(text: Any, flags: int = 0) -> Any:
    return _Pattern(text, flags)
