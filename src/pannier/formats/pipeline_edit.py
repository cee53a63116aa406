"""Changes of a `dvc.yaml` that its author wrote: only the lines that a change is about.

Where the file is not of the usual form (flow style, anchors across stages, ...), the round-trip
editor of `yamlio` does it, which also rewrites quotes. Source: docs/formats.md, section 10.
"""

from __future__ import annotations

from collections.abc import Collection

from pannier.core.errors import InvalidFile
from pannier.core.typed import Any
from pannier.formats import yamlio
from pannier.formats.template import has_expression

_GENERATED = ("foreach", "do", "matrix")
_INDENT = "  "


def is_parametrized(data: bytes, name: str, file: str) -> bool:
    """True for a stage that is generated or holds expressions: its text stands for others too."""
    raw = _stages(yamlio.load(data, file), file).get(name)
    return not isinstance(raw, dict) or any(key in raw for key in _GENERATED) or has_expression(raw)


def without_stages(data: bytes, names: Collection[str], file: str) -> bytes | None:
    """The file without these stages; None when nothing is left in it."""
    document = yamlio.load(data, file)
    stages = _stages(document, file)
    left = {name: raw for name, raw in stages.items() if name not in names}
    wanted: dict[str, Any] = {**document, "stages": left}
    if not left:
        del wanted["stages"]
        if not any(wanted.values()):
            return None
        return _cut(data, [("stages",)], wanted, file)
    return _cut(data, [("stages", name) for name in names], wanted, file)


def with_frozen(data: bytes, name: str, frozen: bool, file: str) -> bytes:
    """The file with a stage's flag set, or taken away."""
    document = yamlio.load(data, file)
    raw = _stages(document, file)[name]
    if raw.get("frozen", False) is frozen and not (not frozen and "frozen" in raw):
        return data
    changed = {key: value for key, value in raw.items() if frozen or key != "frozen"}
    if frozen:
        changed["frozen"] = True
    wanted = {**document, "stages": {**document["stages"], name: changed}}
    if not frozen:
        return _cut(data, [("stages", name, "frozen")], wanted, file)
    span = yamlio.lines_of(data, ("stages", name, "frozen" if "frozen" in raw else "cmd"))
    body = yamlio.lines_of(data, ("stages", name))
    if span is not None and body is not None:
        lines = data.splitlines(keepends=True)
        text = b" " * span.indent + b"frozen: true\n"
        if "frozen" in raw:
            lines[span.start : span.stop] = [text]
        else:
            if not lines[body.stop - 1].endswith(b"\n"):
                lines[body.stop - 1] += b"\n"
            lines.insert(body.stop, text)
        changed_text = b"".join(lines)
        if _reads_as(changed_text, wanted):
            return changed_text

    def change(root: Any) -> None:
        root["stages"][name]["frozen"] = True

    return yamlio.edit(data, change, file)


def _cut(data: bytes, places: list[tuple[str, ...]], wanted: dict[str, Any], file: str) -> bytes:
    """The file without the values at these places, which leaves wanted."""
    lines = data.splitlines(keepends=True)
    spans = [yamlio.lines_of(data, place) for place in places]
    known = [span for span in spans if span is not None]
    if len(known) == len(spans):
        for span in sorted(known, key=lambda one: one.start, reverse=True):
            del lines[span.start : span.stop]
        if _reads_as(b"".join(lines), wanted):
            return b"".join(lines)

    def change(root: Any) -> None:
        for *way, last in places:
            node = root
            for key in way:
                node = node[key]
            del node[last]

    return yamlio.edit(data, change, file)


def _stages(document: Any, file: str) -> dict[str, Any]:
    stages = document.get("stages") if isinstance(document, dict) else None
    if stages is None:
        stages = {}
    if not isinstance(stages, dict):
        raise InvalidFile(file, "expected a dictionary")
    return stages


def _reads_as(data: bytes, wanted: dict[str, Any]) -> bool:
    """Tells whether a text that was put together by lines means what it should."""
    try:
        return bool(yamlio.load(data, "") == wanted)
    except InvalidFile:
        return False


def with_stage(data: bytes | None, name: str, definition: dict[str, Any], file: str) -> bytes:
    """The file with a stage: a new one at the end of the others, or in the place of the old one.

    data: None or empty for a new file. definition: keys in the order in which they are written; of
    an old stage `desc` and `meta` stay where the new one has none, and comments where the keys do.
    """
    document = (yamlio.load(data, file) if data is not None else None) or {}
    stages = _stages(document, file)
    if not document:
        return (data or b"") + yamlio.dump({"stages": {name: definition}})
    if name not in stages:
        appended = _appended(data or b"", name, definition, document, file)
        if appended is not None:
            return appended

    def change(root: Any) -> None:
        if root.get("stages") is None:
            root["stages"] = {}
        old = root["stages"].get(name)
        if not isinstance(old, dict):
            root["stages"][name] = definition
            return
        kept = {key: old[key] for key in ("desc", "meta") if key in old}
        _become(old, {**kept, **definition})

    return yamlio.edit(data or b"", change, file)


def _appended(
    data: bytes, name: str, definition: dict[str, Any], document: dict[str, Any], file: str
) -> bytes | None:
    """The file with the lines of a new stage behind the last one; None where it is of another
    form than DVC's."""
    if not document.get("stages"):
        return None
    last = yamlio.lines_of(data, ("stages", next(reversed(document["stages"]))))
    if last is None or last.indent != len(_INDENT):
        return None
    lines = data.splitlines(keepends=True)
    text = yamlio.dump({"stages": {name: definition}}).partition(b"\n")[2]
    if not lines[last.stop - 1].endswith(b"\n"):
        lines[last.stop - 1] += b"\n"
    lines.insert(last.stop, text)
    wanted = {**document, "stages": {**document["stages"], name: definition}}
    changed = b"".join(lines)
    return changed if _reads_as(changed, wanted) else None


def _become(old: Any, new: dict[str, Any]) -> None:
    """Makes a mapping of the editor's like another one, keeping what its author wrote."""
    for key in [key for key in old if key not in new]:
        del old[key]
    for at, (key, value) in enumerate(new.items()):
        if key not in old:
            old.insert(at, key, value)
        elif old[key] != value:
            old[key] = value
