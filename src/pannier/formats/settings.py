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
_TABLES = ("remote.<name>.<option>", "executor.<name>.<option>")

REMOTE = "remote"
"""The table of remotes that DVC cannot read, each with a `url` and options of any name."""

EXECUTOR = "executor"
"""The table of places that run stages, likewise."""


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
    return {
        key: _checked(key, value)
        for key, value in _flat(tree, "")
        if key in KNOWN or table_option(key) is not None
    }


def table_option(key: str) -> tuple[str, str, str] | None:
    """(table, name, option) of a key like `remote.my.store.url`, None of any other."""
    table, _, rest = key.partition(".")
    name, _, option = rest.rpartition(".")
    return (
        (table, name.lower(), option) if table in (REMOTE, EXECUTOR) and name and option else None
    )


def remote_option(key: str) -> tuple[str, str] | None:
    """(name, option) of a key about a remote, None of any other."""
    found = table_option(key)
    return found[1:] if found is not None and found[0] == REMOTE else None


def remotes_of(settings: dict[str, Value]) -> dict[str, dict[str, Value]]:
    """The remotes among settings: options by name."""
    return _tables(settings, REMOTE)


def executors_of(settings: dict[str, Value]) -> dict[str, dict[str, Value]]:
    """The executors among settings: options by name."""
    return _tables(settings, EXECUTOR)


def _tables(settings: dict[str, Value], table: str) -> dict[str, dict[str, Value]]:
    found: dict[str, dict[str, Value]] = {}
    for key, value in settings.items():
        known = table_option(key)
        if known is not None and known[0] == table:
            found.setdefault(known[1], {})[known[2]] = value
    return found


def _flat(tree: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        found += _flat(value, name + ".") if isinstance(value, dict) else [(name, value)]
    return found


def _checked(key: str, value: object) -> Value:
    if key in CHOICES and value in CHOICES[key]:
        return str(value)
    if table_option(key) is not None:
        return _of_table(key, value)
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


def _of_table(key: str, value: object) -> Value:
    is_jobs = (remote_option(key) or ("", ""))[1] == "jobs"
    if is_jobs and not (str(value).isascii() and str(value).isdigit() and int(str(value)) > 0):
        raise ConfigError(f"'pannier.{key}' is {value!r}, it must be a whole number, 1 or more")
    if isinstance(value, str) or (isinstance(value, int) and not key.endswith(".url")):
        return value
    wanted = "text" if key.endswith(".url") else "text, a whole number, true or false"
    raise ConfigError(f"'pannier.{key}' is {value!r}, it must be {wanted}")


def parse_value(key: str, text: str) -> Value:
    """The value that text, as typed on the command line, gives a setting."""
    if table_option(key) is not None:
        return _of_table(key, text)
    if key not in KNOWN:
        names = [f"pannier.{name}" for name in sorted([*KNOWN, *_TABLES])]
        raise ConfigError(
            f"there is no setting 'pannier.{key}'", hint=f"the settings are: {', '.join(names)}"
        )
    counted = key in COUNTS and text.isascii() and text.isdigit()
    return _checked(key, int(text) if counted else text)


def edit_settings(text: str, key: str, value: Value | None) -> str:
    """The text with one setting set, or unset with None; comments and order stay."""
    import tomlkit

    document = tomlkit.parse(text)
    *tables, last = table_option(key) or key.split(".")
    table: Any = document
    for depth, name in enumerate(tables):
        table = table.setdefault(name, tomlkit.table(is_super_table=depth + 1 < len(tables)))
    if value is None:
        table.pop(last, None)
        for name in reversed(tables) if not table else ():
            above: Any = document
            for outer in tables[: tables.index(name)]:
                above = above[outer]
            if not above[name]:
                del above[name]
    else:
        table[last] = value
    edited = tomlkit.dumps(document)
    parse_settings(edited)
    return edited
