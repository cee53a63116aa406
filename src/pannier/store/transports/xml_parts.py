"""Objects that come in parts, as S3 servers and Google Cloud Storage take them: the same XML.

obstore forgets what it began and lists none of it. Source: Amazon's API reference, and Google's
"XML API multipart uploads".
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from pannier.core.errors import NotThere, TransportError
from pannier.core.typed import Any, Protocol


class Asker(Protocol):
    """Requests to one bucket, in the name of who the settings say. version_header: of an answer
    that says which version an upload became. place: names one object in notes."""

    version_header: str

    def place(self, full: str) -> dict[str, str]: ...

    def ask(
        self, method: str, full: str, query: str, body: bytes = b"", sha256: str = ""
    ) -> tuple[Mapping[str, str], bytes]:
        """Headers and body of an answer that is no error. full: a key, or "" for the bucket.
        sha256: of the body, in hex, where it is known. Raises the contract's errors."""
        ...


class XmlParts:
    """See Parted."""

    def __init__(self, asker: Asker, full: str) -> None:
        self._asker, self._full = asker, full
        self.place = asker.place(full)

    def begin(self) -> str:
        _, data = self._asker.ask("POST", self._full, "uploads")
        upload = parsed(data).findtext("{*}UploadId")
        if not upload:
            raise odd_answer()
        return upload

    def listed(self, upload: str) -> dict[int, tuple[str, int]]:
        found: dict[int, tuple[str, int]] = {}
        after = ""
        while True:
            marker = f"&part-number-marker={after}" if after else ""
            page = parsed(self._asker.ask("GET", self._full, _of(upload) + marker)[1])
            for part in page.iterfind("{*}Part"):
                etag = part.findtext("{*}ETag") or ""
                found[_number(part, "PartNumber")] = etag, _number(part, "Size")
            before, after = after, page.findtext("{*}NextPartNumberMarker") or ""
            if page.findtext("{*}IsTruncated") != "true" or after in ("", before):
                return found

    def put(self, upload: str, number: int, data: bytes, sha256: str) -> str:
        query = f"partNumber={number}&{_of(upload)}"
        headers, _ = self._asker.ask("PUT", self._full, query, data, sha256)
        return str(headers.get("etag", ""))

    def complete(self, upload: str, parts: list[tuple[int, str]]) -> dict[str, Any]:
        rows = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag></Part>"
            for number, etag in parts
        )
        text = f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>"
        headers, data = self._asker.ask("POST", self._full, _of(upload), text.encode())
        told = parsed(data)
        # An error may come behind the status of success.
        if not told.tag.endswith("CompleteMultipartUploadResult"):
            raise odd_answer()
        version = headers.get(self._asker.version_header)
        return {"e_tag": told.findtext("{*}ETag"), "version": version}

    def give_up(self, upload: str) -> None:
        self._asker.ask("DELETE", self._full, _of(upload))


def give_up_stale(asker: Asker, prefix: str, before: datetime) -> int:
    """Gives up uploads below a prefix that were begun before a time.

    A killed push leaves the parts it sent: nobody sees them, but they are paid for. What others
    began a short time ago has to stay: they may still be sending. Returns how many.
    """
    stale = [
        (full, upload)
        for full, upload, begun in _unfinished(asker, prefix)
        if begun is not None and begun <= before
    ]
    for full, upload in stale:
        with contextlib.suppress(NotThere):
            XmlParts(asker, full).give_up(upload)
    return len(stale)


def _unfinished(asker: Asker, prefix: str) -> Iterator[tuple[str, str, datetime | None]]:
    """Yields (key, id, when it was begun)."""
    after = ""
    while True:
        query = f"uploads&prefix={quote(prefix, safe='')}{after}"
        page = parsed(asker.ask("GET", "", query)[1])
        for row in page.iterfind("{*}Upload"):
            full, upload = row.findtext("{*}Key") or "", row.findtext("{*}UploadId") or ""
            yield full, upload, _time(row.findtext("{*}Initiated") or "")
        if page.findtext("{*}IsTruncated") != "true":
            return
        marks = [page.findtext(f"{{*}}Next{name}Marker") or "" for name in ("Key", "UploadId")]
        full, upload = (quote(mark, safe="") for mark in marks)
        after = f"&key-marker={full}&upload-id-marker={upload}"


def parsed(data: bytes) -> ElementTree.Element:
    """Raises TransportError for what is no XML."""
    try:
        return ElementTree.fromstring(data.strip())
    except ElementTree.ParseError:
        raise odd_answer() from None


def odd_answer() -> TransportError:
    return TransportError("the server does not answer as an object store does")


def _number(row: ElementTree.Element, name: str) -> int:
    try:
        return int(row.findtext(f"{{*}}{name}") or "")
    except ValueError:
        raise odd_answer() from None


def _of(upload: str) -> str:
    return f"uploadId={quote(upload, safe='')}"


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
