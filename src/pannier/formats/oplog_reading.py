"""Entries of the operation log, text to values.

A line that a kill or a power loss cut short is the end of the entry; what stands before it counts.
An entry may be a stranger's, so no line is believed that speaks of what the log does not keep.
"""

from __future__ import annotations

from collections.abc import Callable

from pannier.core.digest import is_object_name
from pannier.core.path import reason_to_refuse
from pannier.core.pattern import pattern
from pannier.core.typed import Any
from pannier.formats.oplog import (
    AsideBack,
    AsideChange,
    Change,
    Entry,
    FileChange,
    HooksChange,
    Making,
    MoveChange,
    OutputChange,
    Row,
    Stats,
    TrashBack,
    TrashChange,
    UnknownChange,
    is_metadata,
)

_LONGEST = 1 << 28
"""Bytes that a file may have: a few bytes of a stranger's entry must not fill the memory."""

_KEPT = pattern(r"[0-9]+\.kept/[0-9]+\Z")
_MARK = pattern(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z\Z")
_HEX = pattern(r"[0-9a-f]{32}\Z")


def parse_entry(data: bytes, number: int) -> Entry | None:
    """Reads an entry as far as it is whole; None when not even its first line is."""
    import zlib

    values = _values(data)
    if not values or not isinstance(values[0].get("pannier"), int):
        return None
    head = values[0]
    time_s, argv, undoes = head.get("time"), head.get("argv"), head.get("undoes")
    if not isinstance(time_s, int | float) or not isinstance(argv, list):
        return None
    changes: list[Change] = []
    files: dict[str, int] = {}
    ended = ""
    for value in values[1:]:
        if "end" in value:
            ended = str(value["end"])
            continue
        ended = ""  # a killed undo that was given again goes on in its own entry
        try:
            _take(value, changes, files)
        except (ValueError, KeyError, TypeError, zlib.error):
            break
    return Entry(
        number,
        float(time_s),
        tuple(map(str, argv)),
        undoes if isinstance(undoes, int) else None,
        tuple(changes),
        ended,
    )


def _values(data: bytes) -> list[dict[str, Any]]:
    import json

    found = []
    for line in data.split(b"\n")[:-1]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(value, dict):
            break
        found.append(value)
    return found


def _take(value: dict[str, Any], changes: list[Change], files: dict[str, int]) -> None:
    """Adds one line's change. Raises ValueError, KeyError or TypeError for what is no change."""
    for kind, read in _KINDS.items():
        if kind in value:
            read(value, changes, files)
            return
    changes.append(UnknownChange(next(iter(value), "nothing")))


def _take_file(value: dict[str, Any], changes: list[Change], files: dict[str, int]) -> None:
    path, now = str(value["file"]), value["now"]
    if not is_metadata(path) or not (now is None or _HEX.match(now)):
        raise ValueError(path)
    at = files.setdefault(path, len(changes))
    if at == len(changes):
        mode = value["mode"]
        changes.append(FileChange(path, _unpacked(value["was"]), mode and int(mode), (now,)))
        return
    first = changes[at]
    assert isinstance(first, FileChange)
    changes[at] = FileChange(path, first.was, first.mode, (*first.now, now))


def _unpacked(value: Any) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode("utf-8")
    import binascii
    import zlib

    packed = binascii.a2b_base64(value["zlib"])
    stream = zlib.decompressobj()
    data = stream.decompress(packed, _LONGEST)
    if not stream.eof:
        raise ValueError("it is cut short, or too long")
    return data


def _take_output(value: dict[str, Any], changes: list[Change], files: dict[str, int]) -> None:
    path = str(value["output"])
    was, now, rows = value["was"], value["now"], value.get("rows")
    if reason_to_refuse(path) is not None or not all(_is_name(name) for name in (was, now)):
        raise ValueError(path)
    read = None if rows is None else tuple(_row(row) for row in rows)
    executable = bool(value.get("executable"))
    left = tuple(_stats(row) for row in value.get("left", ()))
    stats = tuple(_stats(row) for row in value.get("stats", ()))
    algorithm = str(value["algorithm"])
    changes.append(OutputChange(path, algorithm, was, now, read, executable, left, stats))


def _take_making(value: dict[str, Any], changes: list[Change], files: dict[str, int]) -> None:
    paths = tuple(map(str, value["making"]))
    if any(reason_to_refuse(path) is not None for path in paths):
        raise ValueError(paths)
    changes.append(Making(paths, int(value["mark"])))


def _stats(value: Any) -> Stats:
    path, mtime, ctime, size, inode = value
    if not all(isinstance(number, int) for number in (mtime, ctime, size, inode)):
        raise ValueError(path)
    if path != "" and reason_to_refuse(str(path)) is not None:
        raise ValueError(path)
    return str(path), mtime, ctime, size, inode


def _row(value: Any) -> Row:
    path, was, now, kept = value
    if path != "" and reason_to_refuse(path) is not None:
        raise ValueError(path)
    if not all(_is_name(name) for name in (was, now)):
        raise ValueError(path)
    if kept is not None and not _KEPT.match(kept):
        raise ValueError(kept)
    return Row(path, was, now, kept)


def _is_name(value: Any) -> bool:
    return value is None or (isinstance(value, str) and is_object_name(value))


def _take_hooks(value: dict[str, Any], changes: list[Change], files: dict[str, int]) -> None:
    changes.append(HooksChange(tuple(map(str, value["hooks"])), bool(value["placed"])))


def _take_move(value: dict[str, Any], changes: list[Change], files: dict[str, int]) -> None:
    path, target = str(value["move"]), str(value["to"])
    if reason_to_refuse(path) is not None or reason_to_refuse(target) is not None:
        raise ValueError(path)
    changes.append(MoveChange(path, target, str(value["algorithm"])))


def _take_aside(value: dict[str, Any], changes: list[Change], files: dict[str, int]) -> None:
    changes.append(AsideChange(*_aside(value["aside"], value["kept"])))


def _take_aside_back(value: dict[str, Any], changes: list[Change], files: dict[str, int]) -> None:
    changes.append(AsideBack(*_aside(value["back"], value["kept"])))


def _aside(path: Any, kept: Any) -> tuple[str, str]:
    path, kept = str(path), str(kept)
    if reason_to_refuse(f"{path}/-") is not None or not _KEPT.match(kept):  # it is a folder
        raise ValueError(path)
    return path, kept


def _take_trash(value: dict[str, Any], changes: list[Change], files: dict[str, int]) -> None:
    changes.append(TrashChange(_mark(value["trash"])))


def _take_trash_back(value: dict[str, Any], changes: list[Change], files: dict[str, int]) -> None:
    changes.append(TrashBack(_mark(value["untrash"])))


def _mark(value: Any) -> str:
    mark = str(value)
    if not _MARK.match(mark):
        raise ValueError(mark)
    return mark


_KINDS: dict[str, Callable[[dict[str, Any], list[Change], dict[str, int]], None]] = {
    "file": _take_file,
    "output": _take_output,
    "making": _take_making,
    "move": _take_move,
    "hooks": _take_hooks,
    "trash": _take_trash,
    "untrash": _take_trash_back,
    "aside": _take_aside,
    "back": _take_aside_back,
}
