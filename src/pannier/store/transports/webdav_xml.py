"""What a WebDAV server tells of a folder: its answer to PROPFIND, read as it arrives."""

from __future__ import annotations

import email.utils
from collections.abc import Iterable, Iterator
from typing import cast
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from pannier.core.errors import TransportError
from pannier.core.record import dataclass
from pannier.core.typed import Any

QUESTION = (
    b'<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop>'
    b"<resourcetype/><getcontentlength/><getlastmodified/></prop></propfind>"
)
_DAV = "{DAV:}"


@dataclass(frozen=True, slots=True)
class Member:
    """path: decoded, as the server has it, without a slash at its end."""

    path: str
    is_folder: bool
    size_bytes: int | None
    modified_s: float | None


class NotWebdav(TransportError):
    """The answer is no answer to the question."""


def read_members(blocks: Iterable[bytes]) -> Iterator[Member]:
    """Yields what the answer tells of. Raises NotWebdav."""
    parser: XMLPullParser[Any] = XMLPullParser(("start", "end"))
    root: Element | None = None
    try:
        for block in blocks:
            parser.feed(block)
            for found in parser.read_events():
                event, node = cast(tuple[str, Element], found)
                if root is None:
                    root = node
                    if node.tag != f"{_DAV}multistatus":
                        raise NotWebdav
                elif event == "end" and node.tag == f"{_DAV}response":
                    yield _member(node)
                    root.clear()
        parser.close()
    except ParseError:
        raise NotWebdav from None
    if root is None:
        raise NotWebdav


def _member(response: Element) -> Member:
    path = unquote(urlsplit(response.findtext(f"{_DAV}href", "").strip()).path)
    kind = response.find(f"{_DAV}propstat/{_DAV}prop/{_DAV}resourcetype/{_DAV}collection")
    size = _property(response, "getcontentlength")
    return Member(
        path.rstrip("/"),
        kind is not None,
        int(size) if size.isascii() and size.isdigit() else None,
        _seconds(_property(response, "getlastmodified")),
    )


def _property(response: Element, name: str) -> str:
    return response.findtext(f"{_DAV}propstat/{_DAV}prop/{_DAV}{name}", "").strip()


def _seconds(text: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return None
