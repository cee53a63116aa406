"""What a YAML 1.2 scalar stands for, as DVC reads it."""

from __future__ import annotations

import re
from collections.abc import Callable

from pannier.core.pattern import pattern
from pannier.core.typed import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date

_WORDS = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_NUMBER_STARTS = frozenset("-+.0123456789")
_INT = pattern(
    r"(?P<sign>[-+]?)(?:0b(?P<bin>[01_]+)|0o(?P<oct>[0-7_]+)|0x(?P<hex>[0-9a-fA-F_]+)"
    r"|(?P<dec>[0-9_]+))\Z"
)
# A dot without a digit before it takes an exponent only with its sign: '.5e3' is a string.
_FLOAT = pattern(
    r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?\Z"
    r"|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+\Z"
    r"|[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?\Z"
)
_INFINITE = pattern(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")
_DATE = pattern(r"([0-9]{4})-([0-9]{2})-([0-9]{2})\Z")
_TIME = pattern(
    r"([0-9]{4})-([0-9][0-9]?)-([0-9][0-9]?)(?:[Tt]|[ \t]+)"
    r"([0-9][0-9]?):([0-9]{2}):([0-9]{2})(?:\.([0-9]*))?"
    r"(?:[ \t]*(Z|([-+])([0-9][0-9]?)(?::([0-9]{2}))?))?\Z"
)


def resolve_plain(text: str) -> Any:
    """The value of a plain (unquoted) scalar by the rules of YAML 1.2 and ruamel.yaml.

    So `on` and `1:30` are strings, `010` is ten, `1e3` is a float, `2024-01-31` a date.
    Raises ValueError for what looks like a number or a date and is none.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    if text.isdecimal() and text.isascii():
        return _int(text, 10)
    if _FLOAT.match(text):
        return float(text.replace("_", ""))
    number = _INT.match(text)
    if number:
        return _construct_int(number)
    if _INFINITE.match(text):
        return _infinite(text)
    if _DATE.match(text) or _TIME.match(text):
        return _timestamp(text)
    return text


def construct_tagged(tag: str, text: str) -> Any:
    """The value of a scalar with an explicit tag. Raises ValueError for tags that DVC refuses."""
    build = _TAGGED.get(tag.removeprefix("tag:yaml.org,2002:"))
    if build is None or not tag.startswith("tag:yaml.org,2002:"):
        raise ValueError(f"could not determine a constructor for the tag '{tag}'")
    return build(text)


def _construct_int(number: re.Match[str]) -> int:
    sign = -1 if number["sign"] == "-" else 1
    for group, base in (("dec", 10), ("hex", 16), ("oct", 8), ("bin", 2)):
        if number[group] is not None:
            return sign * _int(number[group].replace("_", ""), base)
    raise ValueError(f"not an integer: {number[0]!r}")


def _int(digits: str, base: int) -> int:
    try:
        return int(digits, base)
    except ValueError:  # no digit but underscores, or Python's limit against slow conversions
        raise ValueError(f"cannot read an integer of {len(digits)} digits") from None


def _infinite(text: str) -> float:
    return float(text.lower().replace(".", ""))


def _timestamp(text: str) -> date:
    from datetime import date, datetime, timedelta, timezone  # few files have dates

    day = _DATE.match(text)
    if day:
        return date(int(day[1]), int(day[2]), int(day[3]))
    match = _TIME.match(text)
    if match is None:
        raise ValueError(f"failed to construct timestamp from {text!r}")
    year, month, dom, hour, minute, second = (int(part) for part in match.groups()[:6])
    # Digits after the sixth only round, and may carry into the second.
    fraction = match[7] or ""
    micros = int(fraction[:6].ljust(6, "0")) + (fraction[6:7] > "4")
    zone = None
    if match[9]:
        offset = timedelta(hours=int(match[10]), minutes=int(match[11] or 0))
        zone = timezone(-offset if match[9] == "-" else offset, match[8])
    elif match[8]:
        zone = timezone(timedelta(0), "Z")
    moment = datetime(year, month, dom, hour, minute, second, tzinfo=zone)
    return moment + timedelta(microseconds=micros)


def _tagged_bool(text: str) -> bool:
    values = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
    if text.lower() not in values:
        raise ValueError(f"not a boolean: {text!r}")
    return values[text.lower()]


def _tagged_int(text: str) -> int:
    number = _INT.match(text)
    if number is None:
        raise ValueError(f"not an integer: {text!r}")
    return _construct_int(number)


def _tagged_float(text: str) -> float:
    if _INFINITE.match(text):
        return _infinite(text)
    return float(text.replace("_", ""))


def _tagged_binary(text: str) -> bytes:
    import base64
    import binascii

    try:
        return base64.decodebytes(text.encode("ascii"))
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError(f"failed to decode base64 data: {error}") from None


_TAGGED: dict[str, Callable[[str], Any]] = {
    "str": str,
    "null": lambda _: None,
    "bool": _tagged_bool,
    "int": _tagged_int,
    "float": _tagged_float,
    "binary": _tagged_binary,
    "timestamp": _timestamp,
}
