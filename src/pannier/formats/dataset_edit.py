"""The `datasets` of a `dvc.yaml` or of its lock file: one entry changed, all else as it was.

Source: docs/formats.md, section 12.
"""

from __future__ import annotations

from collections.abc import Callable

from pannier.core.errors import InvalidFile, PannierError
from pannier.core.typed import Any
from pannier.formats import yamlio
from pannier.formats.lockfile import SCHEMA, make_floats_exact
from pannier.formats.template import has_expression

_KEY = "datasets"


def recorded(data: bytes, file: str) -> dict[str, dict[str, Any]]:
    """The entries of a lock file by name. Raises InvalidFile."""
    found: dict[str, dict[str, Any]] = {}
    for entry in _listed(yamlio.load(data, file), file):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise InvalidFile(file, "an entry of 'datasets' has no name")
        found[entry["name"]] = entry
    return found


def declare(data: bytes | None, entry: dict[str, Any], file: str) -> bytes:
    """The `dvc.yaml` with a data set: in the place of the one of its name, else at the end.

    data: None for a new file. Raises InvalidFile, PannierError for one that holds expressions.
    """
    document = (yamlio.load(data, file) if data is not None else None) or {}
    if not document:
        return (data or b"") + yamlio.dump({_KEY: [entry]})
    return _changed(data or b"", document, entry, file)


def record(data: bytes | None, entry: dict[str, Any], file: str) -> bytes:
    """The lock file with an entry. data: None for a new file. Raises InvalidFile."""
    if data is None:
        return yamlio.dump({"schema": SCHEMA, _KEY: [entry], "stages": {}})
    return _changed(data, yamlio.load(data, file), entry, file, make_floats_exact)


def refuse_parametrized(data: bytes | None, name: str, file: str) -> None:
    """Raises PannierError when the text of a data set holds expressions, so stands for others."""
    listed = _listed(yamlio.load(data, file), file) if data is not None else []
    own = [one for one in listed if isinstance(one, dict) and one.get("name") == name]
    if not own or has_expression(own[-1]):
        raise PannierError(
            "cannot update a parametrized dataset entry", hint=f"edit '{file}' by hand"
        )


def _listed(document: Any, file: str) -> list[Any]:
    found = document.get(_KEY) if isinstance(document, dict) else None
    if found is not None and not isinstance(found, list):
        raise InvalidFile(file, "expected a list in 'datasets'")
    return found or []


def _changed(
    data: bytes,
    document: Any,
    entry: dict[str, Any],
    file: str,
    settle: Callable[[Any], None] = lambda root: None,
) -> bytes:
    if not isinstance(document, dict):
        raise InvalidFile(file, "expected a dictionary")
    listed = _listed(document, file)
    names = [one.get("name") if isinstance(one, dict) else None for one in listed]
    at = len(names) - 1 - names[::-1].index(entry["name"]) if entry["name"] in names else None
    whole = [*listed, entry] if at is None else [*listed[:at], entry, *listed[at + 1 :]]
    wanted = {**document, _KEY: whole}
    text = _spliced(data, entry, at, len(listed), is_new=_KEY not in document)
    if text is not None and _reads_as(text, wanted):
        return text

    def change(root: Any) -> None:
        if not root.get(_KEY):
            root[_KEY] = []
        if at is None:
            root[_KEY].append(entry)
        else:
            old = root[_KEY][at]
            for key in [key for key in old if key not in entry]:
                del old[key]
            old.update(entry)
        settle(root)

    return yamlio.edit(data, change, file)


def _spliced(
    data: bytes, entry: dict[str, Any], at: int | None, count: int, *, is_new: bool
) -> bytes | None:
    """The text with the lines of an entry exchanged or put behind the others; None where it is
    not one block, or where the old lines hold a comment."""
    lines = data.splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines[-1] += b"\n"
    text = yamlio.dump({_KEY: [entry]})
    if is_new:
        return b"".join([*lines, text])
    span = yamlio.lines_of(data, (_KEY,))
    if span is None or span.stop - span.start < 2:
        return None
    body = lines[span.start + 1 : span.stop]
    mark = next((line for line in body if line.lstrip().startswith(b"- ")), b"")
    indent = mark[: len(mark) - len(mark.lstrip())]
    starts = [number for number, line in enumerate(body) if line.startswith(indent + b"- ")]
    if len(starts) != count:
        return None
    new = [indent + line for line in text.splitlines(keepends=True)[1:]]
    if at is None:
        return b"".join([*lines[: span.stop], *new, *lines[span.stop :]])
    start = starts[at]
    stop = starts[at + 1] if at + 1 < count else len(body)
    while stop > start and body[stop - 1].lstrip()[:1] in (b"", b"#"):
        stop -= 1  # blank lines and comments before the next entry
    if b"#" in b"".join(body[start:stop]):
        return None
    body[start:stop] = new
    return b"".join([*lines[: span.start + 1], *body, *lines[span.stop :]])


def _reads_as(data: bytes, wanted: dict[str, Any]) -> bool:
    """Tells whether a text that was put together by lines means what it should."""
    try:
        return bool(yamlio.load(data, "") == wanted)
    except InvalidFile:
        return False
