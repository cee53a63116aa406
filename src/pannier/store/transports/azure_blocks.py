"""Big uploads to Azure that go on after a kill: blocks that are no blob yet can be listed.

A block's id is the MD5 of its bytes, which the server checks as it takes them. So what is listed
under an id, in the right size, has these bytes, and need not be sent again; no note is kept. All
blocks that wait for one blob must have ids of one length: ours is that of Microsoft's own clients,
or of what another program left. The URLs are signed by obstore. Source: Microsoft's description of
Put Block, Get Block List and Put Block List.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from urllib.parse import quote
from xml.etree import ElementTree

from pannier.core.errors import NotThere, TransportError
from pannier.core.typed import Any
from pannier.store.transports.big_uploads import (
    PART,
    PARTS_MAX,
    BigFile,
    CannotContinue,
    Sent,
    send_parts,
)
from pannier.store.transports.web_client import WebClient

_ID_LENGTH = 48
_HEX, _NUMBER = 32, 2
"""Lengths of an MD5, and of a number below PARTS_MAX."""


class BlocksUpload:
    """One big file. write_url, read_url: of the blob, signed."""

    def __init__(self, web: WebClient, key: str, write_url: str, read_url: str) -> None:
        self._web, self._key = web, key
        self._write, self._read = _begun(write_url), _begun(read_url)

    def send(self, file: BigFile) -> Sent:
        """Raises CannotContinue, CorruptObject, FileChanged, Stopped, TransportError. What was
        sent stays, for a week."""
        listed = self._listed()
        there = listed or {}
        length = _length_of(next(iter(there))) if there else _ID_LENGTH
        if length < _NUMBER:
            raise CannotContinue
        if length < _HEX:
            there = {}  # no room for a digest: these ids say nothing of the bytes
        ids: dict[int, str] = {}
        sent: set[str] = set()
        lock = threading.Lock()

        def is_there(number: int, data: bytes) -> bool:
            if not there:
                return False
            ids[number] = _id_of(_md5(data), number, length)
            return there.get(ids[number]) == len(data)

        def send_one(number: int, data: bytes) -> None:
            md5 = _md5(data)
            ids[number] = ident = _id_of(md5, number, length)
            with lock:
                if ident in sent:
                    return  # the same bytes are under way
                sent.add(ident)
            try:
                self._put_block(ident, md5, data)
            except TransportError as error:
                if listed is None and not error.temporary:
                    raise CannotContinue from None
                raise

        md5 = send_parts(file, file.part_size(PART, PARTS_MAX), is_there, send_one)
        answer = self._commit([ident for _, ident in sorted(ids.items())])
        told = {"e_tag": answer.get("etag"), "version": answer.get("x-ms-version-id")}
        return md5, file.size, told

    def _listed(self) -> dict[str, int] | None:
        """Id -> size of the blocks that wait there. None where that is not told: there may be some
        all the same, so nobody should come with ids of another length."""
        url = f"{self._read}comp=blocklist&blocklisttype=uncommitted"
        try:
            data = self._web.call("GET", url, self._key)
            rows = ElementTree.fromstring(data).iterfind("UncommittedBlocks/Block")
            return {row.findtext("Name") or "": int(row.findtext("Size") or -1) for row in rows}
        except NotThere:
            return {}
        except TransportError as error:
            if error.temporary:
                raise
            return None
        except (ElementTree.ParseError, ValueError):
            return None

    def _put_block(self, ident: str, md5: bytes, data: bytes) -> None:
        url = f"{self._write}comp=block&blockid={quote(ident, safe='')}"
        self._put(url, md5, data)

    def _commit(self, order: list[str]) -> Any:
        rows = "".join(f"<Latest>{ident}</Latest>" for ident in order)
        text = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{rows}</BlockList>'
        body = text.encode()
        return self._put(f"{self._write}comp=blocklist", _md5(body), body)

    def _put(self, url: str, md5: bytes, data: bytes) -> Any:
        headers = {"Content-MD5": base64.b64encode(md5).decode()}
        with self._web.ask(
            "PUT", url, self._key, good=(201,), headers=headers, body=data
        ) as answer:
            return answer.headers


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _id_of(md5: bytes, number: int, length: int) -> str:
    name = number.to_bytes(length, "big")
    if length >= _HEX:
        name = md5.hex().encode().rjust(length, b"0")
    return base64.b64encode(name).decode()


def _length_of(ident: str) -> int:
    """In bytes, before base64 made more of them."""
    return len(ident) // 4 * 3 - ident.count("=")


def _begun(url: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}"
