"""Entries of the operation log, values to text (docs/formats.md, section 15.1); read by
pannier.formats.oplog_reading.

One JSON value a line: what was typed, then each change before it is made, then how it ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pannier.core.path import reason_to_refuse
from pannier.core.record import dataclass
from pannier.core.typed import Any, TypeAlias

VERSION = 1
_SHORT = 2048
"""Bytes of a file that are kept as they are; more are compressed."""

_NAMES = frozenset({".gitignore", ".dvcignore", "dvc.yaml", "dvc.lock", ".pre-commit-config.yaml"})
_IN_DVC = frozenset({"config", "config.local", "pannier.toml", "pannier.local.toml", ".gitignore"})


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
    """True for DVC's config files of the project; of all metadata only settings hold secrets."""
    return path in (".dvc/config", ".dvc/config.local")


def is_own_config(path: str) -> bool:
    """True for our own settings files of the project."""
    return path in (".dvc/pannier.toml", ".dvc/pannier.local.toml")


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file of metadata. was: its bytes before, None when there was none; mode: its mode then.

    now: the MD5 of every content that the command gave it, in order; None for its removal.
    """

    path: str
    was: bytes | None
    mode: int | None
    now: tuple[str | None, ...]


Stats: TypeAlias = tuple[str, int, int, int, int]
"""(path in the output, mtime_ns, ctime_ns, size_bytes, inode) of a file."""


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
    single file which was there is a program. left: of files that a command has left where nothing
    was, and that nobody read. stats: of files that are kept, as they were before.
    """

    path: str
    algorithm: str
    was: str | None
    now: str | None
    rows: tuple[Row, ...] | None
    executable: bool = False
    left: tuple[Stats, ...] = ()
    stats: tuple[Stats, ...] = ()


@dataclass(frozen=True, slots=True)
class Making:
    """A command was begun that makes outputs anew. mark: the inode of the file that says when all
    commands had ended, 0 where there is none."""

    paths: tuple[str, ...]
    mark: int


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
class AsideChange:
    """What is no data in the folder of an output went aside, out of the way of a command.

    kept: where the folder lies since, relative to the folder of the log.
    """

    path: str
    kept: str


@dataclass(frozen=True, slots=True)
class AsideBack:
    """What went aside came back to its place, as far as that was free."""

    path: str
    kept: str


@dataclass(frozen=True, slots=True)
class UnknownChange:
    """A change of a kind that this version does not know."""

    kind: str


Change: TypeAlias = (
    FileChange
    | OutputChange
    | Making
    | MoveChange
    | HooksChange
    | TrashChange
    | TrashBack
    | AsideChange
    | AsideBack
    | UnknownChange
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
    if change.left:
        value["left"] = change.left
    if change.stats:
        value["stats"] = change.stats
    return _line(value)


def making_line(change: Making) -> bytes:
    return _line({"making": list(change.paths), "mark": change.mark})


def hooks_line(change: HooksChange) -> bytes:
    return _line({"hooks": list(change.names), "placed": change.placed})


def trash_line(change: TrashChange) -> bytes:
    return _line({"trash": change.mark})


def trash_back_line(change: TrashBack) -> bytes:
    return _line({"untrash": change.mark})


def aside_line(change: AsideChange | AsideBack) -> bytes:
    kind = "aside" if isinstance(change, AsideChange) else "back"
    return _line({kind: change.path, "kept": change.kept})


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


def paths_of(changes: Iterable[Change]) -> tuple[list[str], list[str]]:
    """(files of metadata, outputs) that changes speak of, each once."""
    changes = list(changes)
    files = dict.fromkeys(c.path for c in changes if isinstance(c, FileChange))
    kinds = OutputChange | MoveChange | AsideChange | AsideBack
    outputs = dict.fromkeys(c.path for c in changes if isinstance(c, kinds))
    return list(files), list(outputs)
