"""Asking the user for a password, once in a process."""

from __future__ import annotations

import atexit
import threading

from pannier.core.errors import ConfigError
from pannier.core.hushed import hush

_answers: dict[tuple[str, str], str] = {}
_lock = threading.Lock()


def ask_secret(remote: str, what: str, prompt: str) -> str:
    """One answer for all who ask the same. what: the option that would hold it.

    Raises ConfigError when nobody sits at a terminal.
    """
    with _lock:
        if (remote, prompt) not in _answers:
            _answers[remote, prompt] = hush(_read(remote, what, prompt))
        return _answers[remote, prompt]


def ask_now(remote: str, what: str, prompt: str, hint: str) -> str:
    """As ask_secret, for what counts only once. hint: what to do without a terminal."""
    with _lock:
        return hush(_read(remote, what, prompt, hint))


def _read(remote: str, what: str, prompt: str, hint: str = "") -> str:
    import getpass
    import termios

    try:
        with open("/dev/tty", "rb", buffering=0) as terminal:
            before = termios.tcgetattr(terminal)
    except (OSError, termios.error):
        raise ConfigError(
            f"remote '{remote}' asks for a {what}, and there is no terminal to ask at",
            hint=hint or f"'dvc remote modify --local {remote} {what} <{what}>'",
        ) from None

    def restore() -> None:
        """A command that is ended while its user types leaves a terminal that shows nothing."""
        with open("/dev/tty", "rb", buffering=0) as terminal:
            termios.tcsetattr(terminal, termios.TCSANOW, before)

    atexit.register(restore)
    try:
        return getpass.getpass(f"{prompt}: ")
    except EOFError:
        raise ConfigError(f"no {what} was given for remote '{remote}'") from None
    finally:
        atexit.unregister(restore)
