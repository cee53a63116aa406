"""A network that misbehaves: a TCP proxy on 127.0.0.1 with faults that a test switches on."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from typing import Any

_RESET = struct.pack("ii", 1, 0)
_CHUNK = 16384


class FaultProxy:
    """Relays to a server. All switches work at once, for connections that are open too.

    delay_s: how much later every chunk goes on, one after the other. latency_s: how much later
    bytes arrive, however many are under way. bytes_per_s: how fast uploads go on, 0 for no limit.
    cut_after: the connection that carries the n-th byte from now on is reset, or gently closed,
    and so is every later one. silent: nothing goes on any more, no connection is closed. sent,
    received: bytes from and to the client so far.
    """

    def __init__(self, endpoint: str) -> None:
        self._target = int(endpoint.rpartition(":")[2])
        self.delay_s = self.latency_s = 0.0
        self.bytes_per_s = 0
        self.silent = False
        self.sent = self.received = self.connections = 0
        self._cut_at: int | None = None
        self._gently = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._relay, "127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut_after(self, count: int | None, *, gently: bool = False) -> None:
        self._gently = gently
        self._cut_at = None if count is None else self.sent + self.received + count

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
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
            if self._cut_at is not None and self.sent + self.received >= self._cut_at:
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
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if up and self.bytes_per_s:
                await asyncio.sleep(len(chunk) / self.bytes_per_s)
            if self.latency_s:
                self._loop.call_later(self.latency_s, writer.write, chunk)
                continue
            writer.write(chunk)
            await writer.drain()
        await asyncio.sleep(self.latency_s)
        writer.close()
