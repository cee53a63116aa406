"""Bringing files of a source to places of the user's own, without any project there.

Each file is made beside its place, verified where a digest is known, and takes it by one rename.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from pannier.core.digest import LEGACY
from pannier.core.errors import CorruptObject, NotThere
from pannier.core.reading_errors import IsDirectory, PathMissing
from pannier.core.record import dataclass, replace
from pannier.disk import fsio
from pannier.disk.hashing import hex_of_file
from pannier.project.reading import View
from pannier.project.stored import StoredObject, cached_object
from pannier.project.version_keys import Far, key_at
from pannier.store.pace import Pace
from pannier.store.transfer import retrying
from pannier.store.transport import Result

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class _Item:
    """One file: its path in the source, where it goes, and where it is made. found: what it is
    recorded as."""

    path: str
    target: str
    temporary: str
    found: StoredObject | None = None


def save(view: View, pairs: Iterable[tuple[str, str]]) -> None:
    """Copies files: (path in the source, absolute path here, replaced if there); makes folders.

    Of a folder in the source a folder is made. What the remote alone has is downloaded side by
    side. Raises PathMissing, CorruptObject, TransportError, DiskError; files that arrived before
    that stay.
    """
    far: dict[tuple[str, str | None, str], dict[str, list[_Item]]] = {}
    objects: dict[tuple[str, str | None, str], StoredObject] = {}
    for path, target in pairs:
        item = _Item(path, target, f"{target}.{os.urandom(4).hex()}.tmp")
        try:
            found = view.find(path)
        except IsDirectory:
            fsio.make_dirs(target)
            continue
        fsio.make_dirs(os.path.dirname(target))
        if isinstance(found, StoredObject):
            cached = cached_object(found)
            if cached is None:
                key = (found.project.root, found.remote, found.algorithm)
                objects[key] = found
                item = replace(item, found=found)
                far.setdefault(key, {}).setdefault(found.hex, []).append(item)
                continue
            found = cached
        _copy(found, item)
    for key, wanted in far.items():
        _download(view, objects[key], wanted)


def _copy(source: BinaryIO, item: _Item) -> None:
    with source, _made(item):
        fd = fsio.create_new(item.temporary)
        try:
            while data := source.read(_CHUNK):
                fsio.write_all(fd, data, item.target)
        finally:
            os.close(fd)


def _download(view: View, kind: StoredObject, wanted: dict[str, list[_Item]]) -> None:
    """Objects of one remote and algorithm: the name of each -> where it goes."""
    remote = view.remote_of(kind)
    plain = kind.algorithm != LEGACY
    first = {_key(remote, items[0]): (hex, items[0]) for hex, items in wanted.items()}
    requests = [
        (key, item.temporary, hex[:32] if plain else "") for key, (hex, item) in first.items()
    ]
    transport, pace = remote.transport, Pace(remote.jobs)

    def send(some: Iterable[tuple[str, str, str]]) -> Iterator[Result]:
        some = list(some)
        for _, temporary, _ in some:
            _remove(temporary)
        return transport.download_many(some, pace.jobs, pace)

    with contextlib.ExitStack() as stack:
        for _, item in first.values():
            stack.callback(_remove, item.temporary)
        for result in retrying(requests, send, lambda request: request[0], pace):
            hex, item = first[result.key]
            if isinstance(result.error, NotThere):
                raise PathMissing(item.path, is_recorded=True)
            if result.error is not None:
                raise result.error
            if not plain and hex_of_file(item.temporary, kind.algorithm) != hex[:32]:
                raise CorruptObject(hex, where=f"remote '{remote.name}'")
            for other in wanted[hex][1:]:
                _copy(open(item.temporary, "rb"), other)
            fsio.replace(item.temporary, item.target)


def _key(remote: Far, item: _Item) -> str:
    assert item.found is not None
    key = key_at(remote, item.found)
    if key is None:
        raise PathMissing(item.path, is_recorded=True)
    return key


@contextlib.contextmanager
def _made(item: _Item) -> Iterator[None]:
    """Gives a file its name when it was made without an error, else removes it."""
    try:
        yield
        fsio.replace(item.temporary, item.target)
    except BaseException:
        _remove(item.temporary)
        raise


def _remove(path: str) -> None:
    fsio.remove_if_there(path)
