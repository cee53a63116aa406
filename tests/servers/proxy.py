"""A network that misbehaves: a TCP proxy on 127.0.0.1 with faults that a test switches on."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
import threading
from typing import Any

from tests.servers.processes import PATIENCE_S

_REQUEST = re.compile(rb"[A-Z]+ /\S* HTTP/1\.1\r\n")
_RESET = struct.pack("ii", 1, 0)
_CHUNK = 16384


class FaultProxy:
    """Relays to a server. All switches work at once, for connections that are open too.

    delay_s: how much later every chunk goes on, one after the other. latency_s: how much later
    bytes arrive, however many are under way. bytes_per_s: how fast uploads go on, 0 for no limit;
    down_per_s: the same for downloads, over all connections. cut_after: the connection that carries
    the n-th byte from now on is reset, or gently closed, and so is every later one, or so many.
    hold_after: when so many more bytes have gone up, no more of them do, on any connection, until
    `let_go`. refuse: the next requests get a status in the server's place, or the next connections
    are closed at once. silent: nothing goes on any more, no connection is closed. sent, received:
    bytes from and to the client so far.
    """

    def __init__(self, endpoint: str) -> None:
        self._target = int(endpoint.rpartition(":")[2])
        self.delay_s = self.latency_s = 0.0
        self.bytes_per_s = self.down_per_s = 0
        self._down_due_s = 0.0
        self.silent = False
        self.sent = self.received = self.connections = 0
        self._cut_at: int | None = None
        self._cut_times: int | None = None
        self._every = 0
        self._refusals, self._status = 0, 0
        self._gently = False
        self._hold_at: int | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._relay, "127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def refuse(self, times: int, status: int = 0) -> None:
        self._refusals, self._status = times, status

    def cut_after(
        self, count: int | None, *, gently: bool = False, times: int | None = None
    ) -> None:
        """times: so many connections, each after count more bytes; None for all from then on."""
        self._gently, self._cut_times, self._every = gently, times, count or 0
        self._cut_at = None if count is None else self.sent + self.received + count

    def hold_after(self, count: int) -> None:
        self._hold_at = self.sent + count

    def let_go(self) -> None:
        self._hold_at = None

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=20)
            await asyncio.sleep(0)

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._refusals and not self._status:
            self._refusals -= 1
            writer.close()
            return
        there, out = await asyncio.open_connection("127.0.0.1", self._target)
        pair = (writer, out)
        for each in pair:
            each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.gather(
                self._pump(reader, out, pair, up=True), self._pump(there, writer, pair, up=False)
            )
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for each in pair:
                each.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers in the server's place, as a gateway before it does, and hangs up."""
        head = f"HTTP/1.1 {self._status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        await writer.drain()
        writer.write_eof()
        with contextlib.suppress(TimeoutError):  # or the rest of a body would reset the answer
            await asyncio.wait_for(reader.read(-1), PATIENCE_S)
        writer.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        *,
        up: bool,
    ) -> None:
        while chunk := await reader.read(_CHUNK):
            if up:
                self.sent += len(chunk)
            else:
                self.received += len(chunk)
            if up and self._refusals and self._status and _REQUEST.match(chunk):
                self._refusals -= 1
                await self._answer(reader, pair[0])
                return
            if self._cut_at is not None and self.sent + self.received >= self._cut_at:
                if self._cut_times is not None:
                    self._cut_times -= 1
                    self._cut_at = self.sent + self.received + self._every
                    if not self._cut_times:
                        self._cut_at = None
                for each in pair:
                    if self._gently:
                        each.close()
                        continue
                    raw = each.get_extra_info("socket")
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    each.transport.abort()
                return
            if self.silent:
                continue
            while up and self._hold_at is not None and self.sent > self._hold_at:
                await asyncio.sleep(0.01)
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if up and self.bytes_per_s:
                await asyncio.sleep(len(chunk) / self.bytes_per_s)
            if not up and self.down_per_s:
                self._down_due_s = max(self._down_due_s, self._loop.time())
                self._down_due_s += len(chunk) / self.down_per_s
                await asyncio.sleep(self._down_due_s - self._loop.time())
            if self.latency_s:
                self._loop.call_later(self.latency_s, writer.write, chunk)
                continue
            writer.write(chunk)
            await writer.drain()
        await asyncio.sleep(self.latency_s)
        writer.close()
