"""YAML as DVC reads and writes it: fast load with limits, dump and edit byte for byte.

Reading takes libyaml's events and builds the values here: libyaml resolves plain scalars by YAML
1.1 (`on` is True, `010` is 8), DVC by YAML 1.2. Writing is ruamel.yaml's round-trip emitter, set
up as DVC sets it up, so that the bytes are the same. Source: docs/formats.md, section 7.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from io import BytesIO

from pannier.core.errors import InvalidFile
from pannier.core.pattern import pattern
from pannier.core.record import dataclass
from pannier.core.typed import Any, NoReturn
from pannier.formats.yaml_events import MAX_DEPTH, Builder, text_of_line

MAX_BYTES = 16 * 1024 * 1024
"""Other limits: yaml_events.py."""

_RUAMEL_RETRY_BYTES = 256 * 1024
_NOT_AS_LIBYAML = pattern("^%YAML|[\x85\u2028\u2029]", re.MULTILINE)
_NEXT_LINE = "\x85"
_CONFLICT = pattern(rb"^(?:<<<<<<<|>>>>>>>) .*", re.MULTILINE)


def load(data: bytes, path: str) -> Any:
    """Reads one YAML 1.2 document into dicts, lists, str, int, float, bool, None, dates.

    Returns None for an empty document. path: for messages only. Raises InvalidFile with the place
    of the first fault: bad syntax, a duplicate key, merge conflict marks, bytes that are not
    UTF-8, a second document, or one of the limits above.
    """
    text = _decode(data, path)
    if _NOT_AS_LIBYAML.search(text):
        return _load_like_ruamel(text, data, path)
    import yaml.cyaml

    try:
        return Builder(data, path).build(yaml.cyaml.CParser(data).get_event)
    except yaml.YAMLError as error:
        fault = error
    if len(data) <= _RUAMEL_RETRY_BYTES:
        # libyaml follows YAML 1.1 and refuses a little that DVC reads; the words for what both
        # refuse are DVC's too.
        return _load_like_ruamel(text, data, path)
    _refuse(fault, data, path)


def line_of(data: bytes, keys: Sequence[str | int]) -> int | None:
    """The line (1-based) of the value under these keys; see `position_of`."""
    position = position_of(data, keys)
    return position[0] if position else None


def position_of(data: bytes, keys: Sequence[str | int]) -> tuple[int, int] | None:
    """Line and column (1-based) of a mapping's key or a list's item, for messages only; slow.

    keys: mapping keys and list positions from the root. When the last ones are not there, the
    place of the deepest that is. None when data cannot be read.
    """
    import yaml

    try:
        node = yaml.compose(data, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, RecursionError):
        return None
    if node is None:
        return None
    mark = node.start_mark
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == str(key)]
            if not found:
                break
            mark, node = found[0][0].start_mark, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            mark = node.start_mark
        else:
            break
    return mark.line + 1, mark.column + 1


@dataclass(frozen=True, slots=True)
class Lines:
    """Where a mapping's key and its value stand: lines [start, stop) from 0, the key's column."""

    start: int
    stop: int
    indent: int


def lines_of(data: bytes, keys: Sequence[str]) -> Lines | None:
    """The lines of a key and its value, comments behind it left out; None when they cannot be told.

    That is so in flow style, and where a value is an alias or has an anchor.
    """
    import yaml

    try:
        node = yaml.compose(data, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, RecursionError):
        return None
    found = None
    for name in keys:
        if not isinstance(node, yaml.MappingNode) or node.flow_style:
            return None
        found = next((pair for pair in node.value if pair[0].value == name), None)
        if found is None:
            return None
        node = found[1]
    if found is None:
        return None
    key, value = found
    start = key.start_mark
    return Lines(start.line, max(start.line, _last_line(value)) + 1, start.column)


def _last_line(node: Any) -> int:
    """The last line (from 0) that a value's own text stands on."""
    children = [
        child for item in node.value for child in (item if isinstance(item, tuple) else (item,))
    ]
    if not isinstance(node.value, str) and children and not node.flow_style:
        return max(map(_last_line, children))
    end: int = node.end_mark.line
    # A block scalar ends where the next line starts.
    return end - 1 if node.end_mark.column == 0 and end > node.start_mark.line else end


def dump(value: Any) -> bytes:
    """Writes a new file as DVC does.

    Block style, sequences not indented under their key, plain scalars folded near column 80,
    UTF-8 unescaped, keys in the order of the dict.
    """
    return _emit(_ruamel(), value)


def edit(data: bytes, change: Callable[[Any], None], path: str = "") -> bytes:
    """Changes a file and keeps its comments, key order and flow style, as DVC does.

    change: gets the root and alters it in place; an empty file's root is an empty mapping. Quotes
    that are not needed go, as they do in DVC. Raises InvalidFile as `load` does.
    """
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import YAMLError

    text = _decode(data, path)
    yaml = _ruamel()
    try:
        with warnings.catch_warnings(action="ignore"):  # an anchor used again; `load` takes it
            root = yaml.load(text)
    except YAMLError as error:
        _refuse(error, data, path)
    except RecursionError:
        raise InvalidFile(path, f"it is nested deeper than {MAX_DEPTH} levels") from None
    comments = b""
    if root is None:
        root = CommentedMap()
        comments = data if data.endswith(b"\n") or not data.strip() else data + b"\n"
    change(root)
    # ruamel has nowhere to hang the comments of a file that holds nothing else.
    return comments + _emit(yaml, root)


def _ruamel() -> Any:
    from ruamel.yaml import YAML

    return YAML()


def _emit(yaml: Any, value: Any) -> bytes:
    """The text of a value: folded like DVC's, unless folding would change what is read back.

    The emitter loses a blank where it folds a line between two of them, and a next-line character
    between plain quotes, as DVC does; between double quotes it is written as an escape.
    """
    folded = BytesIO()
    yaml.dump(value, folded)
    if _reads_back(folded.getvalue(), value):
        return folded.getvalue()
    yaml.width = MAX_BYTES
    whole = BytesIO()
    yaml.dump(value, whole)
    if _NEXT_LINE not in whole.getvalue().decode():
        return whole.getvalue()
    escaped = BytesIO()
    yaml.dump(_escaped(value), escaped)
    return escaped.getvalue()


def _escaped(value: Any) -> Any:
    """A value that is about to be written, its texts with a next-line character between double
    quotes."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(value, str):
        return DoubleQuotedScalarString(value) if _NEXT_LINE in value else value
    if isinstance(value, dict):
        for key in value:
            value[key] = _escaped(value[key])
    elif isinstance(value, list):
        for at, item in enumerate(value):
            value[at] = _escaped(item)
    return value


def _reads_back(data: bytes, value: Any) -> bool:
    try:
        return _same(load(data, ""), value)
    except InvalidFile:
        return True  # a tag that only the round-trip library knows


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other) or (one != one and other != other)


def _decode(data: bytes, path: str) -> str:
    if len(data) > MAX_BYTES:
        raise InvalidFile(path, f"it is bigger than {MAX_BYTES} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidFile(
            path, "it is not UTF-8", line=line, text=text_of_line(data, line)
        ) from None


def _load_like_ruamel(text: str, data: bytes, path: str) -> Any:
    """Reads what libyaml reads otherwise than DVC, with ruamel.yaml's slow parser."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML(typ="safe", pure=True)
    try:
        value = Builder(data, path).build(iter(yaml.parse(text)).__next__)
        if re.search(r"^%YAML", text, re.MULTILINE):
            value = yaml.load(text)  # the limits hold; this one knows the rules of each version
    except YAMLError as error:
        _refuse(error, data, path)
    except ValueError as error:
        raise InvalidFile(path, str(error)) from None
    return value


def _refuse(error: Any, data: bytes, path: str) -> NoReturn:
    """Raises InvalidFile for an error of either YAML library."""
    conflict = _CONFLICT.search(data)
    if conflict:
        line = data.count(b"\n", 0, conflict.start()) + 1
        raise InvalidFile(
            path,
            "it holds the marks of a merge conflict",
            line=line,
            text=text_of_line(data, line),
            hint="resolve the conflict, then repeat the command",
        ) from None
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:  # a character that YAML forbids
        character = getattr(error, "character", "?")
        code = ord(character) if isinstance(character, str) else character
        # libyaml counts bytes, ruamel.yaml characters; looking for the character serves both.
        line = data.count(b"\n", 0, max(data.find(chr(code).encode()), 0)) + 1
        raise InvalidFile(path, f"the character #x{code:04x} is not allowed", line=line) from None
    problem = getattr(error, "problem", None) or "it is not YAML"
    raise InvalidFile(
        path,
        problem,
        line=mark.line + 1,
        column=mark.column + 1,
        text=text_of_line(data, mark.line + 1),
    ) from None
