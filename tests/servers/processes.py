"""Starting and ending the processes of a server; none outlives the tests."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_START_S = 60
STOP_S = 20
_libc = ctypes.CDLL(None)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def start(command: Sequence[str | Path], log: Path) -> subprocess.Popen[bytes]:
    """Starts a server process that dies with this one."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
        )


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Returns when somebody listens. Raises with the log when the process ends or never does."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} did not start:\n{log.read_text(errors='replace')}")


def wait_for_line(text: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Returns when the log holds that text. Raises with the log when the process ends or it never
    does."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        if text.encode() in log.read_bytes():
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} never said {text}:\n{log.read_text(errors='replace')}")


def stop(processes: Sequence[subprocess.Popen[Any]]) -> None:
    for process in processes:
        process.terminate()
    until = time.monotonic() + STOP_S
    for process in processes:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            kill(process)


def kill(process: subprocess.Popen[Any]) -> None:
    """Ends it with SIGKILL, whatever it is doing."""
    process.kill()
    process.wait(STOP_S)


def end(process: subprocess.Popen[Any]) -> None:
    """Ends one that serves requests from its standard input, by the end of these."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        kill(process)


class HttpServer(ThreadingHTTPServer):
    """One whose clients may go away at any time, as may those who do not trust its certificate."""

    request_queue_size = 128  # connections that come at once; of more than these some are reset

    def speak_tls(self, context: ssl.SSLContext) -> None:
        """Handshakes are left to the thread of a connection: one may stand still."""
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Served:
    """An HTTP server of the standard library in a thread of its own, until it is closed."""

    def __init__(self, server: socketserver.BaseServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        threading.Thread(target=self._server.shutdown, daemon=True).start()
        self._thread.join(STOP_S)
        assert not self._thread.is_alive(), "the server does not end"
        self._server.server_close()
