"""Our own settings files, TOML: which settings there are, reading and editing.

They live beside DVC's config and never in it: DVC refuses to run over an option that it does not
know (docs/formats.md, section 13). Keys are dotted: `fsync`, `jobs`.
"""

from __future__ import annotations

from pannier.core.errors import ConfigError
from pannier.core.typed import Any

CHOICES: dict[str, tuple[str, ...]] = {"fsync": ("all", "batch", "none")}
COUNTS = {"jobs": 1, "undo_days": 0, "gc_grace": 0}
"""Settings that are whole numbers, each with its smallest value."""

TEXTS = frozenset({"fallback"})
KNOWN = frozenset(CHOICES) | frozenset(COUNTS) | TEXTS

Value = str | int | bool


def parse_settings(text: str) -> dict[str, Value]:
    """Reads a settings file as dotted keys. Settings that we do not know are left out.

    A newer version may have written them. Raises ConfigError for what is no TOML, or a value that
    its key cannot have.
    """
    import tomllib  # most projects have no such file, and need not pay for the import

    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{error}") from None
    return {key: _checked(key, value) for key, value in _flat(tree, "") if key in KNOWN}


def _flat(tree: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        found += _flat(value, name + ".") if isinstance(value, dict) else [(name, value)]
    return found


def _checked(key: str, value: object) -> Value:
    if key in CHOICES and value in CHOICES[key]:
        return str(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if key in COUNTS and isinstance(value, int) and is_number and value >= COUNTS[key]:
        return value
    if key in TEXTS and isinstance(value, str):
        return value
    if key in TEXTS:
        wanted = "text"
    elif key in CHOICES:
        wanted = f"one of {', '.join(CHOICES[key])}"
    else:
        wanted = f"a whole number, {COUNTS[key]} or more"
    raise ConfigError(f"'pannier.{key}' is {value!r}, it must be {wanted}")


def parse_value(key: str, text: str) -> Value:
    """The value that text, as typed on the command line, gives a setting."""
    if key not in KNOWN:
        raise ConfigError(
            f"there is no setting 'pannier.{key}'",
            hint="the settings are: " + ", ".join(f"pannier.{name}" for name in sorted(KNOWN)),
        )
    counted = key in COUNTS and text.isascii() and text.isdigit()
    return _checked(key, int(text) if counted else text)


def edit_settings(text: str, key: str, value: Value | None) -> str:
    """The text with one setting set, or unset with None; comments and order stay."""
    import tomlkit

    document = tomlkit.parse(text)
    *tables, last = key.split(".")
    table: Any = document
    for name in tables:
        table = table.setdefault(name, tomlkit.table())
    if value is None:
        table.pop(last, None)
    else:
        table[last] = value
    edited = tomlkit.dumps(document)
    parse_settings(edited)
    return edited
