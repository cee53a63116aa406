"""The text of a lock file: entries to bytes as DVC emits them, and put in place of old ones.

A recorded stage changes a few lines of a file that may hold thousands. Those are written here
where the text is of the form that DVC and we write; everything else is left to `yamlio`.
Source: docs/formats.md, section 12.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Container, Iterator, Mapping

from pannier.core.pattern import pattern
from pannier.core.typed import Any
from pannier.formats import yamlio
from pannier.formats.yaml_scalars import resolve_plain

_WIDTH = 80  # beyond it the emitter folds a line, or puts a long word on one of its own
_PLAIN = pattern(r"[A-Za-z0-9_/][!-~]*(?: [!-~]+)*\Z")
_NEEDS_QUOTES = pattern(r": | #|:\Z")
_HEADER = pattern(rb"  [^\s#-][^\n]*:\n\Z")


def render(name: str, entry: Mapping[str, Any]) -> bytes:
    """One entry below `stages:`, as DVC writes it."""
    try:
        lines = list(_mapping_lines({name: entry}, "  "))
    except ValueError:
        whole = yamlio.dump({"stages": {name: entry}})
        return whole.partition(b"\n")[2]
    return "".join(lines).encode("ascii")


def render_alone(entry: Mapping[str, Any]) -> bytes:
    """One entry as a file of its own, as DVC writes it."""
    try:
        return "".join(_mapping_lines(entry, "")).encode("ascii")
    except ValueError:
        return yamlio.dump(entry)


def splice(
    previous: bytes, entries: Mapping[str, Mapping[str, Any]], known: Container[str]
) -> bytes | None:
    """Returns previous with entries replaced in place and new ones put at the end of `stages`.

    known: the names that previous holds. None when its text is not of the form that DVC writes:
    comments, blank lines, another indentation, flow style.
    """
    lines = previous.splitlines(keepends=True)
    bounds = _stage_bounds(lines)
    if bounds is None:
        return None
    starts, end = bounds
    texts = {name: render(name, entry) for name, entry in entries.items()}
    headers = {text.partition(b"\n")[0] + b"\n": name for name, text in texts.items()}
    pieces = lines[: starts[0]]
    placed = set()
    for start, stop in zip(starts, [*starts[1:], end], strict=True):
        name = headers.get(lines[start])
        if name is None:
            pieces.extend(lines[start:stop])
        else:
            pieces.append(texts[name])
            placed.add(name)
    for name, text in texts.items():
        if (name in known) != (name in placed):
            return None
        if name not in placed:
            pieces.append(text)
    return b"".join([*pieces, *lines[end:]])


def pieces_of(data: bytes, known: Collection[str]) -> tuple[bytes, dict[str, bytes], bytes] | None:
    """Cuts a lock file: (what is before the entries, the text of each, what is behind them).

    known: the names that it holds, in order. None where `splice` would.
    """
    lines = data.splitlines(keepends=True)
    bounds = _stage_bounds(lines)
    if bounds is None or len(bounds[0]) != len(known):
        return None
    starts, end = bounds
    pieces = {}
    for name, start, stop in zip(known, starts, [*starts[1:], end], strict=True):
        if lines[start] != render(name, {"cmd": ""}).partition(b"\n")[0] + b"\n":
            return None
        pieces[name] = b"".join(lines[start:stop])
    return b"".join(lines[: starts[0]]), pieces, b"".join(lines[end:])


def cut_out(previous: bytes, names: Collection[str]) -> bytes | None:
    """Returns previous without these entries; None where `splice` would."""
    lines = previous.splitlines(keepends=True)
    bounds = _stage_bounds(lines)
    if bounds is None:
        return None
    starts, end = bounds
    headers = {render(name, {"cmd": ""}).partition(b"\n")[0] + b"\n" for name in names}
    pieces = lines[: starts[0]]
    for start, stop in zip(starts, [*starts[1:], end], strict=True):
        if lines[start] not in headers:
            pieces.extend(lines[start:stop])
    return b"".join([*pieces, *lines[end:]])


def _stage_bounds(lines: list[bytes]) -> tuple[list[int], int] | None:
    """The numbers of the lines that start an entry, and of the one after the last entry."""
    try:
        first = lines.index(b"stages:\n") + 1
    except ValueError:
        return None
    starts: list[int] = []
    end = len(lines)
    for at in range(first, len(lines)):
        line = lines[at]
        if line.startswith(b"    ") and line.strip() and starts and line.endswith(b"\n"):
            continue
        if _HEADER.match(line):
            starts.append(at)
        elif line[:1].isalpha():
            end = at
            break
        else:
            return None
    return (starts, end) if starts else None


def _mapping_lines(mapping: Mapping[Any, Any], indent: str) -> Iterator[str]:
    for key, value in mapping.items():
        if not isinstance(key, str):
            raise ValueError("a key that is no text")
        lead = f"{indent}{_scalar(key, '')}:"
        if isinstance(value, Mapping) and value:
            yield f"{lead}\n"
            yield from _mapping_lines(value, indent + "  ")
        elif isinstance(value, list) and value:
            yield f"{lead}\n"
            yield from _list_lines(value, indent)
        elif value is None:
            yield f"{lead}\n"
        else:
            yield f"{lead} {_scalar(value, lead)}\n"


def _list_lines(items: list[Any], indent: str) -> Iterator[str]:
    for item in items:
        if isinstance(item, Mapping) and item:
            lines = _mapping_lines(item, indent + "  ")
            yield f"{indent}- {next(lines)[len(indent) + 2 :]}"
            yield from lines
        else:
            lead = f"{indent}-"
            yield f"{lead} {_scalar(item, lead)}\n"


def _scalar(value: Any, lead: str) -> str:
    """The text of a scalar that needs neither quotes nor folding after lead, else ValueError."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        text = repr(value)
    elif isinstance(value, str) and _PLAIN.match(value) and not _NEEDS_QUOTES.search(value):
        text = value
        if not isinstance(resolve_plain(text), str):
            raise ValueError("needs quotes")
    else:
        raise ValueError("needs quotes")
    if len(lead) + 1 + len(text) > _WIDTH:
        raise ValueError("needs folding")
    return text
