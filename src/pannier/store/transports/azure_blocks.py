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
import os
import threading
from collections.abc import Iterator
from urllib.parse import quote
from xml.etree import ElementTree

from pannier.core.errors import CorruptObject, FileChanged, NotThere, TransportError
from pannier.core.typed import Any
from pannier.store.transport import OnBytes
from pannier.store.transports.s3_parts import parts_of
from pannier.store.transports.threads import Stopped, Team
from pannier.store.transports.web_client import WebClient

BLOCK = 8 << 20
BLOCKS_MAX = 9_000  # the protocol's limit is 50,000
_AT_ONCE = 4
_ID_LENGTH = 48
_HEX, _NUMBER = 32, 2
"""Lengths of an MD5, and of a number below BLOCKS_MAX."""


class CannotContinue(Exception):
    """The server does not let blocks be listed or sent in this way."""


class BlocksUpload:
    """One big file. write_url, read_url: of the blob, signed."""

    def __init__(self, web: WebClient, key: str, write_url: str, read_url: str) -> None:
        self._web, self._key = web, key
        self._write, self._read = _begun(write_url), _begun(read_url)

    def send(
        self, fd: int, path: str, expected: str, stop: threading.Event, on_bytes: OnBytes
    ) -> tuple[str, int, dict[str, Any]]:
        """Returns (md5 hex, size, ETag and version as obstore tells them).

        Raises CannotContinue, CorruptObject, FileChanged, Stopped, TransportError. What was sent
        stays, for a week."""
        size = os.fstat(fd).st_size
        there = self._listed()
        length = _length_of(next(iter(there))) if there else _ID_LENGTH
        if length < _NUMBER:
            raise CannotContinue
        if length < _HEX:
            there = {}  # no room for a digest: these ids say nothing of the bytes
        hasher = hashlib.md5(usedforsecurity=False)
        order: list[str] = []
        total = 0

        def missing() -> Iterator[tuple[str, bytes]]:
            nonlocal total
            for data in parts_of(fd, path, max(BLOCK, -(-size // BLOCKS_MAX))):
                if stop.is_set():
                    raise Stopped
                hasher.update(data)
                total += len(data)
                ident = _id_of(data, len(order), length)
                order.append(ident)
                if there.get(ident) != len(data):
                    there[ident] = len(data)
                    yield ident, data

        def send_one(block: tuple[str, bytes]) -> None:
            self._put_block(*block)
            on_bytes(len(block[1]))

        team: Team[tuple[str, bytes], None] = Team(send_one, _AT_ONCE)
        for _ in team.map(missing()):
            pass
        md5 = hasher.hexdigest()
        if total != size:
            raise FileChanged(path)
        if expected and md5 != expected:
            raise CorruptObject(expected, found=md5, where=f"'{path}'")
        answer = self._commit(order)
        told = {"e_tag": answer.get("etag"), "version": answer.get("x-ms-version-id")}
        return md5, size, told

    def _listed(self) -> dict[str, int]:
        """Id -> size of the blocks that wait there."""
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
            raise CannotContinue from None
        except (ElementTree.ParseError, ValueError):
            raise CannotContinue from None

    def _put_block(self, ident: str, data: bytes) -> None:
        url = f"{self._write}comp=block&blockid={quote(ident, safe='')}"
        self._put(url, data)

    def _commit(self, order: list[str]) -> Any:
        rows = "".join(f"<Latest>{ident}</Latest>" for ident in order)
        text = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{rows}</BlockList>'
        return self._put(f"{self._write}comp=blocklist", text.encode())

    def _put(self, url: str, data: bytes) -> Any:
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        headers = {"Content-MD5": base64.b64encode(md5).decode()}
        with self._web.ask(
            "PUT", url, self._key, good=(201,), headers=headers, body=data
        ) as answer:
            return answer.headers


def _id_of(data: bytes, number: int, length: int) -> str:
    name = number.to_bytes(length, "big")
    if length >= _HEX:
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        name = md5.encode().rjust(length, b"0")
    return base64.b64encode(name).decode()


def _length_of(ident: str) -> int:
    """In bytes, before base64 made more of them."""
    return len(ident) // 4 * 3 - ident.count("=")


def _begun(url: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}"
