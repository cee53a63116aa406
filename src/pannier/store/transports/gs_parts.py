"""What of Google Cloud Storage's XML interface obstore does not do, or not all of it.

Objects that come in parts, uploads of them that nobody went on with, and whether a bucket keeps
versions. Source: Google's description, "XML API multipart uploads" and "Get bucket versioning".
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from pannier.core.errors import NotThere, TransportError
from pannier.core.typed import Any
from pannier.store.transports.big_uploads import CannotContinue
from pannier.store.transports.web_client import WebClient

_DONE = (200, 204)


class GsParts:
    """See Parted. url: of the object."""

    def __init__(self, web: WebClient, url: str, key: str) -> None:
        self._web, self._url, self._key = web, url, key
        self.place = {"url": url}

    def begin(self) -> str:
        headers = {"Content-Type": "application/octet-stream"}
        try:
            told = self._xml("POST", f"{self._url}?uploads", headers=headers, body=b"")
        except TransportError as error:
            if error.temporary:
                raise
            raise CannotContinue from None
        upload = told.findtext("{*}UploadId")
        if not upload:
            raise CannotContinue
        return upload

    def listed(self, upload: str) -> dict[int, tuple[str, int]]:
        found: dict[int, tuple[str, int]] = {}
        after = ""
        try:
            while True:
                marker = f"&part-number-marker={after}" if after else ""
                page = self._xml("GET", self._of(upload) + marker)
                for part in page.iterfind("{*}Part"):
                    number = int(part.findtext("{*}PartNumber") or 0)
                    etag = part.findtext("{*}ETag") or ""
                    found[number] = etag, int(part.findtext("{*}Size") or -1)
                after = page.findtext("{*}NextPartNumberMarker") or ""
                if page.findtext("{*}IsTruncated") != "true" or not after:
                    return found
        except ValueError:
            raise self._odd() from None

    def put(self, upload: str, number: int, data: bytes) -> str:
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        headers = {"Content-MD5": base64.b64encode(md5).decode()}
        url = f"{self._of(upload)}&partNumber={number}"
        with self._web.ask("PUT", url, self._key, headers=headers, body=data) as answer:
            return str(answer.headers.get("etag", ""))

    def complete(self, upload: str, parts: list[tuple[int, str]]) -> dict[str, Any]:
        rows = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag></Part>"
            for number, etag in parts
        )
        text = f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()
        headers = {"Content-Type": "application/xml"}
        with self._web.ask(
            "POST", self._of(upload), self._key, headers=headers, body=text
        ) as answer:
            told = _parsed(b"".join(answer.iter_raw()))
            version = answer.headers.get("x-goog-generation")
        # An error may come behind the status of success.
        if told is None or not told.tag.endswith("CompleteMultipartUploadResult"):
            raise self._odd()
        return {"e_tag": told.findtext("{*}ETag"), "version": version}

    def give_up(self, upload: str) -> None:
        with self._web.ask("DELETE", self._of(upload), self._key, good=_DONE):
            pass

    def _of(self, upload: str) -> str:
        return f"{self._url}?uploadId={quote(upload, safe='')}"

    def _xml(self, method: str, url: str, **more: Any) -> ElementTree.Element:
        told = _parsed(self._web.call(method, url, self._key, **more))
        if told is None:
            raise self._odd()
        return told

    def _odd(self) -> TransportError:
        return TransportError(f"{self._web.options.server} does not answer as an object store does")


def give_up_stale(web: WebClient, bucket: str, prefix: str, before: datetime) -> int:
    """Gives up uploads below a prefix that were begun before a time: what a killed push sent is
    paid for until then. bucket: its URL. Returns how many."""
    stale = [
        (key, upload)
        for key, upload, begun in _unfinished(web, bucket, prefix)
        if begun is not None and begun <= before
    ]
    for key, upload in stale:
        with contextlib.suppress(NotThere):
            GsParts(web, f"{bucket}/{quote(key)}", key).give_up(upload)
    return len(stale)


def keeps_versions(web: WebClient, bucket: str) -> bool:
    """Whether a bucket says that it keeps versions. Raises AccessDenied, TransportError."""
    told = _parsed(web.call("GET", f"{bucket}?versioning"))
    if told is None or not told.tag.endswith("VersioningConfiguration"):
        raise TransportError(f"{web.options.server} does not answer as an object store does")
    return told.findtext("{*}Status") == "Enabled"


def _unfinished(
    web: WebClient, bucket: str, prefix: str
) -> Iterator[tuple[str, str, datetime | None]]:
    """Yields (key, id, when it was begun)."""
    after = ""
    while True:
        page = _parsed(web.call("GET", f"{bucket}?uploads&prefix={quote(prefix, safe='')}{after}"))
        for row in page.iterfind("{*}Upload") if page is not None else ():
            key, upload = row.findtext("{*}Key") or "", row.findtext("{*}UploadId") or ""
            yield key, upload, _time(row.findtext("{*}Initiated") or "")
        if page is None or page.findtext("{*}IsTruncated") != "true":
            return
        marks = [page.findtext(f"{{*}}Next{name}Marker") or "" for name in ("Key", "UploadId")]
        key, upload = (quote(mark, safe="") for mark in marks)
        after = f"&key-marker={key}&upload-id-marker={upload}"


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _parsed(data: bytes) -> ElementTree.Element | None:
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError:
        return None
