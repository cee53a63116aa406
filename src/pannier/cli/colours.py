"""Colours of names by LS_COLORS, as DVC reads it: `di`, `ex`, its own `out`, and `*.ending`.

A folder, else an output, else an executable file, else by its ending. Other keys say nothing.
"""

from __future__ import annotations

import os

_DEFAULT = "rs=0:di=01;34:ex=01;32"


class NameColours:
    def __init__(self, text: str | None = None) -> None:
        """text: of LS_COLORS; None: from the environment."""
        text = os.environ.get("LS_COLORS") if text is None else text
        self._codes: dict[str, str] = {}
        for entry in (text or _DEFAULT).split(":"):
            key, equals, code = entry.partition("=")
            if equals:
                self._codes[key] = code

    def __call__(self, name: str, *, is_out: bool, is_dir: bool, is_exec: bool) -> str:
        """The name between the codes that colour it."""
        code = self._code(name, is_out, is_dir, is_exec)
        return f"\x1b[{code}m{name}\x1b[{self._codes.get('rs', 0)}m" if code else name

    def _code(self, name: str, is_out: bool, is_dir: bool, is_exec: bool) -> str | None:
        codes = self._codes
        if is_out and "out" in codes:
            return codes["out"]
        if is_dir:
            return codes.get("di")
        if is_exec:
            return codes.get("ex")
        _, dot, ending = name.rpartition("/")[2].rpartition(".")
        return codes.get("*." + ending) if dot else None
