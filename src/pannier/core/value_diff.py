"""What differs between two readings of values: parameters or metrics, file by file."""

from __future__ import annotations

from collections.abc import Mapping

from pannier.core.typed import Any

Change = dict[str, Any]
"""{"old": value, "new": value}, None for one that is not there; between numbers "diff", too."""

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


def flattened(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """Every value by its keys, joined by dots; a key of one part stays what it is. Lists as text;
    mappings that are empty are left out."""
    found: dict[Any, Any] = {}
    # By hand: a value may be nested as deep as a reader allows.
    pending = [(key, value) for key, value in reversed([*values.items()])]
    while pending:
        name, value = pending.pop()
        if isinstance(value, Mapping):
            pending += [(f"{name}.{key}", item) for key, item in reversed([*value.items()])]
        else:
            found[name] = _prepared(value)
    return found


def _prepared(value: Any) -> Any:
    return str(value) if isinstance(value, list) else value


def _of_file(old: Any, new: Any, unchanged: bool) -> dict[str, Change]:
    if isinstance(old, Mapping) or isinstance(new, Mapping):
        before, after = _named(old), _named(new)
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


def _named(value: Any) -> dict[Any, Any]:
    return flattened(value) if isinstance(value, Mapping) else {}


def _of_missing(raw: Any) -> str | None:
    """What stands for a value of a file that holds no mapping, while the other side's does."""
    return _NOT_A_MAPPING if raw and not isinstance(raw, Mapping) else None


def _change(old: Any, new: Any, unchanged: bool) -> Change | None:
    if not unchanged and old == new:
        return None
    change: Change = {"old": old, "new": new}
    if isinstance(old, int | float) and isinstance(new, int | float):
        try:
            change["diff"] = new - old
        except OverflowError:  # an int beyond all floats, less a float
            pass
    return change
