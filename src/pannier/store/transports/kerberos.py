"""Kerberos tickets, as the system keeps them, by its GSSAPI library.

That library is called as it is: what wraps it for Python must be compiled where it is installed.
hdfs-native does the same. Source: RFC 2743, 2744 and 4178; the numbers of errors are those of
MIT's krb5.h, which Heimdal shares.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from base64 import b64decode, b64encode
from collections.abc import Iterator

from pannier.core.errors import AccessDenied, ConfigError, TransportError, Unreachable
from pannier.core.record import dataclass
from pannier.core.typed import Any

_LIBRARIES = ("libgssapi_krb5.so.2", "libgssapi.so.3", "/usr/lib/libgssapi_krb5.dylib")
_INITIATE = 1
_MUTUAL = 2
_CONTINUE = 1
_BY_GSS, _BY_MECHANISM = 1, 2
_NO_CREDENTIALS, _EXPIRED = 7, 11
_TICKET_EXPIRED = -1765328352
_SERVICE_UNKNOWN = -1765328377
_NO_SERVER = {-1765328228, -1765328230, -1765328164}
"""No Kerberos server answers, the realm is not in the settings, its server's name is unknown."""


class _Buffer(ctypes.Structure):
    _fields_ = [("length", ctypes.c_size_t), ("value", ctypes.c_void_p)]


class _Oid(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint32), ("elements", ctypes.c_char_p)]


class _OidSet(ctypes.Structure):
    _fields_ = [("count", ctypes.c_size_t), ("elements", ctypes.POINTER(_Oid))]


class _Pair(ctypes.Structure):
    _fields_ = [("key", ctypes.c_char_p), ("value", ctypes.c_char_p)]


class _Pairs(ctypes.Structure):
    _fields_ = [("count", ctypes.c_uint32), ("elements", ctypes.POINTER(_Pair))]


def _oid(data: bytes) -> _Oid:
    return _Oid(len(data), data)


_SPNEGO = _oid(b"\x2b\x06\x01\x05\x05\x02")
_KRB5 = _oid(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02")
_SERVICE_NAME = _oid(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04")
_PRINCIPAL_NAME = _oid(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01")


@dataclass(frozen=True, slots=True)
class Kerberos:
    """How one remote asks with a ticket. server: its host's name, as it stands in the URL.

    principal: whose ticket, where there are several; else the one that `kinit` got last.
    """

    remote: str
    server: str
    principal: str | None = None

    @contextlib.contextmanager
    def prove(self) -> Iterator[Proof]:
        """A proof of who asks, for one request to a web server.

        Raises AccessDenied without a ticket that counts, Unreachable where no Kerberos server
        answers, ConfigError without the library.
        """
        gss = _gss(self.remote)
        proof = Proof(gss, self)
        try:
            yield proof
        finally:
            proof.close()


class Proof:
    """header: what a request is sent with. check: for the answer, which proves who it is of."""

    def __init__(self, gss: Any, who: Kerberos) -> None:
        self._gss, self._who = gss, who
        self._context = ctypes.c_void_p()
        self._credential = ctypes.c_void_p()
        self._target = ctypes.c_void_p()
        try:
            self.header = f"Negotiate {b64encode(self._begin()).decode()}"
        except _Refused as refused:
            self.close()
            raise _explained(refused, who) from None

    def check(self, answer: str | None) -> None:
        """answer: the header WWW-Authenticate. Raises AccessDenied for a server that says nothing
        of who it is: it may be another one, or one that asks nobody for a ticket."""
        word, _, text = (answer or "").strip().partition(" ")
        try:
            token = b64decode(text, validate=True) if word.lower() == "negotiate" else b""
            if token:
                self._step(token, _SPNEGO)
                return
        except (ValueError, _Refused):
            pass
        raise AccessDenied(
            f"{self._who.server} does not prove that it is the server which Kerberos knows",
            hint="if it asks nobody for a ticket:"
            f" dvc remote modify {self._who.remote} kerberos false",
        )

    def _begin(self) -> bytes:
        self._target = _name(self._gss, f"HTTP@{self._who.server}", _SERVICE_NAME)
        try:
            return self._first(_SPNEGO)
        except _Refused:
            # The outer mechanism only says that the inner one failed.
            self.close()
            self._target = _name(self._gss, f"HTTP@{self._who.server}", _SERVICE_NAME)
            self._first(_KRB5)
            raise

    def _first(self, mechanism: _Oid) -> bytes:
        self._credential = _credential(self._gss, mechanism, self._who.principal)
        return self._step(b"", mechanism)

    def _step(self, token: bytes, mechanism: _Oid) -> bytes:
        minor, got = ctypes.c_uint32(), ctypes.c_uint32()
        given, made = _buffer(token), _Buffer()
        major = self._gss.gss_init_sec_context(
            ctypes.byref(minor),
            self._credential,
            ctypes.byref(self._context),
            self._target,
            ctypes.byref(mechanism),
            ctypes.c_uint32(_MUTUAL),
            ctypes.c_uint32(0),
            None,
            ctypes.byref(given) if token else None,
            None,
            ctypes.byref(made),
            ctypes.byref(got),
            None,
        )
        try:
            _demand(self._gss, major, minor, mechanism)
            if token and (major & _CONTINUE or not got.value & _MUTUAL):
                raise _Refused(0, 0, "the server proved nothing")
            return _bytes(made)
        finally:
            self._gss.gss_release_buffer(ctypes.byref(minor), ctypes.byref(made))

    def close(self) -> None:
        minor = ctypes.c_uint32()
        if self._context:
            self._gss.gss_delete_sec_context(ctypes.byref(minor), ctypes.byref(self._context), None)
        if self._credential:
            self._gss.gss_release_cred(ctypes.byref(minor), ctypes.byref(self._credential))
        if self._target:
            self._gss.gss_release_name(ctypes.byref(minor), ctypes.byref(self._target))


def owner_of(cache: str | None, remote: str) -> str:
    """The principal whose ticket a file holds, or the system. Raises as `Kerberos.prove` does."""
    gss = _gss(remote)
    pair = _Pair(b"ccache", os.fsencode(cache or ""))
    store = _Pairs(1 if cache else 0, ctypes.pointer(pair))
    minor, credential, name = ctypes.c_uint32(), ctypes.c_void_p(), ctypes.c_void_p()
    shown = _Buffer()
    try:
        major = gss.gss_acquire_cred_from(
            ctypes.byref(minor),
            None,
            ctypes.c_uint32(0),
            ctypes.byref(_OidSet(1, ctypes.pointer(_KRB5))),
            _INITIATE,
            ctypes.byref(store),
            ctypes.byref(credential),
            None,
            None,
        )
        _demand(gss, major, minor, _KRB5)
        major = gss.gss_inquire_cred(
            ctypes.byref(minor), credential, ctypes.byref(name), None, None, None
        )
        _demand(gss, major, minor, _KRB5)
        major = gss.gss_display_name(ctypes.byref(minor), name, ctypes.byref(shown), None)
        _demand(gss, major, minor, _KRB5)
        return _bytes(shown).decode()
    except _Refused as refused:
        raise _explained(refused, Kerberos(remote, "")) from None
    finally:
        gss.gss_release_buffer(ctypes.byref(minor), ctypes.byref(shown))
        gss.gss_release_name(ctypes.byref(minor), ctypes.byref(name))
        gss.gss_release_cred(ctypes.byref(minor), ctypes.byref(credential))


class _Refused(Exception):
    """What the library said: its routine's error, the mechanism's number, and words."""

    def __init__(self, routine: int, number: int, text: str) -> None:
        super().__init__(text)
        self.routine, self.number, self.text = routine, number, text


def _explained(refused: _Refused, who: Kerberos) -> TransportError:
    kinit = f"kinit {who.principal}" if who.principal else "kinit"
    if refused.routine == _EXPIRED or refused.number == _TICKET_EXPIRED:
        return AccessDenied("the Kerberos ticket has expired", hint=kinit)
    if refused.number in _NO_SERVER:
        return Unreachable(f"no Kerberos server answers: {refused.text}")
    if refused.number == _SERVICE_UNKNOWN:
        return AccessDenied(
            f"Kerberos knows no service HTTP/{who.server}",
            hint="the URL must name the host as Kerberos does: 'dvc remote modify"
            f" {who.remote} url webhdfs://<host>.<domain>:<port>/<path>'",
        )
    if refused.routine == _NO_CREDENTIALS:
        return AccessDenied(f"there is no Kerberos ticket: {refused.text}", hint=kinit)
    return AccessDenied(f"Kerberos refuses: {refused.text}", hint="klist")


def _gss(remote: str) -> Any:
    for name in _LIBRARIES:
        with contextlib.suppress(OSError):
            return ctypes.CDLL(name)
    raise ConfigError(
        f"remote '{remote}' wants Kerberos, and its library is not on this machine",
        hint="apt-get install krb5-user, or dnf install krb5-workstation",
    )


def _name(gss: Any, text: str, kind: _Oid) -> ctypes.c_void_p:
    minor, name, given = ctypes.c_uint32(), ctypes.c_void_p(), _buffer(text.encode())
    major = gss.gss_import_name(
        ctypes.byref(minor), ctypes.byref(given), ctypes.byref(kind), ctypes.byref(name)
    )
    _demand(gss, major, minor, _KRB5)
    return name


def _credential(gss: Any, mechanism: _Oid, principal: str | None) -> ctypes.c_void_p:
    minor, found = ctypes.c_uint32(), ctypes.c_void_p()
    name = _name(gss, principal, _PRINCIPAL_NAME) if principal else ctypes.c_void_p()
    try:
        major = gss.gss_acquire_cred(
            ctypes.byref(minor),
            name,
            ctypes.c_uint32(0),
            ctypes.byref(_OidSet(1, ctypes.pointer(mechanism))),
            _INITIATE,
            ctypes.byref(found),
            None,
            None,
        )
        _demand(gss, major, minor, mechanism)
        return found
    finally:
        gss.gss_release_name(ctypes.byref(minor), ctypes.byref(name))


def _demand(gss: Any, major: int, minor: ctypes.c_uint32, mechanism: _Oid) -> None:
    """Raises _Refused for what is neither done nor to go on."""
    major &= 0xFFFFFFFF
    if not major >> 16:
        return
    number = ctypes.c_int32(minor.value).value
    text = _said(gss, minor.value, _BY_MECHANISM, mechanism) if minor.value else ""
    text = text or _said(gss, major, _BY_GSS, mechanism)
    raise _Refused(major >> 16 & 0xFF, number, text)


def _said(gss: Any, status: int, kind: int, mechanism: _Oid) -> str:
    minor, more, shown = ctypes.c_uint32(), ctypes.c_uint32(), _Buffer()
    gss.gss_display_status(
        ctypes.byref(minor),
        ctypes.c_uint32(status),
        ctypes.c_int(kind),
        ctypes.byref(mechanism),
        ctypes.byref(more),
        ctypes.byref(shown),
    )
    text = _bytes(shown).decode(errors="replace")
    gss.gss_release_buffer(ctypes.byref(minor), ctypes.byref(shown))
    return text


def _buffer(data: bytes) -> _Buffer:
    """Holds on to the bytes as long as it lives itself."""
    made = _Buffer(len(data), ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p))
    made.kept = data
    return made


def _bytes(buffer: _Buffer) -> bytes:
    return ctypes.string_at(buffer.value, buffer.length) if buffer.length else b""
