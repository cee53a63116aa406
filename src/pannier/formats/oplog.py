"""Entries of the operation log, text to values and back (docs/formats.md, section 15.1).

One JSON value a line: what was typed, then each change before it is made, then how it ended. A
line that a kill or a power loss cut short is the end of the entry; what stands before it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from pannier.core.digest import is_object_name
from pannier.core.path import reason_to_refuse
from pannier.core.pattern import pattern
from pannier.core.record import dataclass
from pannier.core.typed import Any, TypeAlias

VERSION = 1
_SHORT = 2048
"""Bytes of a file that are kept as they are; more are compressed."""

_LONGEST = 1 << 28
"""Bytes that a file may have: a few bytes of a stranger's entry must not fill the memory."""

_NAMES = frozenset({".gitignore", ".dvcignore", "dvc.yaml", "dvc.lock", ".pre-commit-config.yaml"})
_IN_DVC = frozenset({"config", "config.local", "pannier.toml", "pannier.local.toml", ".gitignore"})
_KEPT = pattern(r"[0-9]+\.kept/[0-9]+\Z")
_MARK = pattern(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z\Z")
_HEX = pattern(r"[0-9a-f]{32}\Z")


def is_metadata(path: str) -> bool:
    """True for a root-relative path whose bytes the log keeps, and `undo` may write or remove.

    By name, so that no entry, whoever wrote it, can speak of any other file (durability, D6).
    """
    if reason_to_refuse(path, data=False) is not None:
        return False
    folder, _, name = path.rpartition("/")
    if ".dvc" in folder.split("/"):
        return folder == ".dvc" and name in _IN_DVC
    return name in _NAMES or (name.endswith(".dvc") and name != ".dvc")


def is_config(path: str) -> bool:
    """True for the project's config files, the only metadata that may hold secrets."""
    return path in (".dvc/config", ".dvc/config.local")


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file of metadata. was: its bytes before, None when there was none; mode: its mode then.

    now: the MD5 of every content that the command gave it, in order; None for its removal.
    """

    path: str
    was: bytes | None
    mode: int | None
    now: tuple[str | None, ...]


class Row(NamedTuple):
    """A file of an output that was changed. was, now: hex, None where none is.

    kept: where the old bytes lie that are no object, relative to the folder of the log.
    """

    path: str
    was: str | None
    now: str | None
    kept: str | None = None


@dataclass(frozen=True, slots=True)
class OutputChange:
    """Data in the workspace. was, now: digest of the whole, None where nothing is.

    rows: the files that were changed; None when the two digests say it all. executable: that the
    single file which was there is a program.
    """

    path: str
    algorithm: str
    was: str | None
    now: str | None
    rows: tuple[Row, ...] | None
    executable: bool = False


@dataclass(frozen=True, slots=True)
class HooksChange:
    """Our Git hooks were put in place, or taken away."""

    names: tuple[str, ...]
    placed: bool


@dataclass(frozen=True, slots=True)
class TrashChange:
    """Objects of the cache went to a folder of its trash. mark: the folder's name, a time."""

    mark: str


@dataclass(frozen=True, slots=True)
class TrashBack:
    """What was in a folder of the trash came back into the cache."""

    mark: str


@dataclass(frozen=True, slots=True)
class MoveChange:
    """Data in the workspace got another name, whatever it held. algorithm: of its output."""

    path: str
    target: str
    algorithm: str


@dataclass(frozen=True, slots=True)
class UnknownChange:
    """A change of a kind that this version does not know."""

    kind: str


Change: TypeAlias = (
    FileChange | OutputChange | MoveChange | HooksChange | TrashChange | TrashBack | UnknownChange
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One command. time_s: since 1970. argv: what was typed, secrets masked. undoes: the number of
    the entry that it put back. ended: "done" or "failed"; "" for one that was killed, or is still
    at work.
    """

    number: int
    time_s: float
    argv: tuple[str, ...]
    undoes: int | None
    changes: tuple[Change, ...]
    ended: str


# -- writing -------------------------------------------------------------------------------------


def head_line(time_s: float, argv: Sequence[str], undoes: int | None) -> bytes:
    head: dict[str, Any] = {"pannier": VERSION, "time": round(time_s, 3), "argv": list(argv)}
    return _line(head if undoes is None else {**head, "undoes": undoes})


def end_line(ended: str) -> bytes:
    return _line({"end": ended})


def file_line(path: str, was: bytes | None, mode: int | None, now: str | None) -> bytes:
    return _line({"file": path, "was": _packed(was), "mode": mode, "now": now})


def file_again_line(path: str, now: str | None) -> bytes:
    """One more change of a file whose bytes before are in the entry."""
    return _line({"file": path, "now": now})


def output_line(change: OutputChange) -> bytes:
    value: dict[str, Any] = {
        "output": change.path,
        "algorithm": change.algorithm,
        "was": change.was,
        "now": change.now,
    }
    if change.rows is not None:
        value["rows"] = [list(row) for row in change.rows]
    if change.executable:
        value["executable"] = True
    return _line(value)


def hooks_line(change: HooksChange) -> bytes:
    return _line({"hooks": list(change.names), "placed": change.placed})


def trash_line(change: TrashChange) -> bytes:
    return _line({"trash": change.mark})


def trash_back_line(change: TrashBack) -> bytes:
    return _line({"untrash": change.mark})


def move_line(change: MoveChange) -> bytes:
    return _line({"move": change.path, "to": change.target, "algorithm": change.algorithm})


def _line(value: dict[str, Any]) -> bytes:
    import json

    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


def _packed(data: bytes | None) -> str | dict[str, str] | None:
    if data is None:
        return None
    if len(data) <= _SHORT:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            pass
    import binascii
    import zlib

    return {"zlib": binascii.b2a_base64(zlib.compress(data), newline=False).decode("ascii")}


# -- reading -------------------------------------------------------------------------------------


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
    changes.append(OutputChange(path, str(value["algorithm"]), was, now, read, executable))


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
    "move": _take_move,
    "hooks": _take_hooks,
    "trash": _take_trash,
    "untrash": _take_trash_back,
}


def paths_of(changes: Iterable[Change]) -> tuple[list[str], list[str]]:
    """(files of metadata, outputs) that changes speak of, each once."""
    changes = list(changes)
    files = dict.fromkeys(c.path for c in changes if isinstance(c, FileChange))
    outputs = dict.fromkeys(c.path for c in changes if isinstance(c, OutputChange | MoveChange))
    return list(files), list(outputs)
