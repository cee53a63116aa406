"""A gateway before a WebHDFS server that answers as HttpFS does, where the two differ.

HttpFS itself comes in no package that the tests could install. Source of what differs: Hadoop's
HttpFSServer, FSOperations, CheckUploadContentTypeFilter and HttpFSExceptionProvider.
"""

from __future__ import annotations

import http.client
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.servers.hadoop import Hadoop
from tests.servers.processes import HttpServer, Served

_BLOCK = 1 << 16
_UPLOAD = "application/octet-stream"
_FALSE_NAMES = {"renameoptions"}
"""Of the options that it does not know, and passes over."""


class HttpFs:
    """Everything is asked of the gateway alone: it takes and gives bytes itself.

    web: the URL of its root. hdfs: the way around it. asked: what came, as "METHOD OPERATION".
    """

    def __init__(self, behind: Hadoop) -> None:
        self.hdfs = behind.hdfs
        address = urlsplit(behind.web).netloc
        self.asked: list[str] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"  # so that no thread waits for another request

            def handle_any(self) -> None:
                given = dict(parse_qsl(urlsplit(self.path).query))
                asked.append(f"{self.command} {given['op']}")
                if given["op"] == "CREATE" and given.get("data") != "true":
                    here = f"http://{self.headers['Host']}{self.path}&data=true"
                    return self._say(307, b"", location=here)
                if given["op"] == "CREATE" and self.headers.get("Content-Type") != _UPLOAD:
                    return self._say(400, b"<html>content-type</html>")
                known = {k: v for k, v in given.items() if k not in _FALSE_NAMES | {"data"}}
                path = f"{urlsplit(self.path).path}?{urlencode(known)}"
                self._pass_on(address, path)
                return None

            def _pass_on(self, server: str, path: str) -> None:
                """Asks the server behind, and the one to which that sends."""
                for last in (False, True):
                    behind = http.client.HTTPConnection(server, timeout=60)
                    try:
                        body = self._body() if last and self.command == "PUT" else None
                        length = {"Content-Length": self.headers.get("Content-Length", "0")}
                        behind.request(self.command, path, body, length if body else {})
                        answer = behind.getresponse()
                        if answer.status == 307 and not last:
                            where = urlsplit(answer.headers["Location"])
                            server, path = where.netloc, f"{where.path}?{where.query}"
                            continue
                        self._give(answer)
                        return
                    finally:
                        behind.close()

            def _body(self):  # type: ignore[no-untyped-def]
                left = int(self.headers.get("Content-Length") or 0)
                while left and (block := self.rfile.read(min(_BLOCK, left))):
                    left -= len(block)
                    yield block
                if left:
                    raise ConnectionError("the client went away")

            def _give(self, answer: http.client.HTTPResponse) -> None:
                status = answer.status
                if status in (400, 401, 403, 404, 500):
                    data = answer.read()
                    # An IOException, which Hadoop's refusals are, is an error of the server's.
                    return self._say(500 if status == 403 else status, data)
                length = answer.headers.get("Content-Length")
                if length is None:
                    return self._say(status, answer.read())
                self.send_response(status)
                self.send_header("Content-Length", length)
                self.end_headers()
                while block := answer.read(_BLOCK):
                    self.wfile.write(block)
                return None

            def _say(self, status: int, body: bytes, location: str = "") -> None:
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_DELETE = handle_any

            def log_message(self, *_: object) -> None: ...

        server = HttpServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self._served = Served(server)
        self.web = f"webhdfs://127.0.0.1:{server.server_port}"

    def close(self) -> None:
        self._served.close()
