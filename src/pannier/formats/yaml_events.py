"""YAML events to values: one pass, no recursion, and limits against hostile documents.

Takes the events of either parser, libyaml's or ruamel.yaml's: they differ in class, not in kind.
"""

from __future__ import annotations

from collections.abc import Callable

from pannier.core.errors import InvalidFile
from pannier.core.typed import Any, NoReturn
from pannier.formats.yaml_scalars import construct_tagged, resolve_plain

MAX_NODES = 2_000_000
MAX_DEPTH = 64
MAX_ALIAS_GROWTH = 10
"""How much bigger than its text a document may become when its aliases are written out ..."""
ALIAS_FREE_NODES = 100_000
"""... once it is bigger than this: a few hundred uses of a long anchor are no attack.

All limits: docs/durability.md, hostile input S9 (an alias bomb once took all memory)."""

SHOWN_BYTES = 200

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


def text_of_line(data: bytes, line: int | None) -> str | None:
    """The text of a line (1-based), for messages."""
    lines = data.splitlines()
    if line is None or not 0 < line <= len(lines):
        return None
    return lines[line - 1][:SHOWN_BYTES].decode("utf-8", "replace")


class Builder:
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
