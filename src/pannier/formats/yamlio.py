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
from typing import Any, NoReturn

from pannier.core.errors import InvalidFile
from pannier.formats.yaml_scalars import construct_tagged, resolve_plain

MAX_BYTES = 16 * 1024 * 1024
MAX_NODES = 2_000_000
MAX_DEPTH = 64
MAX_ALIAS_GROWTH = 10
"""How much bigger than its text a document may become when its aliases are written out ..."""
ALIAS_FREE_NODES = 100_000
"""... once it is bigger than this: a few hundred uses of a long anchor are no attack.

All limits: docs/durability.md, hostile input S9 (an alias bomb once took all memory)."""

SHOWN_BYTES = 200
_RUAMEL_RETRY_BYTES = 256 * 1024
_NOT_AS_LIBYAML = re.compile("^%YAML|[\x85\u2028\u2029]", re.MULTILINE)
_CONFLICT = re.compile(rb"^(?:<<<<<<<|>>>>>>>) .*", re.MULTILINE)

SCALAR, MAP_START, MAP_END, SEQ_START, SEQ_END, ALIAS, DOCUMENT, STREAM_END, OTHER = range(9)
_KINDS = {
    "ScalarEvent": SCALAR,
    "MappingStartEvent": MAP_START,
    "MappingEndEvent": MAP_END,
    "SequenceStartEvent": SEQ_START,
    "SequenceEndEvent": SEQ_END,
    "AliasEvent": ALIAS,
    "DocumentStartEvent": DOCUMENT,
    "DocumentEndEvent": OTHER,
    "StreamStartEvent": OTHER,
    "StreamEndEvent": STREAM_END,
}
_NOTHING: Any = object()
_MERGE: Any = object()
_CONTAINER_TAGS = {MAP_START: "map", SEQ_START: "seq"}


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
        return _Builder(data, path).build(yaml.cyaml.CParser(data).get_event)
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


def text_of_line(data: bytes, line: int | None) -> str | None:
    """The text of a line (1-based), for messages."""
    lines = data.splitlines()
    if line is None or not 0 < line <= len(lines):
        return None
    return lines[line - 1][:SHOWN_BYTES].decode("utf-8", "replace")


def dump(value: Any) -> bytes:
    """Writes a new file as DVC does.

    Block style, sequences not indented under their key, plain scalars folded near column 80,
    UTF-8 unescaped, keys in the order of the dict.
    """
    buffer = BytesIO()
    _ruamel().dump(value, buffer)
    return buffer.getvalue()


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
    buffer = BytesIO()
    yaml.dump(root, buffer)
    # ruamel has nowhere to hang the comments of a file that holds nothing else.
    return comments + buffer.getvalue()


def _ruamel() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    return yaml


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
        value = _Builder(data, path).build(iter(yaml.parse(text)).__next__)
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


class _Builder:
    """Turns parser events into values, one document, in one pass and without recursion.

    Keeps a stack of open containers. Each frame: [container, pending key, merged mappings,
    anchor, nodes before it].
    """

    def __init__(self, data: bytes, path: str) -> None:
        self.data = data
        self.path = path
        self.nodes = 0
        self.written_out = 0
        self.anchors: dict[str, tuple[Any, int]] = {}

    def build(self, next_event: Callable[[], Any]) -> Any:
        root: Any = _NOTHING
        kinds: dict[type, int] = {}
        stack: list[list[Any]] = []
        while True:
            event = next_event()
            kind = kinds.get(event.__class__)
            if kind is None:
                kind = kinds[event.__class__] = _KINDS.get(event.__class__.__name__, OTHER)
            if kind == SCALAR:
                value = self._scalar(event, stack)
            elif kind in (MAP_START, SEQ_START):
                self._check_container(event, kind, len(stack))
                stack.append(
                    [{} if kind == MAP_START else [], _NOTHING, [], event, self.written_out]
                )
                continue
            elif kind in (MAP_END, SEQ_END):
                value = self._close(stack.pop())
            elif kind == ALIAS:
                value = self._alias(event)
            elif kind == STREAM_END:
                return None if root is _NOTHING else root
            elif kind == DOCUMENT:
                if root is not _NOTHING:
                    self._fail("expected a single document, but found another", event)
                continue
            else:
                continue
            if stack:
                self._place(value, stack[-1], event)
            else:
                root = value

    def _scalar(self, event: Any, stack: list[list[Any]]) -> Any:
        self._count(event, 1)
        text, tag = event.value, event.tag
        if tag is None or tag == "!":
            if event.style:
                value = text
            elif text == "<<" and stack and isinstance(stack[-1][0], dict):
                value = _MERGE if stack[-1][1] is _NOTHING else text
            else:
                try:
                    value = resolve_plain(text)
                except ValueError as error:
                    self._fail(str(error), event)
        else:
            try:
                value = construct_tagged(str(tag), text)
            except ValueError as error:
                self._fail(str(error), event)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, 1)
        return value

    def _check_container(self, event: Any, kind: int, depth: int) -> None:
        self._count(event, 1)
        if depth >= MAX_DEPTH:
            self._fail(f"it is nested deeper than {MAX_DEPTH} levels", event)
        tag = event.tag
        if tag is not None and str(tag) not in ("!", "tag:yaml.org,2002:" + _CONTAINER_TAGS[kind]):
            self._fail(f"the tag '{tag}' is not supported", event)
        if event.anchor is not None:
            self.anchors.pop(event.anchor, None)

    def _close(self, frame: list[Any]) -> Any:
        container, _, merges, start, before = frame
        if merges:
            own = dict(container)
            container.clear()
            for mapping in reversed(merges):
                container.update(mapping)
            container.update(own)
        if start.anchor is not None:
            self.anchors[start.anchor] = (container, self.written_out - before + 1)
        return container

    def _alias(self, event: Any) -> Any:
        found = self.anchors.get(event.anchor)
        if found is None:
            self._fail(f"found undefined alias '{event.anchor}'", event)
        value, nodes = found
        self._count(event, nodes)
        return value

    def _count(self, event: Any, written_out: int) -> None:
        self.nodes += 1
        self.written_out += written_out
        if self.nodes > MAX_NODES:
            self._fail(f"it holds more than {MAX_NODES} values", event)
        if self.written_out > ALIAS_FREE_NODES and (
            self.written_out > MAX_ALIAS_GROWTH * self.nodes
        ):
            self._fail("its aliases stand for too many values", event)

    def _place(self, value: Any, frame: list[Any], event: Any) -> None:
        container, key = frame[0], frame[1]
        if container.__class__ is list:
            container.append(value)
        elif key is _NOTHING:
            frame[1] = self._key(value, container, frame, event)
        else:
            frame[1] = _NOTHING
            if key is not _MERGE:
                container[key] = value
            else:
                self._merge(value, frame, event)

    def _key(self, key: Any, mapping: dict[Any, Any], frame: list[Any], event: Any) -> Any:
        if key.__class__ is list:
            key = tuple(key)
        try:
            known = key in mapping or (key is _MERGE and frame[2])
        except TypeError:
            self._fail("found unhashable key", event)
        if known:
            self._fail(f'found duplicate key "{"<<" if key is _MERGE else key}"', event)
        return key

    def _merge(self, value: Any, frame: list[Any], event: Any) -> None:
        mappings = value if isinstance(value, list) else [value]
        for mapping in mappings:
            if not isinstance(mapping, dict):
                self._fail("expected a mapping or a list of mappings to merge", event)
        frame[2] = list(mappings)

    def _fail(self, reason: str, event: Any) -> NoReturn:
        mark = event.start_mark
        raise InvalidFile(
            self.path,
            reason,
            line=mark.line + 1,
            column=mark.column + 1,
            text=text_of_line(self.data, mark.line + 1),
        ) from None
