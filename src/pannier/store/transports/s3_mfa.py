"""Roles that ask for the code of an MFA device: the question, and that it is asked once.

A code counts once, and a role that it gave holds for an hour: so one process remembers such roles
for all of its clients. Nothing of them is written anywhere.
"""

from __future__ import annotations

import threading

from pannier.core.typed import Any
from pannier.store.transports.asking import ask_now

_roles: dict[str, Any] = {}
_lock = threading.Lock()


class Asking:
    """What botocore asks for a code, and where it keeps a role. remote: whose it is."""

    def __init__(self, remote: str) -> None:
        self._remote = remote
        self._asked = False

    def __call__(self, prompt: str) -> str:
        """Raises ConfigError when nobody sits at a terminal."""
        self._asked = True
        return ask_now(
            self._remote,
            "code of your MFA device",
            prompt.rstrip(": "),
            "run the command at a terminal, or use a profile without 'mfa_serial'",
        )

    # -- as botocore uses a cache ----

    def __contains__(self, key: str) -> bool:
        with _lock:
            return key in _roles

    def __getitem__(self, key: str) -> Any:
        with _lock:
            return _roles[key]

    def __setitem__(self, key: str, role: Any) -> None:
        """Only roles that a code was given for: the others can be had again without anybody."""
        if self._asked:
            with _lock:
                _roles[key] = role


def let_it_ask(session: Any, remote: str) -> None:
    """For a botocore session, before its credentials are looked for."""
    provider = session.get_component("credential_provider").get_provider("assume-role")
    provider.cache = provider._prompter = Asking(remote)
