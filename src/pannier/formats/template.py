"""`${...}` expressions: what they name, and what becomes of a text that holds them.

There are no operators: an expression is a path into the variables. Source: docs/formats.md,
sections 11.2 and 11.3.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from pannier.core.errors import InvalidFile, PannierError
from pannier.core.pattern import pattern
from pannier.core.record import dataclass
from pannier.core.typed import Any, NoReturn
from pannier.formats import yamlio

MAX_TEXT = 64 * 1024 * 1024
MAX_VALUES = 2_000_000
"""What one file's expressions may grow to, in characters and values: a small file with much
repetition must not take all memory (docs/durability.md, hostile input S9)."""

_REFERENCE = pattern(r"[^.\[\]]+(?:\.[^.\[\]]+|\[[^.\[\]]+\]\s*)*\Z")
_PART = pattern(r"\[([^.\[\]]+)\]\s*|\.?([^.\[\]]+)")
_SEVERAL_COMMANDS = pattern(r"[;&|<>`\n]|\$\(")
"""What makes more of a pasted text than words."""
_SHELL_SPECIAL = pattern(r"""[\s;&|<>()$`\\"'*?#~!{}\[\]]""")
_MISSING: Any = object()

Place = tuple[str | int, ...]
"""The keys that lead to a value in the file: ("stages", "train", "cmd")."""


class Unresolved(InvalidFile):
    """Expressions or variables that make no sense; the message is all of DVC's words."""

    def __init__(self, path: str, message: str, *, line: int | None = None) -> None:
        super().__init__(path, message, line=line)
        PannierError.__init__(self, message)


@dataclass(frozen=True, slots=True)
class CommandStyle:
    """How a mapping becomes command-line options: the settings parsing.bool and parsing.list.

    bools: "store_true" (false is left out) or "boolean_optional" (false is `--no-x`).
    lists: "nargs" (`--x 1 2`) or "append" (`--x 1 --x 2`).
    """

    bools: str = "store_true"
    lists: str = "nargs"


@dataclass(frozen=True, slots=True)
class Reference:
    """One expression. names: the keys as written, blanks included; text: what stood in `${}`."""

    names: tuple[str, ...]
    text: str

    @property
    def shown(self) -> str:
        return ".".join(self.names)


Template = tuple[str | Reference, ...]


def has_expression(value: Any) -> bool:
    """Tells whether a text, or any text within a value, holds `${` (even an escaped one)."""
    if isinstance(value, str):
        return "${" in value
    if isinstance(value, dict):
        return any(has_expression(key) or has_expression(item) for key, item in value.items())
    return isinstance(value, list) and any(map(has_expression, value))


def split(text: str) -> Iterator[str | tuple[str]]:
    """Yields the pieces of a text: plain ones, and what stands in each `${}` as a 1-tuple.

    An expression ends at the first `}` of its line; `\\${` starts none. In linear time.
    """
    plain_from = at = 0
    line_end = -1
    while (start := text.find("${", at)) >= 0:
        if start and text[start - 1] == "\\":
            at = start + 2
            continue
        if start > line_end:
            line_end = text.find("\n", start)
            line_end = len(text) if line_end < 0 else line_end
        end = text.find("}", start, line_end)
        if end < 0:
            at = line_end
            continue
        if start > plain_from:
            yield text[plain_from:start]
        yield (text[start + 2 : end],)
        plain_from = at = end + 1
    if plain_from < len(text):
        yield text[plain_from:]


def lookup(values: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The value that names lead to; list positions may be negative. Raises KeyError."""
    node: Any = values
    for name in names:
        key = name.strip()
        if isinstance(node, dict):
            node = node.get(key, _MISSING)
        elif isinstance(node, list):
            try:
                node = node[int(key)]
            except (ValueError, IndexError):
                node = _MISSING
        else:
            node = _MISSING
        if node is _MISSING:
            raise KeyError(names)
    return node


def to_text(value: Any) -> str:
    """A scalar as it stands in a longer text, a name of a generated stage, or a key."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


class Resolver:
    """Replaces expressions in the values of one file.

    file: root-relative, as shown. data: its bytes, to tell the line of a fault.
    """

    def __init__(self, file: str, data: bytes, style: CommandStyle) -> None:
        self.file = file
        self.data = data
        self.style = style
        self.warnings: list[str] = []
        """Sentences for those who are about to run a command."""
        self._templates: dict[str, Template] = {}
        self._text_left = MAX_TEXT
        self._values_left = MAX_VALUES

    def fail(self, what: str, reason: str, place: Place, verb: str = "parse") -> NoReturn:
        """Raises Unresolved. reason: starts with a blank or a newline, as DVC has it."""
        line = yamlio.line_of(self.data, place)
        raise Unresolved(self.file, f"failed to {verb} {what} in '{self.file}':{reason}", line=line)

    def value(
        self,
        raw: Any,
        variables: Mapping[str, Any],
        shown: str,
        place: Place,
        *,
        collections: bool = False,
    ) -> Any:
        """Returns raw with all its expressions replaced, in keys as well.

        A text that is nothing but one expression becomes the value itself, of its own type; a
        list or mapping only with collections. shown: the place in DVC's words,
        'stages.train.deps'.
        """
        if isinstance(raw, str):
            if "${" not in raw:
                return raw
            return self._text(raw, variables, shown, place, collections)
        if isinstance(raw, dict):
            self.spend(len(raw), place)
            return {
                self._key(key, variables, shown, place): self.value(
                    item, variables, shown, place, collections=collections
                )
                for key, item in raw.items()
            }
        if isinstance(raw, list):
            self.spend(len(raw), place)
            return [
                self.value(item, variables, shown, place, collections=collections) for item in raw
            ]
        return raw

    def command(self, raw: str, variables: Mapping[str, Any], shown: str, place: Place) -> Any:
        """As `value` for a command: a mapping within it becomes command-line options."""
        if "${" not in raw:
            return raw
        return self._text(raw, variables, shown, place, False, options=True)

    def _key(self, key: Any, variables: Mapping[str, Any], shown: str, place: Place) -> Any:
        if not isinstance(key, str) or "${" not in key:
            return key
        return to_text(self._text(key, variables, shown, place, False))

    def _text(
        self,
        raw: str,
        variables: Mapping[str, Any],
        shown: str,
        place: Place,
        collections: bool,
        options: bool = False,
    ) -> Any:
        template = self._templates.get(raw)
        if template is None:
            template = self._templates[raw] = self._compile(raw, shown, place)
        if len(template) == 1 and isinstance(template[0], Reference):
            value = self._find(template[0], variables, shown, place)
            if isinstance(value, list | dict) and not collections:
                self._refuse(value, shown, place)
            return value
        texts = []
        for part in template:
            if isinstance(part, str):
                texts.append(part)
                continue
            value = self._find(part, variables, shown, place)
            if isinstance(value, dict) and options:
                texts.append(self._options(value, shown, place))
            elif isinstance(value, list | dict):
                self._refuse(value, shown, place)
            else:
                texts.append(to_text(value))
                if options and _SEVERAL_COMMANDS.search(texts[-1]):
                    self._warn_of_pasted(shown, part)
            self._spend_text(len(texts[-1]), place)
        return "".join(texts).replace("\\${", "${")

    def _warn_of_pasted(self, shown: str, part: Reference) -> None:
        self.warnings.append(
            f"'{shown}' of '{self.file}' takes in a text from '${{{part.shown}}}' that the shell"
            " reads as more than words"
        )

    def _compile(self, raw: str, shown: str, place: Place) -> Template:
        parts: list[str | Reference] = []
        for piece in split(raw):
            if isinstance(piece, str):
                parts.append(piece)
                continue
            text = piece[0]
            if not _REFERENCE.match(text):
                self.fail(f"'{shown}'", f"\n'${{{text}}}' is not a name in the variables", place)
            names = tuple(a or b for a, b in _PART.findall(text))
            parts.append(Reference(names, text))
        return tuple(parts)

    def _find(
        self, reference: Reference, variables: Mapping[str, Any], shown: str, place: Place
    ) -> Any:
        try:
            return lookup(variables, reference.names)
        except KeyError:
            self.fail(f"'{shown}'", f" Could not find '{reference.shown}'", place)

    def _refuse(self, value: Any, shown: str, place: Place) -> NoReturn:
        kind = type(value).__name__
        self.fail(f"'{shown}'", f"\nCannot interpolate data of type '{kind}'", place)

    def _options(self, mapping: dict[str, Any], shown: str, place: Place) -> str:
        """A mapping as options, in its order, nested keys joined by dots; texts are quoted."""
        words: list[str] = []
        for name, value in _flat(mapping, ""):
            option = f"--{name}"
            # DVC pastes a key into the shell as it is; quoted, it can run nothing.
            option = shlex.quote(option) if _SHELL_SPECIAL.search(option) else option
            if isinstance(value, bool):
                if value:
                    words.append(option)
                elif self.style.bools == "boolean_optional":
                    words.append(option.replace("--", "--no-", 1))
            elif isinstance(value, list):
                if not value:
                    continue
                if any(isinstance(item, list | dict) for item in value):
                    self.fail(
                        f"'{shown}'", f"\nCannot interpolate nested iterable in '{name}'", place
                    )
                items = [_quoted(item) for item in value]
                if self.style.lists == "append":
                    words.extend(f"{option} {item}" for item in items)
                else:
                    words.extend([option, *items])
            else:
                words.extend([option, _quoted(value)])
        return " ".join(words)

    def spend(self, count: int, place: Place) -> None:
        """Takes values off what this file may stand for. Raises InvalidFile when it is too much."""
        self._values_left -= count
        if self._values_left < 0:
            self._too_much(f"it stands for more than {MAX_VALUES} values", place)

    def _spend_text(self, count: int, place: Place) -> None:
        self._text_left -= count
        if self._text_left < 0:
            self._too_much(f"its expressions make more than {MAX_TEXT} characters", place)

    def _too_much(self, reason: str, place: Place) -> NoReturn:
        raise InvalidFile(self.file, reason, line=yamlio.line_of(self.data, place))


def _flat(mapping: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in mapping.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _quoted(value: Any) -> str:
    return shlex.quote(value) if isinstance(value, str) else str(value)
