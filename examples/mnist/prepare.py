"""Makes pictures of digits: shifted, with noise, each 12 x 12 points between 0 and 1."""

from pathlib import Path

import numpy as np
from settings import settings

FONT = {
    0: "01110 10001 10011 10101 11001 10001 01110",
    1: "00100 01100 00100 00100 00100 00100 01110",
    2: "01110 10001 00001 00010 00100 01000 11111",
    3: "11111 00010 00100 00010 00001 10001 01110",
    4: "00010 00110 01010 10010 11111 00010 00010",
    5: "11111 10000 11110 00001 00001 10001 01110",
    6: "00110 01000 10000 11110 10001 10001 01110",
    7: "11111 00001 00010 00100 01000 01000 01000",
    8: "01110 10001 10001 01110 10001 10001 01110",
    9: "01110 10001 10001 01111 00001 00010 01100",
}
SIDE = 12


def pictures(
    count: int, noise: float, chance: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(pictures, one a row; the digit of each)."""
    glyphs = [np.array([[int(c) for c in row] for row in FONT[d].split()]) for d in range(10)]
    digits = chance.integers(0, 10, count)
    found = np.zeros((count, SIDE, SIDE))
    for at, digit in enumerate(digits):
        down, right = chance.integers(1, 5), chance.integers(1, 7)
        found[at, down : down + 7, right : right + 5] = glyphs[digit]
    found += chance.normal(0, noise, found.shape)
    return found.clip(0, 1).reshape(count, -1).astype(np.float32), digits.astype(np.int8)


if __name__ == "__main__":
    wanted = settings("prepare")
    chance = np.random.default_rng(wanted["seed"])
    folder = Path("data")
    folder.mkdir(exist_ok=True)
    for name, count in (("train", wanted["pictures"]), ("test", wanted["pictures"] // 4)):
        points, digits = pictures(count, wanted["noise"], chance)
        np.save(folder / f"{name}-pictures.npy", points)
        np.save(folder / f"{name}-digits.npy", digits)
