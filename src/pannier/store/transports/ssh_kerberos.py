"""Kerberos tickets for SSH: what asyncssh wants to know of a ticket, by the system's own library.

asyncssh takes tickets by the package gssapi, which has no wheels for Linux. What it asks that
package for is here, and put in its place where it is missing (decision 175). Source: RFC 4462.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pannier.core.errors import AccessDenied, PannierError
from pannier.store.transports import gssapi
from pannier.store.transports.gssapi import DELEGATE, INTEGRITY, KRB5, MUTUAL, Context, Refused
from pannier.store.transports.kerberos import Kerberos

_DER_OID = 6
_BY_TICKET = "-o GSSAPIAuthentication=yes -o PreferredAuthentications=gssapi-with-mic"


class SshTicket:
    """One ticket on its way to one server: asyncssh's GSSClient, which names and types these.

    error: the class it listens for, of (status, number). Raises it without a ticket that counts,
    and asyncssh then goes on with keys.
    """

    def __init__(self, error: type[Exception], host: str, delegate: bool) -> None:
        self._error = error
        self._service = host if "@" in host else f"host@{host}"
        self._flags = MUTUAL | INTEGRITY | (DELEGATE if delegate else 0)
        self._context: Context | None = None
        with self._told():
            self._gss = gssapi.library("")
            self._begin()

    @property
    def mechs(self) -> list[bytes]:
        return [bytes((_DER_OID, len(KRB5.data))) + KRB5.data]

    @property
    def complete(self) -> bool:
        return self._context is not None and self._context.complete

    @property
    def provides_mutual_auth(self) -> bool:
        return self._context is not None and bool(self._context.has & MUTUAL)

    @property
    def provides_integrity(self) -> bool:
        return self._context is not None and bool(self._context.has & INTEGRITY)

    def reset(self) -> None:
        """Never fails: asyncssh calls it also when keys are changed, long after the login."""
        self.close()

    def step(self, token: bytes | None = None) -> bytes:
        """Called in a thread of its own: it may ask a Kerberos server."""
        with self._told():
            return self._begin().step(token or b"")

    def sign(self, data: bytes) -> bytes:
        with self._told():
            return self._begin().sign(data)

    def verify(self, data: bytes, sig: bytes) -> bool:
        return self._context is not None and self._context.verify(data, sig)

    def close(self) -> None:
        context, self._context = self._context, None
        if context is not None:
            context.close()

    def __del__(self) -> None:
        """asyncssh has no word for the end of it."""
        self.close()

    def _begin(self) -> Context:
        if self._context is None:
            self._context = Context(self._gss, self._service, KRB5, self._flags)
        return self._context

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except Refused as refused:
            raise self._error(refused.status, refused.number & 0xFFFFFFFF) from None
        except PannierError:
            raise self._error(0, 0) from None


def not_let_in(who: Kerberos, server: str, user: str, command: str) -> PannierError:
    """Why a server takes neither a ticket nor a key. May ask a Kerberos server.

    server, user: for the message. command: how a person connects, `ssh me@host`.
    """
    try:
        owner = who.try_ticket()
    except PannierError as told:
        return type(told)(f"{server} does not let {user} in: {told}", hint=told.hint)
    by_ticket = command.replace("ssh ", f"ssh {_BY_TICKET} ", 1)
    return AccessDenied(
        f"{server} does not let {user} in: it accepts neither the Kerberos ticket of '{owner}' nor"
        " a key",
        hint=f"see that '{by_ticket}' works; 'kinit <principal>' gets another ticket",
    )
