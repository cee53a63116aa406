"""One connection to an SSH server with a thread of its own, in which its event loop runs.

Connects with the first request, and again with the first one after the connection broke off.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from typing import TypeVar

from pannier.core.errors import PannierError, TransportError, Unreachable
from pannier.core.typed import Any
from pannier.store.transports.sftp import Session
from pannier.store.transports.ssh_connect import Connection, Secrets, connect
from pannier.store.transports.ssh_options import Options
from pannier.store.transports.ssh_secrets import ask_secrets

R = TypeVar("R")

SESSIONS = 4
"""SFTP sessions on the connection when many requests are under way. A server flushes one file a
session at a time; it allows ten by default. Measured: docs/decisions/0100-ssh.md."""

_BUSY = 24
"""Requests that wait in the least busy session before one more is opened."""

_REFUSED_FOR_S = 0.2
"""So long nobody tries to connect again after it failed: many requests fail at the same time."""

_END_S = 2.0
_links: weakref.WeakSet[Link] = weakref.WeakSet()


class Link:
    """The way to one server. `call` and `close` are for any thread, the rest for the loop's."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.server = options.host
        self.url = options.url
        self._secrets: Secrets | None = None
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None
        self._sessions: list[Session] = []
        self._widening: asyncio.Task[None] | None = None
        self._refused: tuple[float, TransportError] | None = None
        _links.add(self)

    # -- from any thread ----

    def open(self) -> asyncio.AbstractEventLoop:
        """The running loop. Asks the user for secrets the first time, in the caller's thread."""
        with self._guard:
            if self._secrets is None:
                self._secrets = ask_secrets(self.options)
            if self._loop is None:
                self._loop, self._lock = asyncio.new_event_loop(), asyncio.Lock()
                # Whoever waits for a request hears of its failure; of the others nobody need, and
                # what asyncio warns of would go to standard error.
                logging.getLogger("asyncio").setLevel(logging.ERROR)
                self._loop.set_exception_handler(lambda _loop, _context: None)
                self._thread = threading.Thread(target=self._run, args=(self._loop,), daemon=True)
                self._thread.start()
            return self._loop

    def call(self, work: Callable[[], Coroutine[Any, Any, R]]) -> R:
        """Runs work in the loop and waits for it; Ctrl-C ends the waiting, and the work."""
        loop = self.open()
        future = asyncio.run_coroutine_threadsafe(work(), loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self, last: Callable[[Session], Coroutine[Any, Any, None]]) -> None:
        """last: what is still to be done when the connection lives. Never raises."""
        with self._guard:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is None or thread is None:
            return
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(self._end(last), loop).result(_END_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_END_S)

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    # -- in the loop ----

    async def _end(self, last: Callable[[Session], Coroutine[Any, Any, None]]) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        live = [session for session in self._sessions if session.lost is None]
        self._sessions = []
        try:
            if live:
                async with asyncio.timeout(_END_S / 2):
                    await last(live[0])
        finally:
            connection.abort()

    async def session(self) -> Session:
        """The session with the fewest requests under way. Raises what connect raises."""
        live = [session for session in self._sessions if session.lost is None]
        if not live:
            return await self._connect()
        best = min(live, key=_load)
        most = min(self.options.sessions_max or SESSIONS, SESSIONS)
        if best.under_way >= _BUSY and len(self._sessions) < most and self._widening is None:
            self._widening = asyncio.get_running_loop().create_task(self._widen())
        return best

    async def run(self, command: str, timeout_s: float) -> bytes | None:
        """What a command at the server writes; None where it cannot be run, or fails."""
        connection = self._connection
        return None if connection is None else await connection.run(command, timeout_s)

    async def _connect(self) -> Session:
        async with self._lock:
            live = [session for session in self._sessions if session.lost is None]
            if live:
                return live[0]
            if self._refused and time.monotonic() < self._refused[0]:
                raise self._refused[1]
            self._drop()
            try:
                self._connection = await connect(self.options, self._secrets or Secrets())
                self.server = self._connection.server
                self._sessions = [await self._connection.open_session()]
            except TransportError as error:
                self._drop()
                # A key or password that is not accepted is not tried again: servers count that.
                patience_s = _REFUSED_FOR_S if error.temporary else float("inf")
                self._refused = time.monotonic() + patience_s, error
                raise
            self._refused = None
            return self._sessions[0]

    async def _widen(self) -> None:
        """One more session, if the server allows it."""
        connection = self._connection
        try:
            if connection is not None:
                self._sessions.append(await connection.open_session())
                self._widening = None
        except PannierError:
            pass  # it allows no more: `_widening` stays, and nobody asks again

    def _drop(self) -> None:
        """Forgets a connection that is gone."""
        connection, self._connection = self._connection, None
        self._sessions, self._widening = [], None
        if connection is not None:
            connection.abort()

    def broke_off(self) -> Unreachable:
        return Unreachable(f"the connection to {self.server} broke off")


def _load(session: Session) -> int:
    return session.under_way


@atexit.register
def _close_all() -> None:
    """A thread that runs on while the interpreter ends may end it with a crash."""

    async def nothing(_session: Session) -> None: ...

    for link in list(_links):
        link.close(nothing)
