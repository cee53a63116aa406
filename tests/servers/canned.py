"""Answers that no server in the tests gives by itself: expired sessions, cut bodies, portals."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.servers.processes import HttpServer, Served


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """promised: the Content-Length when it is not the truth; the connection closes then."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    promised: int | None = None


def s3_error(status: int, code: str, message: str = "", more: str = "") -> Answer:
    """An error as S3 servers word it. more: further elements, as XML."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})


class CannedServer:
    """Calls `answer` for every request. requests: those that came.

    tls: the file with certificate and key to answer https with, for the name localhost.
    """

    def __init__(self, answer: Callable[[Request], Answer], tls: Path | None = None) -> None:
        self.requests: list[Request] = []
        seen = self.requests

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.command, self.path, dict(self.headers), body)
                seen.append(request)
                given = answer(request)
                length = len(given.body) if given.promised is None else given.promised
                self.send_response(given.status)
                for name, value in given.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(given.body)
                self.close_connection = given.promised is not None

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any
            do_PROPFIND = do_MKCOL = do_MOVE = handle_any

            def log_message(self, *_: object) -> None: ...

        self._server = HttpServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self._server.speak_tls(context)
        self._served = Served(self._server)
        scheme, host = ("http", "127.0.0.1") if tls is None else ("https", "localhost")
        self.endpoint = f"{scheme}://{host}:{self._server.server_port}"

    def close(self) -> None:
        self._served.close()
