"""Digests: the names of bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pannier.core.algorithms import LEGACY as LEGACY
from pannier.core.algorithms import MD5 as MD5

DIR_SUFFIX = ".dir"
HEX_DIGITS = 32
EMPTY_DIR_HEX = "d751713988987e9331980363e24189ce.dir"

_HEX_ONLY = re.compile(r"[0-9a-f]*\Z")
_HEX = re.compile(r"[0-9a-f]{32}(\.dir)?\Z")


def is_object_name(text: object) -> bool:
    """Tells whether text may name an object: 32 lower-case hex digits, with `.dir` for a manifest.

    Everything read from a repository passes here before it becomes part of a path
    (docs/durability.md, hostile input: a digest of `../../..` once named files to delete).
    """
    return isinstance(text, str) and _HEX.match(text) is not None


def all_hex(text: str) -> bool:
    """Tells whether text is lower-case hex digits and nothing else: many digests at one look."""
    return _HEX_ONLY.match(text) is not None


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """Algorithm and hex (with `.dir` for a manifest). The hex has passed `is_object_name`."""

    algorithm: str
    hex: str

    @property
    def is_dir(self) -> bool:
        return self.hex.endswith(DIR_SUFFIX)

    def __str__(self) -> str:
        return f"{self.algorithm}: {self.hex}"
