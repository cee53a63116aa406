"""What a picture shows: the marks of an SVG that Vega drew, at their places."""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_MOVE = re.compile(r"translate\(([^,]+),([^)]+)\)")
_POINT = re.compile(r"[ML](-?[\d.e-]+),(-?[\d.e-]+)")
_BOX = re.compile(r"[hv](-?[\d.e-]+)")

Place = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing that is drawn. kind: symbol, line, rect, text, ...; layer: its name in Vega.

    places: of a line its points, of a rectangle its upper left corner, of others where they are,
    from the corner of the chart that they belong to. size: of a rectangle. chart: where that
    chart is in the picture, down and across, so that they sort as they are read. says: what a
    reader is told aloud: columns and values.
    """

    kind: str
    layer: str
    chart: Place
    places: tuple[Place, ...]
    size: Place
    text: str
    says: dict[str, str]
    colour: str
    dashes: str
    shape: str


def marks_of(svg: bytes | str) -> list[Mark]:
    """The marks of data: neither axes nor legends, nor what cannot be seen."""
    return list(_marks(ElementTree.fromstring(svg), (0, 0), (0, 0)))


def texts_of(svg: bytes | str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(svg).iter() if _tag(node) == "text"]


def pixels_of(png: bytes) -> tuple[int, int, set[bytes]]:
    """(width, height, colours that occur, of four bytes) of a PNG of 8 bits with transparency."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, data = 8, b""
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + size]
        assert struct.unpack(">I", png[at + 8 + size : at + 12 + size]) == (
            zlib.crc32(kind + body),
        )
        if kind == b"IHDR":
            width, height, depth, colours, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            assert (depth, colours, interlaced) == (8, 6, 0)
        data += body if kind == b"IDAT" else b""
        at += 12 + size
    assert kind == b"IEND"
    lines = zlib.decompress(data)
    step = 4 * width
    found, above = set(), bytes(step)
    for start in range(0, len(lines), step + 1):
        above = _unfiltered(lines[start], lines[start + 1 : start + 1 + step], above)
        found |= {above[at : at + 4] for at in range(0, step, 4)}
    assert len(lines) == height * (step + 1)
    return width, height, found


def _unfiltered(how: int, line: bytes, above: bytes) -> bytes:
    """A line of pixels of a PNG, from what its filter left."""
    if how == 0:
        return line
    made = bytearray(line)
    for at, value in enumerate(line):
        left, up = (made[at - 4] if at >= 4 else 0), above[at]
        corner = above[at - 4] if at >= 4 else 0
        if how == 4:
            wanted = left + up - corner
            guess = min((left, up, corner), key=lambda each: abs(wanted - each))
        else:
            guess = (0, left, up, (left + up) // 2)[how]
        made[at] = (value + guess) % 256
    return bytes(made)


def _tag(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]


def _moved(node: ElementTree.Element, at: Place) -> Place:
    found = _MOVE.search(node.get("transform", ""))
    return (at[0] + float(found[1]), at[1] + float(found[2])) if found else at


def _marks(node: ElementTree.Element, at: Place, chart: Place) -> Iterator[Mark]:
    words = node.get("class", "").split()
    if any(word.startswith(("role-axis", "role-legend", "role-title")) for word in words):
        return
    if "role-mark" in words and "mark-group" not in words:
        for child in node:
            yield from _mark(child, words[0].removeprefix("mark-"), words[-1], at, chart)
        return
    if "mark-group" in words and not {"cell", "root"}.isdisjoint(words):
        for child in node:
            x, y = _moved(child, at)
            for inner in child:
                yield from _marks(inner, (0, 0), (y, x))
        return
    for child in node:
        yield from _marks(child, _moved(child, at), chart)


def _mark(
    node: ElementTree.Element, kind: str, layer: str, at: Place, chart: Place
) -> Iterator[Mark]:
    is_hidden = node.get("display") == "none" or float(node.get("opacity", 1)) == 0
    if is_hidden or (kind != "text" and _colour(node) == "none"):
        return
    shape = node.get("d", "")
    points = [(float(x), float(y)) for x, y in _POINT.findall(shape)]
    place = _moved(node, at)
    if kind in ("line", "rect"):
        places = tuple((x + place[0], y + place[1]) for x, y in points)
    else:
        places = (place,)
    sides = [float(side) for side in _BOX.findall(shape)]
    size = (abs(sides[0]), abs(sides[1])) if kind == "rect" and len(sides) > 1 else (0.0, 0.0)
    said = [part.split(": ", 1) for part in node.get("aria-label", "").split("; ")]
    says = {part[0]: part[1] for part in said if len(part) > 1}
    dashes, text = node.get("stroke-dasharray", ""), node.text or ""
    yield Mark(kind, layer, chart, places, size, text, says, _colour(node), dashes, shape)


def _colour(node: ElementTree.Element) -> str:
    found = [node.get(name, "none") for name in ("fill", "stroke")]
    return next((name for name in found if name not in ("none", "transparent")), "none")
