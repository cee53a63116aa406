"""Parameter files of every kind to values, and what changed between two readings.

Source: docs/formats.md, section 10.3.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence

from pannier.core.errors import InvalidFile
from pannier.core.typed import Any
from pannier.core.value_diff import same
from pannier.formats import yamlio
from pannier.formats.yaml_events import MAX_DEPTH

_MISSING: Any = object()


def load_params(data: bytes, path: str) -> dict[str, Any]:
    """Reads a parameter file by the extension of path; what has no known one is YAML.

    Returns {} for an empty file. Raises InvalidFile when it cannot be read, passes one of the
    limits of `yamlio`, or is no mapping at the top.
    """
    values = load_any(data, path)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InvalidFile(path, f"expected a dictionary, got '{type(values).__name__}'")
    return values


def load_any(data: bytes, path: str) -> Any:
    """The same for a file that may hold any value; None for an empty one."""
    extension = posixpath.splitext(path)[1].lower()
    return _READERS.get(extension, yamlio.load)(data, path)


def select(values: Mapping[Any, Any], names: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Returns the named values, by name and in the order of names, and the names not there.

    names: `a.b` for a key within a key, `a.0` for an item of a list, negative from its end; no
    names stand for all of the file, by its top-level keys.
    """
    if not names:
        return dict(values), []
    found: dict[str, Any] = {}
    missing = []
    for name in names:
        value = _lookup(values, name)
        if value is _MISSING:
            missing.append(name)
        else:
            found[name] = value
    return found, missing


def picked(values: Mapping[Any, Any], names: Sequence[str]) -> dict[str, Any]:
    """The named values in the shape that they have in a file; what is not there is left out.

    Of a list the items before a named one are None.
    """
    found, _ = select(values, names)
    part = _part(values, [tuple(name.split(".")) for name in found])
    return part if isinstance(part, dict) else {}


def _part(value: Any, paths: list[tuple[str, ...]]) -> Any:
    if () in paths:
        return value
    groups: dict[str, list[tuple[str, ...]]] = {}
    for first, *rest in paths:
        groups.setdefault(first, []).append(tuple(rest))
    if isinstance(value, list):
        places = {int(first) % len(value): rest for first, rest in groups.items()}
        return [
            _part(value[at], places[at]) if at in places else None for at in range(max(places) + 1)
        ]
    keys = {str(key): key for key in value}
    return {first: _part(value[keys[first]], rest) for first, rest in groups.items()}


def metrics_of(value: Any) -> Any:
    """What counts as a metric in a value: numbers, texts, truth values and mappings of them; None
    for what does not."""
    if isinstance(value, dict):
        kept = {key: metrics_of(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None and item != {}}
    return value if isinstance(value, str | int | float) else None


def diff_params(
    locked: Mapping[str, Any], now: Mapping[Any, Any], wanted: Sequence[str]
) -> dict[str, str]:
    """Says of each parameter that differs whether it is "modified", "new" or "deleted".

    locked: values by name as in dvc.lock. now: the file as `load_params` has it. wanted: names as
    in dvc.yaml, empty for the whole file. Values compare as Python's do: 1 equals 1.0 and true.
    What is neither locked nor there is "deleted", as DVC has it.
    """
    found, _ = select(now, wanted)
    names = wanted or [*found, *(name for name in locked if name not in found)]
    states = {}
    for name in names:
        if name not in found:
            states[name] = "deleted"
        elif name not in locked:
            states[name] = "new"
        elif not same(locked[name], found[name]):
            states[name] = "modified"
    return states


def _lookup(values: Any, name: str) -> Any:
    for part in name.split("."):
        if isinstance(values, dict):
            values = values[part] if part in values else _by_text(values, part)
        elif isinstance(values, list):
            try:
                values = values[int(part)]
            except (ValueError, IndexError):
                return _MISSING
        else:
            return _MISSING
        if values is _MISSING:
            return _MISSING
    return values


def _by_text(mapping: dict[Any, Any], part: str) -> Any:
    """The value under a key that is no string, such as the int 1 for '1'."""
    for key, value in mapping.items():
        if not isinstance(key, str) and str(key) == part:
            return value
    return _MISSING


def _load_python(data: bytes, path: str) -> Any:
    # With it comes Python's own parser.
    from pannier.formats import python_values

    return python_values.parse(data, path)


def load_json(data: bytes, path: str) -> Any:
    """JSON, whatever the file is called. Raises InvalidFile as `load_params` does."""
    import json

    text = _decode(data, path)
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidFile(path, error.msg, line=error.lineno, column=error.colno) from None
    except (RecursionError, ValueError) as error:
        raise InvalidFile(path, f"it cannot be read: {error}") from None
    return _checked(found, path)


def _checked(found: Any, path: str) -> Any:
    """The value of a file; as deep as YAML may be, so that nobody has to think of the depth."""
    if _is_deeper(found, MAX_DEPTH):
        raise InvalidFile(path, f"it is nested deeper than {MAX_DEPTH} levels")
    return found


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _load_toml(data: bytes, path: str) -> Any:
    import tomllib  # 5 ms that few projects need

    text = _decode(data, path)
    try:
        return _checked(tomllib.loads(text), path)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise InvalidFile(path, str(error)) from None


def _decode(data: bytes, path: str) -> str:
    if len(data) > yamlio.MAX_BYTES:
        raise InvalidFile(path, f"it is bigger than {yamlio.MAX_BYTES} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidFile(path, "it is not UTF-8") from None


_READERS: dict[str, Callable[[bytes, str], Any]] = {
    ".json": load_json,
    ".toml": _load_toml,
    ".py": _load_python,
}
