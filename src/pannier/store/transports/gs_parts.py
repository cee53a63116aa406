"""What of Google Cloud Storage's XML interface obstore does not do: parts, and what a bucket says.

Source: Google's description, "XML API multipart uploads" and "Get bucket versioning".
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from urllib.parse import quote

from pannier.store.transports.web_client import WebClient
from pannier.store.transports.xml_parts import odd_answer, parsed

_DONE = (200, 204)


class GsAsker:
    """See Asker. bucket: its URL. prefix: of its keys, for messages. A part travels with its MD5,
    which the server checks."""

    version_header = "x-goog-generation"

    def __init__(self, web: WebClient, bucket: str, prefix: str) -> None:
        self._web, self._bucket, self._prefix = web, bucket, prefix

    def place(self, full: str) -> dict[str, str]:
        return {"url": f"{self._bucket}/{quote(full)}"}

    def ask(
        self, method: str, full: str, query: str, body: bytes = b"", sha256: str = ""
    ) -> tuple[Mapping[str, str], bytes]:
        url = f"{self._bucket}/{quote(full)}?{query}" if full else f"{self._bucket}?{query}"
        key = full.removeprefix(self._prefix)
        headers = {}
        if method == "PUT":
            md5 = hashlib.md5(body, usedforsecurity=False).digest()
            headers = {"Content-MD5": base64.b64encode(md5).decode()}
        elif method == "POST":
            headers = {"Content-Type": "application/xml" if body else "application/octet-stream"}
        sent = body if method in ("PUT", "POST") else None
        with self._web.ask(method, url, key, good=_DONE, headers=headers, body=sent) as answer:
            return answer.headers, b"".join(answer.iter_raw())


def keeps_versions(asker: GsAsker) -> bool:
    """Whether a bucket says that it keeps versions. Raises AccessDenied, TransportError."""
    told = parsed(asker.ask("GET", "", "versioning")[1])
    if not told.tag.endswith("VersioningConfiguration"):
        raise odd_answer()
    return told.findtext("{*}Status") == "Enabled"
