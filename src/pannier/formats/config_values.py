"""Single values of a config file: quoting, lists and `%(name)s`, in the dialect of ConfigObj 5.

ConfigObj splits a value by a regular expression that may try very many ways. Here the same ways
are tried in the same order, but none twice: the steps grow with the length and no faster, so that a
hostile file cannot stop the program.
"""

from __future__ import annotations

from collections.abc import Iterator

from pannier.core.errors import ConfigError
from pannier.core.typed import Any

LONGEST = 4096
"""Characters of a value in which options stand for others: a few lines could make it very long."""
DEEPEST = 100
"""Options in a chain of `%(name)s`."""

_LOOSE = " \r\n\v\t'\""


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


def blanks(text: str) -> list[int]:
    """For each place in a text the next one that is not blank; the text's length for none."""
    size = len(text)
    behind = [size] * (size + 1)
    for at in range(size - 1, -1, -1):
        behind[at] = behind[at + 1] if text[at].isspace() else at
    return behind


def is_comment(text: str, at: int) -> bool:
    """True when nothing but a comment follows; at: no blank stands there."""
    return at == len(text) or text[at] == "#"


class _Closing:
    """Quotes behind which a comma stands, and those behind which only a comment does.

    Each answer shortens the way to later ones, so that all of them together take linear time.
    """

    def __init__(self, text: str, mark: str, skip: list[int]) -> None:
        size = len(text)
        self._size = size
        self._commas, self._ends = list(range(1, size + 2)), list(range(1, size + 2))
        at = text.find(mark)
        while at >= 0:
            behind = skip[at + 1]
            if is_comment(text, behind):
                self._ends[at] = at
            elif text[behind] == ",":
                self._commas[at] = at
            at = text.find(mark, at + 1)

    def before_comma(self, at: int) -> int:
        """The first such quote from here on; -1 for none."""
        return self._first(self._commas, at)

    def before_end(self, at: int) -> int:
        return self._first(self._ends, at)

    def forget(self, at: int) -> None:
        """A quote before a comma that need not be looked at again."""
        self._commas[at] = at + 1

    def _first(self, places: list[int], at: int) -> int:
        way = at
        while way < self._size and places[way] != way:
            way = places[way]
        while at < way:
            places[at], at = way, places[at]
        return way if way < self._size else -1


class _Text:
    """The text of a value, and where its quotes may close."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.skip = blanks(text)
        self.closing = {mark: _Closing(text, mark, self.skip) for mark in "'\""}

    def next_starts(self, start: int) -> Iterator[int]:
        """Where a next item may start when one item starts here and a comma follows it.

        A quote is offered once: who asks again comes back from where it led to nothing.
        """
        text = self.text
        if start >= len(text) or text[start] in ",#":
            return
        if text[start] in "'\"":
            closing = self.closing[text[start]]
            end = closing.before_comma(start + 1)
            while end >= 0:
                closing.forget(end)
                yield from self._behind(self.skip[end + 1])
                end = closing.before_comma(end + 1)
            return
        comma = text.find(",", start + 1)
        if comma >= 0 and "#" not in text[start:comma]:
            yield from self._behind(comma)

    def _behind(self, comma: int) -> Iterator[int]:
        after = self.skip[comma + 1]
        yield after
        if after > comma + 1:
            yield after - 1

    def last_end(self, start: int) -> int | None:
        """Where the last item ends when it starts here and only a comment follows; it may be
        empty."""
        text = self.text
        first = text[start : start + 1]
        if first and first in "'\"":
            end = self.closing[first].before_end(start + 1)
            if end >= 0:
                return end + 1
        elif first and first not in ",#" and not first.isspace():
            comma = text.find(",", start)
            hash_ = text.find("#", start, comma if comma >= 0 else len(text))
            if hash_ >= 0 or comma < 0:
                end = hash_ if hash_ >= 0 else len(text)
                return start + len(text[start:end].rstrip())
        return start if is_comment(text, self.skip[start]) else None


def _split(text: str) -> tuple[int, int] | None:
    """Where the last item starts and ends, or None for no value. All before it ends in a comma."""
    known = _Text(text)
    dead: set[int] = set()
    stack = [(0, known.next_starts(0))]
    while stack:
        start, following = stack[-1]
        onward = next((n for n in following if n not in dead), None)
        if onward is not None:
            stack.append((onward, known.next_starts(onward)))
            continue
        end = known.last_end(start)
        if end is not None:
            return start, end
        dead.add(start)
        stack.pop()
    return None


def _items(text: str) -> Iterator[str]:
    """The items of a list whose every item is followed by a comma."""
    known = _Text(text)
    at = 0
    while at < len(text):
        end = known.closing[text[at]].before_comma(at + 1) if text[at] in "'\"" else -1
        if end < 0:
            comma = text.find(",", at)
            if comma < 0:
                return
            yield text[at:comma].rstrip()
        else:
            comma = known.skip[end + 1]
            yield text[at : end + 1]
        at = known.skip[comma + 1]


# -- `%(name)s` ----------------------------------------------------------------------------------


def interpolate(root: dict[str, Any]) -> dict[str, Any]:
    """Replaces `%(name)s` by the option of that name: of the same section or an outer one."""
    return _Interpolation().section(root, [])


def _options(value: str) -> Iterator[tuple[int, int]]:
    """Where each `%(` stands, and the `)s` that ends its name."""
    start = value.find("%(")
    while start >= 0:
        end = value.find(")", start + 2)
        if end < 0:
            return
        if value.startswith("s", end + 1):
            yield start, end
        start = value.find("%(", end + 1)  # no `%(` before this `)` has another end


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
        parts: list[str] = []
        size = done = 0
        for start, end in _options(value):
            parts += [value[done:start], self._option(value[start + 2 : end], scopes)]
            size += len(parts[-1]) + len(parts[-2])
            done = end + 2
            if size > LONGEST:
                break
        self._open.discard(mark)
        if size + len(value) - done > LONGEST:
            raise ConfigError(f'value "{key}" is longer than {LONGEST} characters')
        return "".join([*parts, value[done:]])

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
