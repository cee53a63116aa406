"""The system's GSSAPI library, called as it is: what wraps it for Python must be compiled where it
is installed. hdfs-native does the same. Source: RFC 2743, 2744 and 4178.

The only module that calls it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os

from pannier.core.errors import ConfigError
from pannier.core.typed import Any

_LIBRARIES = ("libgssapi_krb5.so.2", "libgssapi.so.3", "/usr/lib/libgssapi_krb5.dylib")
_INITIATE = 1
_CONTINUE = 1
_BY_GSS, _BY_MECHANISM = 1, 2

DELEGATE, MUTUAL, INTEGRITY = 1, 2, 32
"""What a context may give: one's ticket, a proof of who the server is, signatures."""


class _Buffer(ctypes.Structure):
    _fields_ = [("length", ctypes.c_size_t), ("value", ctypes.c_void_p)]


class Oid(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint32), ("elements", ctypes.c_char_p)]

    @property
    def data(self) -> bytes:
        return bytes(self.elements or b"")[: self.length]


class _OidSet(ctypes.Structure):
    _fields_ = [("count", ctypes.c_size_t), ("elements", ctypes.POINTER(Oid))]


class _Pair(ctypes.Structure):
    _fields_ = [("key", ctypes.c_char_p), ("value", ctypes.c_char_p)]


class _Pairs(ctypes.Structure):
    _fields_ = [("count", ctypes.c_uint32), ("elements", ctypes.POINTER(_Pair))]


def _oid(data: bytes) -> Oid:
    return Oid(len(data), data)


SPNEGO = _oid(b"\x2b\x06\x01\x05\x05\x02")
KRB5 = _oid(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02")
_SERVICE_NAME = _oid(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04")
_PRINCIPAL_NAME = _oid(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01")


class Refused(Exception):
    """What the library said: its routine's error, the mechanism's number, and words.

    status: as it came, the routine's error in the upper half.
    """

    def __init__(self, status: int, number: int, text: str) -> None:
        super().__init__(text)
        self.status, self.number, self.text = status, number, text
        self.routine = status >> 16 & 0xFF


def library(remote: str) -> Any:
    """Raises ConfigError where it is not on this machine."""
    found = find_library()
    if found is None:
        raise ConfigError(
            f"remote '{remote}' wants Kerberos, and its library is not on this machine",
            hint="apt-get install krb5-user, or dnf install krb5-workstation",
        )
    return found


def find_library() -> Any | None:
    for name in _LIBRARIES:
        with contextlib.suppress(OSError):
            return ctypes.CDLL(name)
    return None


class Context:
    """One attempt to prove who asks to a service: `HTTP@host.domain`.

    principal: whose ticket, where there are several; else the one that `kinit` got last. Raises
    Refused without one that counts. To be closed, also when a step fails.
    """

    def __init__(
        self, gss: Any, service: str, mechanism: Oid, flags: int, principal: str | None = None
    ) -> None:
        self._gss, self._mechanism, self._flags = gss, mechanism, flags
        self._handle, self._credential = ctypes.c_void_p(), ctypes.c_void_p()
        self.complete = False
        self.has = 0
        """Flags of what it gives, so far."""
        self._target = _name(gss, service, _SERVICE_NAME)
        try:
            self._credential = _credential(gss, mechanism, principal)
        except Refused:
            self.close()
            raise

    def step(self, token: bytes = b"") -> bytes:
        """What is to be sent, maybe nothing, after what the service answered. Raises Refused."""
        minor, got = ctypes.c_uint32(), ctypes.c_uint32()
        given, made = _buffer(token), _Buffer()
        major = self._gss.gss_init_sec_context(
            ctypes.byref(minor),
            self._credential,
            ctypes.byref(self._handle),
            self._target,
            ctypes.byref(self._mechanism),
            ctypes.c_uint32(self._flags),
            ctypes.c_uint32(0),
            None,
            ctypes.byref(given) if token else None,
            None,
            ctypes.byref(made),
            ctypes.byref(got),
            None,
        )
        try:
            _demand(self._gss, major, minor, self._mechanism)
            self.complete = not major & _CONTINUE
            self.has = got.value
            return _bytes(made)
        finally:
            self._gss.gss_release_buffer(ctypes.byref(minor), ctypes.byref(made))

    def sign(self, data: bytes) -> bytes:
        """Raises Refused before the context is complete."""
        minor, given, made = ctypes.c_uint32(), _buffer(data), _Buffer()
        major = self._gss.gss_get_mic(
            ctypes.byref(minor),
            self._handle,
            ctypes.c_uint32(0),
            ctypes.byref(given),
            ctypes.byref(made),
        )
        try:
            _demand(self._gss, major, minor, self._mechanism)
            return _bytes(made)
        finally:
            self._gss.gss_release_buffer(ctypes.byref(minor), ctypes.byref(made))

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Did the service sign it?"""
        minor, given, signed = ctypes.c_uint32(), _buffer(data), _buffer(signature)
        major = self._gss.gss_verify_mic(
            ctypes.byref(minor), self._handle, ctypes.byref(given), ctypes.byref(signed), None
        )
        return not major & 0xFFFFFFFF

    def close(self) -> None:
        minor = ctypes.c_uint32()
        if self._handle:
            self._gss.gss_delete_sec_context(ctypes.byref(minor), ctypes.byref(self._handle), None)
        if self._credential:
            self._gss.gss_release_cred(ctypes.byref(minor), ctypes.byref(self._credential))
        if self._target:
            self._gss.gss_release_name(ctypes.byref(minor), ctypes.byref(self._target))


def owner_of(gss: Any, cache: str | None) -> str:
    """The principal whose ticket a file holds, or the system. Raises Refused."""
    pair = _Pair(b"ccache", os.fsencode(cache or ""))
    store = _Pairs(1 if cache else 0, ctypes.pointer(pair))
    minor, credential, name = ctypes.c_uint32(), ctypes.c_void_p(), ctypes.c_void_p()
    shown = _Buffer()
    try:
        major = gss.gss_acquire_cred_from(
            ctypes.byref(minor),
            None,
            ctypes.c_uint32(0),
            ctypes.byref(_OidSet(1, ctypes.pointer(KRB5))),
            _INITIATE,
            ctypes.byref(store),
            ctypes.byref(credential),
            None,
            None,
        )
        _demand(gss, major, minor, KRB5)
        major = gss.gss_inquire_cred(
            ctypes.byref(minor), credential, ctypes.byref(name), None, None, None
        )
        _demand(gss, major, minor, KRB5)
        major = gss.gss_display_name(ctypes.byref(minor), name, ctypes.byref(shown), None)
        _demand(gss, major, minor, KRB5)
        return _bytes(shown).decode()
    finally:
        gss.gss_release_buffer(ctypes.byref(minor), ctypes.byref(shown))
        gss.gss_release_name(ctypes.byref(minor), ctypes.byref(name))
        gss.gss_release_cred(ctypes.byref(minor), ctypes.byref(credential))


def _name(gss: Any, text: str, kind: Oid) -> ctypes.c_void_p:
    minor, name, given = ctypes.c_uint32(), ctypes.c_void_p(), _buffer(text.encode())
    major = gss.gss_import_name(
        ctypes.byref(minor), ctypes.byref(given), ctypes.byref(kind), ctypes.byref(name)
    )
    _demand(gss, major, minor, KRB5)
    return name


def _credential(gss: Any, mechanism: Oid, principal: str | None) -> ctypes.c_void_p:
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


def _demand(gss: Any, major: int, minor: ctypes.c_uint32, mechanism: Oid) -> None:
    """Raises Refused for what is neither done nor to go on."""
    major &= 0xFFFFFFFF
    if not major >> 16:
        return
    number = ctypes.c_int32(minor.value).value
    text = _said(gss, minor.value, _BY_MECHANISM, mechanism) if minor.value else ""
    text = text or _said(gss, major, _BY_GSS, mechanism)
    raise Refused(major, number, text)


def _said(gss: Any, status: int, kind: int, mechanism: Oid) -> str:
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
    return ctypes.string_at(buffer.value, buffer.length) if buffer.value else b""
