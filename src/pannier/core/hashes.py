"""The two hash functions, without paying for OpenSSL before something is hashed.

`hashlib` loads OpenSSL when it is imported, 3 ms; a command that finds nothing changed needs
BLAKE2b for its own fingerprints only, and that one does not come from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

try:
    from _blake2 import blake2b as blake2b
except ImportError:  # another Python than CPython
    from hashlib import blake2b as blake2b


def md5(data: bytes | bytearray | memoryview = b"") -> _Hash:
    """MD5 as a name for bytes, which is allowed also where it is not for secrecy (FIPS)."""
    import hashlib

    return hashlib.md5(data, usedforsecurity=False)
