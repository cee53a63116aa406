"""Parcels: files of a folder as one byte string, and back, for code that runs elsewhere."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Iterable

from pannier.disk import fsio

_LEVEL = 1


def pack(base: str, paths: Iterable[str]) -> bytes:
    """Packs files and links below a folder; paths relative to it. What is gone is left out.

    The same files give the same bytes, whatever their times and owners are.
    """
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=_LEVEL, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(paths):
            try:
                tar.add(f"{base}/{path}", path, recursive=False, filter=_anonymous)
            except FileNotFoundError:
                continue
    return buffer.getvalue()


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if not (info.isreg() or info.issym()):
        return None
    info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "", ""
    info.mode = 0o755 if info.mode & 0o100 else 0o644
    return info


def unpack(data: bytes, folder: str) -> None:
    """Unpacks into a new folder. Raises tarfile.TarError for what would leave it."""
    fsio.make_dirs(os.path.dirname(folder), 0o700)
    fsio.make_dir(folder, 0o700)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        tar.extractall(folder, filter="data")
    for root, _, files in os.walk(folder):
        for name in files:  # new files, of now: nothing may take them for known ones
            path = f"{root}/{name}"
            if not os.path.islink(path):
                os.utime(path)
