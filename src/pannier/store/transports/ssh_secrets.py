"""Passwords and passphrases: from the settings, or asked of the user, once in a process."""

from __future__ import annotations

import atexit
import threading

from pannier.core.errors import ConfigError
from pannier.store.transports.ssh_connect import Secrets
from pannier.store.transports.ssh_options import Options

_answers: dict[tuple[str, str], str] = {}
_lock = threading.Lock()


def ask_secrets(options: Options) -> Secrets:
    """Raises ConfigError when the user is to be asked and sits at no terminal."""
    password, passphrase = options.password, options.passphrase
    if options.ask_password:
        at = f"{options.user}@{options.host}" if options.user else options.host
        password = _ask(options, "password", f"Password for {at}")
    if options.ask_passphrase:
        about = options.keyfile or "your private key"
        passphrase = _ask(options, "passphrase", f"Passphrase of {about}")
    return Secrets(password, passphrase)


def _ask(options: Options, what: str, prompt: str) -> str:
    """One answer for all remotes of this process that ask the same."""
    with _lock:
        if (options.url, prompt) not in _answers:
            _answers[options.url, prompt] = _read(options, what, prompt)
        return _answers[options.url, prompt]


def _read(options: Options, what: str, prompt: str) -> str:
    import getpass
    import termios

    try:
        with open("/dev/tty", "rb", buffering=0) as terminal:
            before = termios.tcgetattr(terminal)
    except (OSError, termios.error):
        raise ConfigError(
            f"remote '{options.name}' asks for a {what}, and there is no terminal to ask at",
            hint=f"'dvc remote modify --local {options.name} {what} <{what}>'",
        ) from None

    def restore() -> None:
        """A command that is ended while its user types leaves a terminal that shows nothing."""
        with open("/dev/tty", "rb", buffering=0) as terminal:
            termios.tcsetattr(terminal, termios.TCSANOW, before)

    atexit.register(restore)
    try:
        return getpass.getpass(f"{prompt}: ")
    except EOFError:
        raise ConfigError(f"no {what} was given for remote '{options.name}'") from None
    finally:
        atexit.unregister(restore)
