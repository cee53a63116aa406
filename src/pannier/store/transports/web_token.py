"""Tokens that a program of the user's hands out, as `bearer_token_command` names it."""

from __future__ import annotations

import threading

from pannier.core.errors import AccessDenied

_LONGEST_S = 300


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
        import subprocess

        try:
            done = subprocess.run(
                self._command,
                shell=True,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_LONGEST_S,
            )
        except (OSError, subprocess.TimeoutExpired):
            raise self._failure("does not run to its end") from None
        token = done.stdout.decode("utf-8", "replace").strip()
        if done.returncode:
            raise self._failure(f"ended with exit code {done.returncode}")
        if not token or not token.isascii() or not token.isprintable():
            raise self._failure("printed no token")
        return token

    def _failure(self, what: str) -> AccessDenied:
        return AccessDenied(
            f"the 'bearer_token_command' of remote '{self._remote}' {what}",
            hint="run it by hand",
        )
