"""What differs between two readings of values: parameters or metrics, file by file."""

from __future__ import annotations

from collections.abc import Container, Mapping

from pannier.core.typed import Any

Change = dict[str, Any]
"""{"old": value, "new": value}, None for one that is not there; between numbers "diff", too."""

_Keys = tuple[Any, ...]
_NOT_A_MAPPING = "unable to parse"


def compare(
    old: Mapping[str, Any], new: Mapping[str, Any], *, unchanged: bool = False
) -> dict[str, dict[str, Change]]:
    """File -> name of a value, keys joined by dots -> how it changed; files in the order of new.

    old, new: file -> what it holds. unchanged: values that are the same are there, too. A file that
    holds no mapping has one value, named ''. Lists are compared as wholes, as their text.
    """
    found = {}
    for path in dict.fromkeys([*new, *old]):
        changes = _of_file(_prepared(old.get(path, {})), _prepared(new.get(path, {})), unchanged)
        if changes:
            found[path] = changes
    return found


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal as Python's are, but that what is no number (NaN) equals itself:
    else a file of which nobody changed anything would differ from its own record for ever."""
    return bool(one == other) or bool(_comparable(one) == _comparable(other))


_NO_NUMBER = object()


def _comparable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _comparable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([_comparable(item) for item in value])
    return _NO_NUMBER if isinstance(value, float) and value != value else value


def flattened(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """Every value by its keys, joined by dots; a key of one part stays what it is. Lists as text;
    mappings that are empty are left out.

    Where two values would have one name, as `a.b` and what `a` holds as `b`, keys with a dot in
    them stand in quotes in all names of the file.
    """
    return _named(_by_keys(values))[0]


def _by_keys(values: Mapping[Any, Any]) -> dict[_Keys, Any]:
    found: dict[_Keys, Any] = {}
    # By hand: a value may be nested as deep as a reader allows.
    pending: list[tuple[_Keys, Any]] = [((key,), value) for key, value in values.items()][::-1]
    while pending:
        keys, value = pending.pop()
        if isinstance(value, Mapping):
            pending += [((*keys, key), item) for key, item in value.items()][::-1]
        else:
            found[keys] = _prepared(value)
    return found


def _named(*sides: dict[_Keys, Any]) -> list[dict[Any, Any]]:
    """The same by names; one value has the same name on all sides."""
    names = {
        keys: keys[0] if len(keys) == 1 else ".".join(map(str, keys))
        for side in sides
        for keys in side
    }
    if len({str(name) for name in names.values()}) < len(names):
        others = {str(key) for keys in names for key in keys if not isinstance(key, str)}
        names = {keys: ".".join(_quoted(key, others) for key in keys) for keys in names}
    return [{names[keys]: value for keys, value in side.items()} for side in sides]


def _quoted(key: Any, others: Container[str]) -> str:
    """A key as no other one is written. others: the texts of keys that are no text."""
    if not isinstance(key, str):
        return f"({key})" if "." in str(key) else str(key)
    if key in others or not key or any(sign in key for sign in '."('):
        return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return key


def _prepared(value: Any) -> Any:
    return str(value) if isinstance(value, list) else value


def _of_file(old: Any, new: Any, unchanged: bool) -> dict[str, Change]:
    if isinstance(old, Mapping) or isinstance(new, Mapping):
        before, after = _named(*(_by_keys(v) if isinstance(v, Mapping) else {} for v in (old, new)))
        names = dict.fromkeys([*after, *before])
        missing = {id(side): _of_missing(raw) for side, raw in ((before, old), (after, new))}
        changes = {
            name: _change(
                before.get(name, missing[id(before)]),
                after.get(name, missing[id(after)]),
                unchanged,
            )
            for name in names
        }
        return {name: change for name, change in changes.items() if change is not None}
    change = _change(old, new, unchanged)
    return {} if change is None else {"": change}


def _of_missing(raw: Any) -> str | None:
    """What stands for a value of a file that holds no mapping, while the other side's does."""
    return _NOT_A_MAPPING if raw and not isinstance(raw, Mapping) else None


def _change(old: Any, new: Any, unchanged: bool) -> Change | None:
    if not unchanged and same(old, new):
        return None
    change: Change = {"old": old, "new": new}
    if isinstance(old, int | float) and isinstance(new, int | float):
        try:
            change["diff"] = new - old
        except OverflowError:  # an int beyond all floats, less a float
            pass
    return change
