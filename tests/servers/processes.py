"""Starting and ending the processes of a server; none outlives the tests."""

from __future__ import annotations

import contextlib
import ctypes
import random
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
PATIENCE_S = 120
"""How long is waited for what comes: a busy machine may need many times what this one does."""
STOP_S = 20
"""From asking a server to end to killing it."""
_FIRST_PORT = 10_000
_libc = ctypes.CDLL(None)
_claims: dict[int, socket.socket] = {}


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, and that are ours until this process ends.

    The system gives them to nobody who asks for any port, and other processes of the tests respect
    that they are taken: a server may take its time to start, and start again on the same port.
    """
    chance = random.SystemRandom()  # as other processes draw, whatever seeds there are
    found: list[int] = []
    while len(found) < count:
        port = chance.randrange(_FIRST_PORT, first_given_port())
        if claim(port):
            found.append(port)
    return found


def first_given_port() -> int:
    """Of those that the system gives to who asks for any."""
    port = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert port > _FIRST_PORT + 1000, f"from {port} on the system gives ports to others"
    return port


def claim(port: int) -> bool:
    """Takes a port for servers of this process; False where somebody has it.

    A name in the system's table of abstract sockets goes away with the process that holds it.
    """
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        mark.bind(f"\0pannier-tests-port-{port}")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    except OSError:
        mark.close()
        return False
    _claims[port] = mark
    return True


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
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} did not start:\n{log.read_text(errors='replace')}")


def wait_for_line(text: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Returns when the log holds that text. Raises with the log when the process ends or it never
    does."""
    deadline = time.monotonic() + PATIENCE_S
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
    process.wait(PATIENCE_S)


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
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the server does not end"
        self._server.server_close()
