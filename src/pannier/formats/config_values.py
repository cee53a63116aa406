"""Single values of a config file: quoting, lists and `%(name)s`, in the dialect of ConfigObj 5.

ConfigObj splits a value by a regular expression that may try very many ways. Here the same ways
are tried in the same order, but no position twice, so that a hostile file cannot stop the program.
"""

from __future__ import annotations

from collections.abc import Iterator

from pannier.core.errors import ConfigError
from pannier.core.pattern import pattern
from pannier.core.typed import Any

LONGEST = 8192
"""Characters of a value with quotes or commas: what is longer is refused, not searched through."""
DEEPEST = 100
"""Options in a chain of `%(name)s`."""

_LOOSE = " \r\n\v\t'\""
_OPTION = pattern(r"%\(([^)]*)\)s")


class BadValue(Exception):
    """A line that cannot be read. The message lacks the line's number."""


# -- reading -------------------------------------------------------------------------------------


def is_plain(text: str) -> bool:
    """True for a value that stands for itself: no quotes, no list, no comment."""
    return not ("'" in text or '"' in text or "," in text or "#" in text)


def unquote(text: str) -> str:
    if not text:
        raise BadValue("Parse error in value")
    return text[1:-1] if text[0] == text[-1] and text[0] in "'\"" else text


def scan_value(text: str) -> tuple[str | list[str], str]:
    """(value, comment) of the text behind `=`. A comma makes a list, `#` starts a comment."""
    if len(text) > LONGEST:
        raise BadValue(f"Value longer than {LONGEST} characters")
    found = _split(text)
    if found is None:
        rest = text[1:].strip()
        if text[0] == "," and (not rest or rest[0] == "#"):
            return [], rest
        raise BadValue("Parse error in value")
    start, end = found
    comment = text[end:].strip()
    last = text[start:end]
    if start == 0:
        return unquote(last or '""'), comment
    items = [unquote(item) for item in _items(text[:start])]
    return [*items, unquote(last)] if last else items, comment


def _split(text: str) -> tuple[int, int] | None:
    """Where the last item starts and ends, or None for no value. All before it ends in a comma."""
    dead: set[int] = set()
    stack = [(0, _next_starts(text, 0))]
    while stack:
        start, following = stack[-1]
        onward = next((n for n in following if n not in dead), None)
        if onward is not None:
            stack.append((onward, _next_starts(text, onward)))
            continue
        end = _last_end(text, start)
        if end is not None:
            return start, end
        dead.add(start)
        stack.pop()
    return None


def _next_starts(text: str, start: int) -> Iterator[int]:
    """Where a next item may start when one item starts here and a comma follows it."""
    if start >= len(text) or text[start] in ",#":
        return
    if text[start] in "'\"":
        end = text.find(text[start], start + 1)
        while end >= 0:
            comma = _skip(text, end + 1)
            if comma < len(text) and text[comma] == ",":
                yield from _behind(text, comma)
            end = text.find(text[start], end + 1)
        return
    comma = text.find(",", start + 1)
    if comma >= 0 and "#" not in text[start:comma]:
        yield from _behind(text, comma)


def _behind(text: str, comma: int) -> Iterator[int]:
    after = _skip(text, comma + 1)
    yield after
    if after > comma + 1:
        yield after - 1


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _last_end(text: str, start: int) -> int | None:
    """Where the last item ends when it starts here and only a comment follows; it may be empty."""
    first = text[start : start + 1]
    if first and first in "'\"":
        end = text.find(first, start + 1)
        while end >= 0:
            if _is_comment(text, end + 1):
                return end + 1
            end = text.find(first, end + 1)
    elif first and first not in ",#" and not first.isspace():
        hash_ = text.find("#", start)
        end = hash_ if hash_ >= 0 else len(text)
        if "," not in text[start:end]:
            return start + len(text[start:end].rstrip())
    return start if _is_comment(text, start) else None


def _is_comment(text: str, at: int) -> bool:
    at = _skip(text, at)
    return at == len(text) or text[at] == "#"


def _items(text: str) -> Iterator[str]:
    """The items of a list whose every item is followed by a comma."""
    at = 0
    while at < len(text):
        end = comma = -1
        if text[at] in "'\"":
            end = text.find(text[at], at + 1)
            while end >= 0:
                comma = _skip(text, end + 1)
                if comma < len(text) and text[comma] == ",":
                    break
                end = text.find(text[at], end + 1)
        if end < 0:
            comma = text.find(",", at)
            if comma < 0:
                return
            yield text[at:comma].rstrip()
        else:
            yield text[at : end + 1]
        at = _skip(text, comma + 1)


# -- `%(name)s` ----------------------------------------------------------------------------------


def interpolate(root: dict[str, Any]) -> dict[str, Any]:
    """Replaces `%(name)s` by the option of that name: of the same section or an outer one."""
    return _Interpolation().section(root, [])


class _Interpolation:
    """Every option is resolved once: values that name each other many times cost nothing."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], str] = {}
        self._open: set[tuple[int, str]] = set()

    def section(self, section: dict[str, Any], outer: list[dict[str, Any]]) -> dict[str, Any]:
        scopes = [*outer, section]
        done: dict[str, Any] = {}
        for key, value in section.items():
            if isinstance(value, dict):
                done[key] = self.section(value, scopes)
            elif isinstance(value, list):
                done[key] = [self._replaced(key, item, scopes) for item in value]
            else:
                done[key] = self._replaced(key, value, scopes)
        return done

    def _replaced(self, key: str, value: str, scopes: list[dict[str, Any]]) -> str:
        if "%(" not in value:
            return value
        mark = (id(scopes[-1]), key)
        if mark in self._open or len(self._open) > DEEPEST:
            raise ConfigError(f'interpolation loop detected in value "{key}".')
        self._open.add(mark)
        text = _OPTION.sub(lambda found: self._option(found[1], scopes), value)
        self._open.discard(mark)
        if len(text) > LONGEST:
            raise ConfigError(f'value "{key}" is longer than {LONGEST} characters')
        return text

    def _option(self, name: str, scopes: list[dict[str, Any]]) -> str:
        for depth in range(len(scopes), 0, -1):
            section = scopes[depth - 1]
            for place in (section, section.get("DEFAULT")):
                text = place.get(name) if isinstance(place, dict) else None
                if isinstance(text, str):
                    mark = (id(place), name)
                    if mark not in self._known:
                        self._known[mark] = self._replaced(name, text, scopes[:depth])
                    return self._known[mark]
        raise ConfigError(f'missing option "{name}" in interpolation.')


# -- writing -------------------------------------------------------------------------------------


def quote(value: object, *, lines: bool = True) -> str:
    """A value as the file has it. lines: triple quotes, for line breaks, are possible here."""
    if isinstance(value, list | tuple):
        if not value:
            return ","
        quoted = ", ".join(quote(item, lines=False) for item in value)
        return quoted + "," if len(value) == 1 else quoted
    text = str(value)
    if not text:
        return '""'
    both = "'" in text and '"' in text
    if lines and (both or "\n" in text):
        return _tripled(text)
    if "\n" in text or "\r" in text:
        raise _unquotable(text)
    loose = text[0] in _LOOSE or text[-1] in _LOOSE
    if not (loose or "," in text or "#" in text):
        return text
    if both:
        raise _unquotable(text)
    return f"'{text}'" if '"' in text else f'"{text}"'


def _tripled(text: str) -> str:
    if "'''" not in text:
        return f"'''{text}'''"
    if '"""' not in text:
        return f'"""{text}"""'
    raise _unquotable(text)


def _unquotable(text: str) -> ConfigError:
    return ConfigError(f"the value {text!r} cannot be quoted in a config file")
