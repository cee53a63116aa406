"""Writes little pictures for the demo: python images.py FOLDER COUNT."""

import random
import struct
import sys
import zlib
from pathlib import Path


def png(seed: int, side: int = 16) -> bytes:
    """A picture of random pixels, the same for the same seed."""
    rng = random.Random(seed)
    rows = b"".join(b"\0" + rng.randbytes(3 * side) for _ in range(side))
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


folder = Path(sys.argv[1])
folder.mkdir(parents=True)
for number in range(int(sys.argv[2])):
    (folder / f"{number:05}.png").write_bytes(png(number))
