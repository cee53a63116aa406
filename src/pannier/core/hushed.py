"""Secrets that came to be known while the program ran: what was asked for, what a helper printed.

The command line hides them in all that it says, as it hides those of the settings.
"""

from __future__ import annotations

_known: list[str] = []


def hush(secret: str) -> str:
    """Remembers a secret for as long as the process lives, and returns it."""
    if secret and secret not in _known:
        _known.append(secret)
    return secret


def hushed(since: int = 0) -> list[str]:
    """What was hushed, in its order, without the first `since`."""
    return _known[since:]
