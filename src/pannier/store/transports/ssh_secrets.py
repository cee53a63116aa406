"""Passwords and passphrases: from the settings, or asked of the user, once in a process."""

from __future__ import annotations

from pannier.store.transports.asking import ask_secret
from pannier.store.transports.ssh_connect import Secrets
from pannier.store.transports.ssh_options import Options


def ask_secrets(options: Options) -> Secrets:
    """Raises ConfigError when the user is to be asked and sits at no terminal."""
    password, passphrase = options.password, options.passphrase
    if options.ask_password:
        at = f"{options.user}@{options.host}" if options.user else options.host
        password = ask_secret(options.name, "password", f"Password for {at}")
    if options.ask_passphrase:
        about = options.keyfile or "your private key"
        passphrase = ask_secret(options.name, "passphrase", f"Passphrase of {about}")
    return Secrets(password, passphrase)
