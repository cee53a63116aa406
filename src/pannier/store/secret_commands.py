"""Secrets that a program of the user's prints: `cmd:` in the settings, `bearer_token_command`."""

from __future__ import annotations

import threading

from pannier.core.errors import ConfigError
from pannier.core.hushed import hush
from pannier.core.record import replace
from pannier.formats.config_schema import SECRETS, is_foreign, sounds_secret
from pannier.formats.references import command_of
from pannier.store.remote_config import RemoteConfig

_LONGEST_S = 300

_lock = threading.Lock()
_printed: dict[str, str] = {}


class CommandFailed(Exception):
    """Says what went wrong, and never what was printed: that may be the secret."""


def with_secrets(config: RemoteConfig) -> RemoteConfig:
    """config with what the programs of its secret options print; each runs once in a process.

    Raises ConfigError: a program failed, or stands in settings that are not the user's own.
    """
    found: dict[str, str] = {}
    known = SECRETS.__contains__ if not is_foreign(config.url) else sounds_secret
    for option, value in config.options.items():
        command = command_of(str(value)) if known(option) else None
        if command is None:
            continue
        of = f"'{option}' of remote '{config.name}'"
        if option not in config.protected:
            raise ConfigError(f"{of} runs a program, so it counts only from your own settings")
        found[option] = secret_of(value, of, f"dvc config remote.{config.name}.{option}")
    if not found:
        return config
    typed = {option: found[option] for option in config.values.keys() & found.keys()}
    return replace(config, options={**config.options, **found}, values={**config.values, **typed})


def secret_of(value: str, about: str, shown_by: str) -> str:
    """A secret option's value: itself, or what its program prints, for settings of the user's own.

    about, shown_by: for messages. Raises ConfigError when the program fails.
    """
    command = command_of(value)
    if command is None:
        return value
    try:
        return _once(command)
    except CommandFailed as error:
        raise ConfigError(
            f"the command of {about} {error}", hint=f"run it by hand: '{shown_by}' shows it"
        ) from None


def _once(command: str) -> str:
    with _lock:
        if command not in _printed:
            _printed[command] = run_for_secret(command)
        return _printed[command]


def run_for_secret(command: str) -> str:
    """What command, a line for the shell, prints, without the end of the line. Raises
    CommandFailed. What it says beside that is dropped."""
    import subprocess

    try:
        done = subprocess.run(
            command,
            shell=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LONGEST_S,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        raise CommandFailed("does not run to its end") from None
    if done.returncode:
        raise CommandFailed(f"ended with exit code {done.returncode}")
    secret = done.stdout.decode("utf-8", "replace").strip("\r\n")
    if not secret or not secret.isprintable():
        raise CommandFailed("printed no single line" if secret else "printed nothing")
    return hush(secret)
