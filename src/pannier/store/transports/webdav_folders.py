"""Folders at a WebDAV server: made once each, listed, and the one where uploads wait.

A staged file lies in `files/md5/tmp-pannier-<random>/` below the root, as in a folder remote: real
DVC's status and gc look past it. The folders of dead runs are swept after a day.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Iterator
from urllib.parse import quote, unquote, urlsplit

from pannier.core.errors import NotThere, TransportError
from pannier.store.transports.local_staging import NAME, PARENT
from pannier.store.transports.web_client import WebClient
from pannier.store.transports.web_errors import CHECK_URL
from pannier.store.transports.webdav_xml import QUESTION, Member, NotWebdav, read_members

STALE_S = 24 * 3600
_THERE = 405
"""MKCOL's answer for a folder that is there."""


class Folders:
    """Of one transport. Keys of folders have no slash at their end; "" is the root."""

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self._root = unquote(urlsplit(client.options.base).path)
        self._lock = threading.Lock()
        self._there: set[str] = set()
        self._staging = ""
        self._numbers = itertools.count()
        self.stale_after_s: float = STALE_S

    def url(self, key: str) -> str:
        return f"{self._client.options.base}/{quote(key)}" if key else self._client.options.base

    # -- looking ----

    def look(self, key: str) -> Member | None:
        """What a key names, file or folder."""
        try:
            for path, member in self._asked(self.url(key), "0"):
                if path == key:
                    return member
        except NotThere:
            pass
        return None

    def members(self, key: str) -> Iterator[tuple[str, Member]]:
        """(key, what it is) of all that is directly in a folder; nothing when it is not there."""
        start = f"{key}/" if key else ""
        try:
            for path, member in self._asked(f"{self.url(key)}/", "1"):
                if path.startswith(start) and path != key:
                    name = path[len(start) :]
                    # A server's word is no way to elsewhere.
                    if name and "/" not in name and name not in (".", ".."):
                        yield path, member
        except NotThere:
            return

    def _asked(self, url: str, depth: str) -> Iterator[tuple[str, Member]]:
        headers = {"Depth": depth, "Content-Type": "application/xml; charset=utf-8"}
        with self._client.ask(
            "PROPFIND", url, good=(207,), headers=headers, body=QUESTION
        ) as answer:
            try:
                for member in read_members(answer.iter_raw(1 << 16)):
                    if member.path == self._root:
                        yield "", member
                    elif member.path.startswith(f"{self._root}/"):
                        yield member.path[len(self._root) + 1 :], member
            except NotWebdav:
                raise TransportError(
                    f"{self._client.options.server} answers, but not as a WebDAV server does",
                    hint=CHECK_URL,
                ) from None

    # -- making ----

    def make(self, key: str) -> None:
        """Makes a folder and those above it, once in a transport's life."""
        with self._lock:
            self._make(key)

    def _make(self, key: str) -> None:
        if key in self._there:
            return
        if not self._made(key):
            if not key:
                self._make_above_root()
            else:
                self._make(key.rpartition("/")[0])
            if not self._made(key):
                raise TransportError(
                    f"the folder '{key}' in '{self._client.options.shown}' cannot be made",
                    hint="check the remote's URL with 'dvc remote list'",
                )
        self._there.add(key)

    def _made(self, key: str) -> bool:
        """Returns False when the folder above is missing."""
        return self._mkcol(f"{self.url(key)}/", key)

    def _mkcol(self, url: str, key: str) -> bool:
        good = (201, 409, 404, _THERE)
        with self._client.ask("MKCOL", url, key, good=good) as answer:
            status: int = answer.status_code
        return status in (201, _THERE)

    def _make_above_root(self) -> None:
        """The nearest folder that is there, or can be made, and those below it."""
        server = self._client.options.server
        parts = self._client.options.base[len(server) :].strip("/").split("/")[:-1]
        for count in range(len(parts), 0, -1):
            if self._mkcol(f"{server}/{'/'.join(parts[:count])}/", ""):
                break
        else:
            count = 0
        for more in range(count + 1, len(parts) + 1):
            self._mkcol(f"{server}/{'/'.join(parts[:more])}/", "")

    def forget(self) -> None:
        """What was known may be wrong: somebody removed a folder."""
        with self._lock:
            self._there.clear()
            self._staging = ""

    # -- staging ----

    def staged(self) -> str:
        """A key that nobody has, in a folder that is there."""
        with self._lock:
            if not self._staging:
                self._open_staging()
            return f"{self._staging}/{next(self._numbers)}"

    def _open_staging(self) -> None:
        staging = f"{PARENT}/{NAME}{os.urandom(8).hex()}"
        self._make(staging)
        self._staging = staging
        found = dict(self.members(PARENT))
        mine = found.get(staging)
        for key, member in found.items():
            if not member.is_folder or key == staging:
                continue
            if not key.startswith(f"{PARENT}/{NAME}"):
                self._there.add(key)
            elif mine is not None and mine.modified_s is not None:
                with contextlib.suppress(TransportError):
                    self._sweep(key, member, mine.modified_s - self.stale_after_s)

    def _sweep(self, key: str, member: Member, oldest_s: float) -> None:
        """Removes what a dead run left behind, by the server's clock: a run at work has written
        something since."""
        members = [member, *(inner for _, inner in self.members(key))]
        if all(m.modified_s is not None and m.modified_s <= oldest_s for m in members):
            self._remove_folder(key)

    def close(self) -> None:
        """Removes the folder for staged files, and those in it that failed."""
        with self._lock:
            staging, self._staging = self._staging, ""
            self._there.discard(staging)
        if staging:
            with contextlib.suppress(TransportError):
                self._remove_folder(staging)

    def _remove_folder(self, key: str) -> None:
        with self._client.ask("DELETE", f"{self.url(key)}/", key, good=(200, 204, 404)):
            pass
