"""The two hash functions, without paying for OpenSSL before something is hashed.

`hashlib` loads OpenSSL when it is imported, 3 ms; a command that finds nothing changed needs
BLAKE2b for its own fingerprints only, and that one does not come from there.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from pannier.core.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

try:
    from _blake2 import blake2b as blake2b
except ImportError:  # another Python than CPython
    from hashlib import blake2b as blake2b


_small_md5: Callable[[bytes | bytearray | memoryview], _Hash] | None
try:
    _small_md5 = import_module("_md5").md5
except ImportError:  # a Python without it
    _small_md5 = None

_SMALL = 2048
"""So few bytes CPython's own MD5 has hashed before OpenSSL has set up its context."""


def md5(data: bytes | bytearray | memoryview = b"") -> _Hash:
    """MD5 as a name for bytes, which is allowed also where it is not for secrecy (FIPS)."""
    if 0 < len(data) <= _SMALL and _small_md5 is not None:
        return _small_md5(data)
    import hashlib

    return hashlib.md5(data, usedforsecurity=False)
