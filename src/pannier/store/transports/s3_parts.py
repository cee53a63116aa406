"""Requests to an S3 bucket that obstore does not make: about objects that come in parts.

A part is signed with its SHA-256, so no server takes a damaged one. It is hashed once, for its
note; a client of botocore's would hash it again, and takes half a second to be made.
"""

from __future__ import annotations

import base64
import hashlib
import random
import time
from collections.abc import Mapping
from urllib.parse import quote
from xml.etree import ElementTree

from pannier.core.errors import TransportError
from pannier.store.transports.s3_config import Options, Settings
from pannier.store.transports.s3_credentials import Signed, explain_answer
from pannier.store.transports.s3_errors import Place, from_answer

_TRIES = 3
_FIRST_PAUSE_S = 0.2


class S3Asker:
    """See Asker. prefix: of its keys, for messages."""

    version_header = "x-amz-version-id"

    def __init__(self, signed: Signed, settings: Settings, place: Place, prefix: str) -> None:
        self._signed, self._at, self._prefix = signed, place, prefix
        bucket = f"/{settings.options.bucket}" if settings.path_style else ""
        self._bucket = settings.endpoint + bucket
        self._customer = _customer_headers(settings.options)
        self._extra = _encryption_headers(settings.options)

    def place(self, full: str) -> dict[str, str]:
        return {"Bucket": self._at.bucket, "Key": full}

    def ask(
        self, method: str, full: str, query: str, body: bytes = b"", sha256: str = ""
    ) -> tuple[Mapping[str, str], bytes]:
        """Tries again what a busy server or a broken connection failed at."""
        url = f"{self._bucket}/{quote(full, safe='/~')}?{query}"
        headers = self._customer if method in ("PUT", "POST") else {}
        if method == "POST" and query == "uploads":
            headers = {**headers, **self._extra}
        sha256 = sha256 or hashlib.sha256(body).hexdigest()
        for attempt in range(1, _TRIES + 1):
            try:
                return self._once(method, url, headers, body, sha256, full)
            except TransportError as error:
                if attempt == _TRIES or not error.temporary:
                    raise
            time.sleep(_FIRST_PAUSE_S * 2**attempt * random.random())
        raise AssertionError("unreachable")

    def _once(
        self, method: str, url: str, headers: dict[str, str], body: bytes, sha256: str, full: str
    ) -> tuple[Mapping[str, str], bytes]:
        key = full.removeprefix(self._prefix)
        try:
            status, told, data = self._signed.send(method, url, headers, body, sha256)
        except Exception as error:
            raise explain_answer(error, self._at, key) from None
        code, message = _error_in(data)
        if status >= 300 or code:
            # What goes wrong late comes behind the status of success.
            raise from_answer(500 if status < 300 else status, code, message, self._at, key)
        return told, data


def _error_in(data: bytes) -> tuple[str, str]:
    """(code, message) of an error that a server tells; "" where it tells none."""
    try:
        root = ElementTree.fromstring(data.strip())
    except ElementTree.ParseError:
        return "", ""
    if root.tag.rpartition("}")[2] != "Error":
        return "", ""
    return root.findtext("{*}Code") or "InternalError", root.findtext("{*}Message") or ""


def _encryption_headers(options: Options) -> dict[str, str]:
    if options.sse_customer_key or not options.sse:
        return {}
    headers = {"x-amz-server-side-encryption": options.sse}
    if options.sse_kms_key_id:
        headers["x-amz-server-side-encryption-aws-kms-key-id"] = options.sse_kms_key_id
    return headers


def _customer_headers(options: Options) -> dict[str, str]:
    key = options.sse_customer_key
    if not key:
        return {}
    md5 = hashlib.md5(base64.b64decode(key), usedforsecurity=False).digest()
    name = "x-amz-server-side-encryption-customer"
    return {
        f"{name}-algorithm": "AES256",
        f"{name}-key": key,
        f"{name}-key-MD5": base64.b64encode(md5).decode(),
    }
