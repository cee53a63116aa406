"""Manifests: the sorted list of (path, digest) that is the content of a `.dir` object."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import pairwise
from operator import lt

from pannier.core.digest import DIR_SUFFIX, HEX_DIGITS, all_hex, is_object_name
from pannier.core.errors import CorruptObject
from pannier.core.hashes import md5
from pannier.core.path import all_plain, reason_to_refuse
from pannier.core.typed import Any

_PIECE = 2_000
"""Rows that are written at a time."""
_FEW = 200
"""Changes that are made one by one; beyond, sorting anew is faster."""

# A written row is `{"md5": "<hex>", "relpath": "<path>"}`, between rows a comma and a blank.
_BEFORE, _TO_PATH, _AFTER = '{"md5": "', '", "relpath": "', '"}'
_BETWEEN = f"{_AFTER}, {_BEFORE}"
_PATH_AT = HEX_DIGITS + len(_TO_PATH)
_PLAIN_BYTES = bytes(set(range(32, 127)) - {ord("\\")})
_SUSPECTS = ("\n.", "\n/", "\n\n", "/.", "//", "/\n", "~")
"""What the path rule might object to in printable ASCII, in a text with a path a line."""


class Manifest:
    """What a tracked directory holds, as two columns of equal length.

    paths: POSIX paths relative to the directory, sorted as plain strings, no duplicates, none a
    directory of another, all within the path rule. hexes: the digest of each, 32 hex digits.
    A value: no method changes it.
    """

    __slots__ = ("hexes", "paths")

    def __init__(self, paths: list[str], hexes: list[str]) -> None:
        self.paths = paths
        self.hexes = hexes

    @classmethod
    def of(cls, entries: Iterable[tuple[str, str]]) -> Manifest:
        ordered = sorted(entries)
        return cls([path for path, _ in ordered], [name for _, name in ordered])

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return zip(self.paths, self.hexes, strict=True)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Manifest) and self.paths == other.paths and self.hexes == other.hexes
        )

    def __hash__(self) -> int:
        raise TypeError("a manifest is compared, not hashed")

    def get(self, path: str) -> str | None:
        at = bisect_left(self.paths, path)
        if at < len(self.paths) and self.paths[at] == path:
            return self.hexes[at]
        return None

    def below(self, prefix: str) -> Manifest:
        """The entries of a sub-directory, with paths as they are here; a file's own entry too."""
        if not prefix:
            return self
        exact = self.get(prefix)
        start = bisect_left(self.paths, prefix + "/")
        end = bisect_left(self.paths, prefix + "0")  # '0' is the character after '/'
        paths, hexes = self.paths[start:end], self.hexes[start:end]
        return Manifest([prefix, *paths], [exact, *hexes]) if exact else Manifest(paths, hexes)

    def with_changes(self, removed: Iterable[str], added: Iterable[tuple[str, str]]) -> Manifest:
        """The manifest after a change. What has become a directory of an added path is no file."""
        new = dict(added)
        gone = {*removed, *new}
        for path in new:
            parent = path.rpartition("/")[0]
            while parent and parent not in gone:
                gone.add(parent)
                parent = parent.rpartition("/")[0]
        paths, hexes = list(self.paths), list(self.hexes)
        if len(gone) > _FEW:
            kept = {path: name for path, name in self if path not in gone}
            return Manifest.of((kept | new).items())
        for path in gone:
            at = bisect_left(paths, path)
            if at < len(paths) and paths[at] == path:
                del paths[at], hexes[at]
        for path, name in new.items():
            at = bisect_left(paths, path)
            paths.insert(at, path)
            hexes.insert(at, name)
        return Manifest(paths, hexes)

    def to_bytes(self) -> bytes:
        """The bytes of the `.dir` object, exactly as `json.dumps(list, sort_keys=True)`."""
        return b"".join(self._pieces())

    def digest_hex(self) -> str:
        hasher = md5()
        for piece in self._pieces():
            hasher.update(piece)
        return hasher.hexdigest() + DIR_SUFFIX

    def _pieces(self) -> Iterator[bytes]:
        """The bytes piece by piece, so that a million rows are not all in memory as text."""
        from json.encoder import encode_basestring_ascii as quote

        start = "["
        for at in range(0, len(self.paths), _PIECE):
            paths, hexes = self.paths[at : at + _PIECE], self.hexes[at : at + _PIECE]
            if not _needs_no_quoting("".join(paths)):
                paths = [quote(path)[1:-1] for path in paths]
            inner = [f"{name}{_TO_PATH}{path}" for path, name in zip(paths, hexes, strict=True)]
            rows = f"{_BEFORE}{_BETWEEN.join(inner)}{_AFTER}"
            yield f"{start}{rows}".encode("ascii")
            start = ", "
        yield b"]" if self.paths else b"[]"


def parse_manifest(data: bytes, name: str) -> Manifest:
    """Reads a `.dir` object.

    data: UTF-8 JSON, a list of {"md5": 32 hex, "relpath": POSIX path}; read in any order.
    name: the object's hex, for messages only.
    Raises CorruptObject naming the first bad entry; never returns a partial manifest.
    Source: docs/formats.md, section 3. Writing sorts by relpath: the order is part of the digest.
    """
    columns = _written_columns(data)
    if columns is not None:
        paths, hexes = columns
        if all(map(lt, paths, paths[1:])):  # as they are written: sorted, and none twice
            _check_tree(paths, name)
            return Manifest(paths, hexes)
    import json

    try:
        rows: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptObject(name=name, reason=f"it is not JSON: {error}") from None
    if not isinstance(rows, list):
        raise CorruptObject(name=name, reason="it is not a list")
    columns = _plain_columns(rows)
    if columns is None:
        entries = [_entry(row, name) for row in rows]
        columns = [path for path, _ in entries], [digest for _, digest in entries]
    digests = dict(zip(*columns, strict=True))
    paths = sorted(columns[0])
    _check_tree(paths, name)
    return Manifest(paths, [digests[path] for path in paths])


def _needs_no_quoting(text: str) -> bool:
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text


def _written_columns(data: bytes) -> tuple[list[str], list[str]] | None:
    """Paths and digests of bytes that are just as `to_bytes` writes plain names; else None.

    Nearly all are. No row is made an object: the text is cut where one row ends and the next
    begins, and the number of quotes proves that no path holds such a place.
    """
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        return None
    if not (text.startswith("[" + _BEFORE) and text.endswith(_AFTER + "]")):
        return None
    rows = text[1 + len(_BEFORE) : -1 - len(_AFTER)].split(_BETWEEN)
    if text.count('"') != 8 * len(rows) or data.translate(None, _PLAIN_BYTES):
        return None
    if {row[HEX_DIGITS:_PATH_AT] for row in rows} != {_TO_PATH}:
        return None
    hexes = [row[:HEX_DIGITS] for row in rows]
    paths = [row[_PATH_AT:] for row in rows]
    if "".join(hexes).encode().translate(None, b"0123456789abcdef"):
        return None
    joined = "\n".join(["", *paths, ""])
    if any(mark in joined for mark in _SUSPECTS):
        return None
    return paths, hexes


def _plain_columns(rows: list[Any]) -> tuple[list[str], list[str]] | None:
    """Paths and digests when every row is plainly right; None when each needs a look of its own.

    The same checks as `_entry`, made on all rows at once: a manifest of a million files is read in
    two seconds instead of ten.
    """
    try:
        paths = [row["relpath"] for row in rows]
        digests = [row["md5"] for row in rows]
        if not all_plain(paths) or {*map(len, digests)} - {HEX_DIGITS}:
            return None
        if not all_hex("".join(digests)):
            return None
    except (TypeError, KeyError):
        return None
    return paths, digests


def _entry(row: object, name: str) -> tuple[str, str]:
    if not isinstance(row, dict):
        raise CorruptObject(name=name, reason=f"entry {row!r} is not a mapping")
    path, digest = row.get("relpath"), row.get("md5")
    if not isinstance(path, str):
        raise CorruptObject(name=name, reason=f"entry {row!r} has no path")
    if not (isinstance(digest, str) and is_object_name(digest)) or digest.endswith(DIR_SUFFIX):
        raise CorruptObject(name=name, reason=f"the digest of {path!r} is {digest!r}")
    why = reason_to_refuse(path)
    if why is not None:
        raise CorruptObject(name=name, reason=f"the path {path!r} is not allowed: {why}")
    return path, digest


def _check_tree(paths: list[str], name: str) -> None:
    """Refuses duplicates, and a path that is both a file and a directory."""
    files = set(paths)
    if len(files) != len(paths):
        twice = next(a for a, b in pairwise(paths) if a == b)
        raise CorruptObject(name=name, reason=f"the path {twice!r} is listed twice")
    seen = {""}
    for parent in {path.rpartition("/")[0] for path in paths}:
        while parent not in seen:
            if parent in files:
                raise CorruptObject(name=name, reason=f"{parent!r} is both a file and a directory")
            seen.add(parent)
            parent = parent.rpartition("/")[0]
