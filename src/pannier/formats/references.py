"""Values that stand for others: `${NAME}` for a variable of the environment, `cmd:` for a program.

Source: docs/remotes.md, "Secrets". DVC knows neither and takes such a value as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pannier.core.errors import ConfigError
from pannier.core.pattern import pattern

COMMAND = "cmd:"
"""What a secret option starts with when the rest is a line for the shell that prints the secret."""
SHARED = "PANNIER_"
"""How variables begin that a committed file may name: the others are none of its business."""

_VARIABLE = pattern(r"(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_AT_START = pattern(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


def variables(text: str) -> list[str]:
    """The names of the variables in a value, in its order. `$${NAME}` is none."""
    return [found[2] for found in _VARIABLE.finditer(text) if not found[1]] if "${" in text else []


def starts_with_variable(text: str) -> bool:
    """True for a path or URL whose beginning is only known where it is used."""
    return bool(_AT_START.match(text))


def command_of(value: str) -> str | None:
    """The program that prints a secret, None for a secret that stands there itself."""
    return value[len(COMMAND) :].strip() if value.startswith(COMMAND) else None


def expand(text: str, look_up: Callable[[str], str]) -> str:
    """text with its variables replaced; `$${NAME}` is the way to write `${NAME}`.

    Before the `@` of a URL a value is percent-encoded, for it may hold any sign.
    """
    if "${" not in text:
        return text
    scheme, mark, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    user, at, host = host.rpartition("@")
    if not at:
        return _replaced(text, look_up)
    from urllib.parse import quote

    user = _replaced(user, lambda name: quote(look_up(name), safe=""))
    return _replaced(scheme, look_up) + mark + user + at + _replaced(host + slash + path, look_up)


def _replaced(text: str, look_up: Callable[[str], str]) -> str:
    return _VARIABLE.sub(lambda found: found[0][1:] if found[1] else look_up(found[2]), text)


def from_environment(
    text: str, environ: Mapping[str, str], option: str, where: str, shared: bool
) -> str:
    """expand, out of environ.

    where: the remote and the file, for messages. shared: the file is committed, or came with a
    repository. Raises ConfigError for a variable that is not set, or is not for such a file.
    """

    def look_up(name: str) -> str:
        if shared and not name.startswith(SHARED):
            raise not_shared(name, option, where)
        value = environ.get(name, "")
        if not value:
            raise ConfigError(
                f"'{option}' of {where} is taken from the environment variable '{name}', which is"
                " not set",
                hint=f"export {name}=...; or write $${{{name}}} where ${{{name}}} itself is meant",
            )
        return value

    return expand(text, look_up)


def not_shared(name: str, option: str, where: str) -> ConfigError:
    return ConfigError(
        f"'{option}' of {where} names the variable '{name}', and a committed file may only name"
        f" those that begin with '{SHARED}'",
        hint=f"call it {SHARED}{name}, or set the option in your own settings, with --local",
    )
