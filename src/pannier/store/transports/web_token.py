"""Tokens that a program of the user's hands out, as `bearer_token_command` names it."""

from __future__ import annotations

import threading

from pannier.core.errors import AccessDenied
from pannier.store.secret_commands import CommandFailed, run_for_secret


class TokenCommand:
    """Runs the command when a token is needed first, and after one was refused."""

    def __init__(self, command: str, remote: str) -> None:
        self._command, self._remote = command, remote
        self._lock = threading.Lock()
        self._token = ""

    def token(self) -> str:
        """Raises AccessDenied. What the command says is not shown: it may be the token."""
        with self._lock:
            if not self._token:
                self._token = self._run()
            return self._token

    def forget(self, token: str) -> None:
        """Called with a token that was refused; several threads may have used it."""
        with self._lock:
            if token == self._token:
                self._token = ""

    def _run(self) -> str:
        try:
            token = run_for_secret(self._command).strip()
        except CommandFailed as error:
            raise self._failure(str(error)) from None
        if not token.isascii():
            raise self._failure("printed no token")
        return token

    def _failure(self, what: str) -> AccessDenied:
        return AccessDenied(
            f"the 'bearer_token_command' of remote '{self._remote}' {what}",
            hint="run it by hand",
        )
