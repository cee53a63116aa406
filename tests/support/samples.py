"""Data for tests: images, tables, and a project as DVC 1.x and 2.x left it."""

from __future__ import annotations

import hashlib
import json
import random
import struct
import zlib
from pathlib import Path


def png(seed: int, side: int = 16) -> bytes:
    """A real little picture of random pixels; the same for the same seed."""
    rng = random.Random(seed)

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    rows = b"".join(b"\0" + rng.randbytes(3 * side) for _ in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def write_images(folder: Path, count: int, start: int = 0) -> dict[str, bytes]:
    """count pictures in two classes; returns what was written by its path below folder."""
    written = {}
    for number in range(start, start + count):
        path = f"{('cats', 'dogs')[number % 2]}/{number:05}.png"
        written[path] = png(number)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(written[path])
    return written


def legacy_md5(data: bytes) -> str:
    """The digest of DVC before 3.0: of text, with CRLF taken as LF (docs/formats.md, section 2).

    Right for data of at most one chunk of 1 MiB.
    """
    block = data[:512]
    text = set(bytes(range(0x20, 0x7F)) + b"\n\r\t\f\b")
    odd = sum(byte not in text for byte in block)
    if not block or (b"\0" not in block and odd / len(block) <= 0.30):
        data = data.replace(b"\r\n", b"\n")
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class LegacyStore:
    """A cache or remote of DVC 1.x and 2.x: `ab/cdef...`, objects of mode 0444."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, data: bytes, name: str) -> None:
        path = self.root / name[:2] / name[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(data)
            path.chmod(0o444)

    def put_file(self, data: bytes) -> str:
        self.put(data, name := legacy_md5(data))
        return name

    def put_folder(self, files: dict[str, bytes]) -> str:
        listed = [{"md5": self.put_file(data), "relpath": path} for path, data in files.items()]
        listed.sort(key=lambda entry: entry["relpath"])
        manifest = json.dumps(listed, sort_keys=True).encode()
        name = hashlib.md5(manifest, usedforsecurity=False).hexdigest() + ".dir"
        self.put(manifest, name)
        return name


LEGACY_FILES = {
    "data.csv": b"id,value\r\n1,one\r\n2,two\r\n",
    "model.bin": b"\0\1model" * 100,
}
LEGACY_FOLDER = {
    "cat.txt": b"a cat\r\n",
    "dog.txt": b"a dog\n",
    "deep/er/bird.bin": b"\0bird",
}


def write_legacy_playground(root: Path, remote: Path) -> None:
    """A Git repository that DVC 2.x filled: pointers without `hash`, objects in remote only.

    root: an existing empty Git repository. The workspace and the cache hold no data.
    """
    store = LegacyStore(remote)
    (root / ".dvc").mkdir()
    (root / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (root / ".dvc/config").write_text(
        f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = {remote}\n"
    )
    (root / ".dvcignore").write_text("# Add patterns of files dvc should ignore\n")
    for name, data in LEGACY_FILES.items():
        (root / f"{name}.dvc").write_text(
            f"outs:\n- md5: {store.put_file(data)}\n  size: {len(data)}\n  path: {name}\n"
        )
    size = sum(map(len, LEGACY_FOLDER.values()))
    (root / "animals.dvc").write_text(
        f"outs:\n- md5: {store.put_folder(LEGACY_FOLDER)}\n  size: {size}\n"
        f"  nfiles: {len(LEGACY_FOLDER)}\n  path: animals\n"
    )
    (root / ".gitignore").write_text("/data.csv\n/model.bin\n/animals\n")
