"""Kerberos tickets, as the system keeps them: shown to web servers, and what is wrong with them.

The numbers of errors are those of MIT's krb5.h, which Heimdal shares.
"""

from __future__ import annotations

import contextlib
from base64 import b64decode, b64encode
from collections.abc import Iterator

from pannier.core.errors import AccessDenied, TransportError, Unreachable
from pannier.core.record import dataclass
from pannier.core.typed import Any
from pannier.store.transports import gssapi
from pannier.store.transports.gssapi import KRB5, MUTUAL, SPNEGO, Context, Refused

_NO_CREDENTIALS, _EXPIRED = 7, 11
_TICKET_EXPIRED = -1765328352
_SERVICE_UNKNOWN = -1765328377
_NO_SERVER = {-1765328228, -1765328230, -1765328164}
"""No Kerberos server answers, the realm is not in the settings, its server's name is unknown."""


@dataclass(frozen=True, slots=True)
class Kerberos:
    """How one remote asks with a ticket. server: its host's name, as it stands in the URL.

    principal: whose ticket, where there are several; else the one that `kinit` got last.
    service: what Kerberos calls the servers of this kind.
    """

    remote: str
    server: str
    principal: str | None = None
    service: str = "HTTP"

    @contextlib.contextmanager
    def prove(self) -> Iterator[Proof]:
        """A proof of who asks, for one request to a web server.

        Raises AccessDenied without a ticket that counts, Unreachable where no Kerberos server
        answers, ConfigError without the library.
        """
        proof = Proof(gssapi.library(self.remote), self)
        try:
            yield proof
        finally:
            proof.close()

    def try_ticket(self) -> str:
        """Whose ticket it is that could be shown to the server. Raises as `prove` does."""
        gss = gssapi.library(self.remote)
        try:
            with contextlib.closing(self._context(gss, KRB5)) as context:
                context.step()
            return gssapi.owner_of(gss, None)
        except Refused as refused:
            raise _explained(refused, self) from None

    def _context(self, gss: Any, mechanism: gssapi.Oid) -> Context:
        return Context(gss, f"{self.service}@{self.server}", mechanism, MUTUAL, self.principal)


class Proof:
    """header: what a request is sent with. check: for the answer, which proves who it is of."""

    def __init__(self, gss: Any, who: Kerberos) -> None:
        self._who = who
        self._context: Context | None = None
        try:
            self.header = f"Negotiate {b64encode(self._begin(gss)).decode()}"
        except Refused as refused:
            raise _explained(refused, who) from None
        finally:
            if not hasattr(self, "header"):
                self.close()

    def check(self, answer: str | None) -> None:
        """answer: the header WWW-Authenticate. Raises AccessDenied for a server that says nothing
        of who it is: it may be another one, or one that asks nobody for a ticket."""
        word, _, text = (answer or "").strip().partition(" ")
        try:
            token = b64decode(text, validate=True) if word.lower() == "negotiate" else b""
            if token and self._context is not None:
                self._context.step(token)
                if self._context.complete and self._context.has & MUTUAL:
                    return
        except (ValueError, Refused):
            pass
        raise AccessDenied(
            f"{self._who.server} does not prove that it is the server which Kerberos knows",
            hint="if it asks nobody for a ticket:"
            f" dvc remote modify {self._who.remote} kerberos false",
        )

    def _begin(self, gss: Any) -> bytes:
        try:
            self._context = self._who._context(gss, SPNEGO)
            return self._context.step()
        except Refused:
            # The outer mechanism only says that the inner one failed.
            with contextlib.closing(self._who._context(gss, KRB5)) as inner:
                inner.step()
            raise

    def close(self) -> None:
        if self._context is not None:
            self._context.close()


def owner_of(cache: str | None, remote: str) -> str:
    """The principal whose ticket a file holds, or the system. Raises as `Kerberos.prove` does."""
    try:
        return gssapi.owner_of(gssapi.library(remote), cache)
    except Refused as refused:
        raise _explained(refused, Kerberos(remote, "")) from None


def _explained(refused: Refused, who: Kerberos) -> TransportError:
    kinit = f"kinit {who.principal}" if who.principal else "kinit"
    if refused.routine == _EXPIRED or refused.number == _TICKET_EXPIRED:
        return AccessDenied("the Kerberos ticket has expired", hint=kinit)
    if refused.number in _NO_SERVER:
        return Unreachable(f"no Kerberos server answers: {refused.text}")
    if refused.number == _SERVICE_UNKNOWN:
        return AccessDenied(
            f"Kerberos knows no service {who.service}/{who.server}", hint=_name(who)
        )
    if refused.routine == _NO_CREDENTIALS:
        return AccessDenied(f"there is no Kerberos ticket: {refused.text}", hint=kinit)
    return AccessDenied(f"Kerberos refuses: {refused.text}", hint="klist")


def _name(who: Kerberos) -> str:
    url = {"HTTP": "webhdfs://<host>.<domain>:<port>/<path>"}.get(
        who.service, "ssh://<host>.<domain>/<path>"
    )
    return (
        f"the URL must name the host as Kerberos does: 'dvc remote modify {who.remote} url {url}'"
    )
