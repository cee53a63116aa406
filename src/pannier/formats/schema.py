"""Checking what a YAML file holds: shapes, kinds and the words for what is wrong.

The words are those of DVC, which users and tools know. Source: docs/commands.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pannier.core.digest import LEGACY, MD5
from pannier.core.errors import InvalidFile
from pannier.core.typed import Any, NoReturn
from pannier.formats import yamlio
from pannier.formats.yaml_events import text_of_line

Keys = tuple[str | int, ...]
Check = Callable[[Any], str | None]
"""A value -> what is wrong with it, or None."""
Schema = Mapping[str, Check]


class Reader:
    """One file being read: says where in it a fault lies. file: root-relative, as shown."""

    def __init__(self, file: str, data: bytes) -> None:
        self.file = file
        self.data = data

    def fail(self, reason: str, keys: Keys = ()) -> NoReturn:
        """Raises InvalidFile in DVC's words: reason, the keys that lead there, line and column."""
        place = yamlio.position_of(self.data, keys)
        line, column = place or (None, None)
        where = f", in {' -> '.join(map(str, keys))}" if keys else ""
        shown = text_of_line(self.data, line)
        raise InvalidFile(self.file, reason + where, line=line, column=column, text=shown)

    def mapping(self, value: Any, schema: Schema, keys: Keys) -> dict[str, Any]:
        """Returns value when it is a mapping whose keys and kinds the schema allows."""
        if not isinstance(value, dict):
            self.fail("expected a dictionary", keys)
        for key, item in value.items():
            check = schema.get(key)
            if check is None:
                self.fail("extra keys not allowed", (*keys, key))
            reason = check(item)
            if reason is not None:
                self.fail(reason, (*keys, key))
        return value

    def sequence(self, value: Any, keys: Keys) -> list[Any]:
        if not isinstance(value, list):
            self.fail("expected a list", keys)
        return value


def text(value: Any) -> str | None:
    if not isinstance(value, str):
        return "expected str"
    return "it contains a NUL character" if "\0" in value else None


def optional_text(value: Any) -> str | None:
    return None if value is None else text(value)


def flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "expected bool"


def anything(value: Any) -> None:
    return None


def number(value: Any) -> str | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return "expected int"
    return None if value >= 0 else "expected a number that is not negative"


def checksum(value: Any) -> str | None:
    """A checksum: absent, empty, or three characters or more. YAML makes ints of some."""
    if value is None or value == "":
        return None
    shown = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return None if isinstance(shown, str) and len(shown) >= 3 else "not a valid value"


def texts(value: Any) -> str | None:
    if not isinstance(value, list):
        return "expected a list"
    return next(("expected str" for item in value if not isinstance(item, str)), None)


def mapping(value: Any) -> str | None:
    return None if isinstance(value, dict) else "expected a dictionary"


def listing(value: Any) -> str | None:
    return None if isinstance(value, list) else "expected a list"


def flag_or_mapping(value: Any) -> str | None:
    return None if isinstance(value, bool | dict) else "not a valid value"


def text_or_mapping(value: Any) -> str | None:
    return None if isinstance(value, str | dict) else "not a valid value"


def hash_name(value: Any) -> str | None:
    return None if value in (MD5, LEGACY) else "not a valid value"
