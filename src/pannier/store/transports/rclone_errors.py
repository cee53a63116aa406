"""What rclone says went wrong, in the words of the transport contract.

rclone passes on what seventy kinds of stores say; what is known of it are its own sentences and
the usual words of refusals.
"""

from __future__ import annotations

import re

from pannier.core.errors import AccessDenied, NotThere, PannierError, TransportError, Unreachable

_NOT_THERE = re.compile(
    r"(object|directory|file) not found|is a directory not a file|NoSuchKey", re.I
)
_NO_REMOTE = re.compile(r"didn't find section in config file|didn't find backend called", re.I)
_NO_RIGHT = re.compile(
    r"permission denied|access ?denied|forbidden|unauthorized|\b40[13]\b|InvalidAccessKeyId"
    r"|SignatureDoesNotMatch|invalid_grant|token expired|couldn't fetch token",
    re.I,
)
_BUSY = re.compile(r"\b(429|5\d\d)\b|rate ?limit|slow ?down|too many requests", re.I)
_ON_THE_WAY = re.compile(
    r"connection (refused|reset)|no such host|time-?out|deadline exceeded|broken pipe|unreachable"
    r"|unexpected EOF|: EOF$",
    re.I,
)
_LONGEST = 300


def explained(said: str, url: str, key: str) -> PannierError:
    where = f"'{key}' in '{url}'" if key else f"'{url}'"
    text = (said.strip().splitlines() or ["it says nothing"])[0][:_LONGEST]
    if _NO_REMOTE.search(text):
        return TransportError(
            f"rclone knows no remote for '{url}'",
            hint="'rclone listremotes' shows those that it knows, 'rclone config' makes one",
        )
    if _NOT_THERE.search(text):
        return NotThere(f"{where} does not exist")
    if _ON_THE_WAY.search(text):
        return Unreachable(f"rclone does not reach '{url}': {text}")
    if _NO_RIGHT.search(text):
        return AccessDenied(
            f"no access to {where}: {text}", hint="'rclone config' changes who asks, and his rights"
        )
    error = TransportError(f"rclone failed at {where}: {text}")
    error.temporary = _BUSY.search(text) is not None
    return error
