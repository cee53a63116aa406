"""A small Google Drive, for no real one can be had: version 3's files, uploads, tokens, refusals.

It is as strict as Google's description says: tokens expire, sessions too, pages are short, names
are not unique, a file appears with its last byte, and what is asked too often is refused.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import itertools
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import SimpleQueue
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.servers.processes import Served

_CONNECTIONS = 150
FOLDER = "application/vnd.google-apps.folder"
_ITEM = re.compile(r"/drive/v3/files/([^/]+)$")
_UPLOAD = re.compile(r"/upload/drive/v3/files(?:/([^/]+))?$")
_SESSION = re.compile(r"/upload/session/(\d+)$")
_PART = re.compile(r"bytes=(\d+)-(\d*)")
_CONTENT = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)")


@dataclass
class File:
    id: str
    name: str
    mime: str
    parents: list[str]
    data: bytes | None = None
    trashed: bool = False
    drive: str | None = None

    def shown(self) -> dict[str, Any]:
        about: dict[str, Any] = {"id": self.id, "name": self.name, "mimeType": self.mime}
        about["parents"] = self.parents
        if self.drive:
            about["driveId"] = self.drive
        if self.data is not None:
            md5 = hashlib.md5(self.data, usedforsecurity=False).hexdigest()
            about |= {"size": str(len(self.data)), "md5Checksum": md5}
        return about


@dataclass
class Session:
    about: dict[str, Any]
    ident: str | None
    data: bytearray = field(default_factory=bytearray)
    alive: bool = True
    broken: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is said in the place of an answer, and to which requests. before: with `false` the
    request is done first, and its answer is lost."""

    status: int
    reason: str = ""
    method: str = ""
    path: str = ""
    before: bool = True


@functools.cache
def _key() -> rsa.RSAPrivateKey:
    """Making one takes a tenth of a second and more."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Drive:
    """endpoint: what PANNIER_GDRIVE_ENDPOINT names. page: files on one page.

    requests: (method, path with query) of all so far. refusals: those to come, in order.
    """

    ID, SECRET, CODE = "a-client", "a-secret", "a-code"

    def __init__(self, page: int = 40) -> None:
        self.page = page
        self.files: dict[str, File] = {}
        self.sessions: dict[str, Session] = {}
        self.requests: list[tuple[str, str]] = []
        self.claims: list[dict[str, Any]] = []
        self.refusals: list[Refusal] = []
        self.challenge = ""
        self._key = _key()
        self._numbers = itertools.count(1)
        self.tokens: set[str] = set()
        self.lock = threading.RLock()
        self.files["root-id"] = File("root-id", "My Drive", FOLDER, [])
        self.files["app-id"] = File("app-id", "App", FOLDER, [])
        drive = self

        class Handler(_Handler):
            server_of = drive

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._served = Served(self._server)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._served.close()
        self._server.dismiss()

    # -- credentials ----

    def account(self) -> dict[str, str]:
        """The key file of a service account."""
        encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        pem = self._key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
        return {
            "type": "service_account",
            "private_key_id": "1",
            "private_key": pem.decode(),
            "client_email": "robot@example.com",
            "token_uri": f"{self.endpoint}/token",
        }

    def user(self) -> dict[str, Any]:
        """A user's credentials, as DVC keeps them."""
        return {
            "client_id": self.ID,
            "client_secret": self.SECRET,
            "refresh_token": "refresh me",
            "token_uri": f"{self.endpoint}/token",
            "_class": "OAuth2Credentials",
        }

    def grant(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        kind = form.get("grant_type", "")
        right = form.get("client_id") == self.ID and form.get("client_secret") == self.SECRET
        if kind.endswith("jwt-bearer"):
            head, body, signed = form["assertion"].split(".")
            try:
                self._key.public_key().verify(
                    _plain(signed), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256()
                )
            except Exception:
                return 400, {"error": "invalid_grant"}
            self.claims.append(json.loads(_plain(body)))
        elif kind == "refresh_token":
            if not right or form["refresh_token"] != "refresh me":
                return 400, {"error": "invalid_grant"}
        elif kind == "authorization_code":
            proof = hashlib.sha256(form["code_verifier"].encode()).digest()
            proven = base64.urlsafe_b64encode(proof).decode().rstrip("=") == self.challenge
            if not right or not proven or form["code"] != self.CODE:
                return 400, {"error": "invalid_grant"}
        else:
            return 400, {"error": "unsupported_grant_type"}
        token = f"token-{next(self._numbers)}"
        self.tokens.add(token)
        answer = {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}
        return 200, answer | ({"refresh_token": "refresh me"} if "code" in form else {})

    # -- from outside ----

    def make_folder(self, name: str, parent: str = "root-id", drive: str | None = None) -> str:
        return self.add(File("", name, FOLDER, [parent], None, False, drive)).id

    def add(self, file: File) -> File:
        with self.lock:
            file.id = file.id or f"id-{next(self._numbers):06}"
            self.files[file.id] = file
            return file

    def folder(self, parent: str, path: str) -> str:
        """The id of a path below a folder; made where it is missing."""
        for name in (part for part in path.split("/") if part):
            found = [f.id for f in self.members(parent) if f.name == name and f.mime == FOLDER]
            parent = found[0] if found else self.make_folder(name, parent)
        return parent

    def members(self, parent: str) -> list[File]:
        with self.lock:
            return [f for f in self.files.values() if parent in f.parents and not f.trashed]

    def keys(self, parent: str) -> dict[str, bytes]:
        found = {}
        for member in self.members(parent):
            if member.data is not None:
                found[member.name] = member.data
            for key, data in self.keys(member.id).items():
                found[f"{member.name}/{key}"] = data
        return found

    def write(self, parent: str, key: str, data: bytes) -> str:
        folder, _, name = key.rpartition("/")
        ident = self.folder(parent, folder)
        for member in self.members(ident):
            if member.name == name and member.data is not None:
                member.data = data
                return member.id
        return self.add(File("", name, "application/octet-stream", [ident], data)).id

    def refused(self, method: str, path: str, before: bool) -> Refusal | None:
        with self.lock:
            for refusal in self.refusals:
                fits = refusal.before == before and refusal.method in ("", method)
                if fits and refusal.path in path:
                    self.refusals.remove(refusal)
                    return refusal
        return None


class _Server(HTTPServer):
    """One thread for each connection, all of them started before: tests count threads."""

    request_queue_size = 256

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._waiting: SimpleQueue[tuple[Any, Any] | None] = SimpleQueue()
        for _ in range(_CONNECTIONS):
            threading.Thread(target=self._serve, daemon=True).start()

    def dismiss(self) -> None:
        """Ends the threads that wait for a connection."""
        for _ in range(_CONNECTIONS):
            self._waiting.put(None)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._waiting.put((request, client_address))

    def _serve(self) -> None:
        while (got := self._waiting.get()) is not None:
            request, address = got
            with contextlib.suppress(OSError):
                self.finish_request(request, address)
            self.shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of: Drive

    def log_message(self, *_: object) -> None: ...

    def handle_any(self) -> None:
        drive = self.server_of
        wanted = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(wanted)
        if len(body) < wanted:
            return self.broken(body)
        url = urlsplit(self.path)
        self.query = {k: v[0] for k, v in parse_qs(url.query).items()}
        with drive.lock:
            drive.requests.append((self.command, self.path))
        if url.path == "/token":
            form = {k: v[0] for k, v in parse_qs(body.decode()).items()}
            status, answer = drive.grant(form)
            return self.say(status, answer)
        if self.headers.get("Authorization", "")[7:] not in drive.tokens:
            return self.refuse(401, "authError")
        refusal = drive.refused(self.command, self.path, before=True)
        if refusal is not None:
            return self.refuse(refusal.status, refusal.reason)
        with drive.lock:
            status, answer, headers = self.done(url.path, body)
        refusal = drive.refused(self.command, self.path, before=False)
        if refusal is not None:
            return self.refuse(refusal.status, refusal.reason)
        self.say(status, answer, headers)

    def broken(self, body: bytes) -> None:
        """A session keeps what arrived of a part, in steps of 256 KiB; all else is lost."""
        self.close_connection = True
        found = _SESSION.match(self.path)
        if found is not None:
            session = self.server_of.sessions[found[1]]
            session.data += body[: len(body) >> 18 << 18]
            session.broken += 1

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def say(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status: int, reason: str) -> None:
        self.say(*self.no(status, reason)[:2])

    @staticmethod
    def no(status: int, reason: str) -> tuple[int, Any, dict[str, str]]:
        error = {"code": status, "message": f"because of {reason}", "errors": [{"reason": reason}]}
        return status, {"error": error}, {}

    # -- what is done ----

    def done(self, path: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        if path == "/drive/v3/files":
            return self.listing() if self.command == "GET" else self.made(json.loads(body), None)
        if found := _ITEM.match(path):
            return self.item(found[1], body)
        if found := _SESSION.match(path):
            return self.session(found[1], body)
        if found := _UPLOAD.match(path):
            return self.upload(found[1], body)
        return self.no(404, "notFound")

    def alias(self, ident: str) -> str:
        return {"root": "root-id", "appDataFolder": "app-id"}.get(ident, ident)

    def listing(self) -> tuple[int, Any, dict[str, str]]:
        drive, query = self.server_of, self.query["q"]
        parents = {self.alias(p) for p in re.findall(r"'((?:[^'\\]|\\.)*)' in parents", query)}
        name = re.search(r"name = '((?:[^'\\]|\\.)*)'", query)
        wanted = re.sub(r"\\(.)", r"\1", name[1]) if name else None
        rows = []
        for file in drive.files.values():
            in_app = self.query.get("spaces") == "appDataFolder"
            if not parents & set(file.parents) or file.trashed:
                continue
            if parents & {"app-id"} and not in_app:
                continue
            if file.drive and self.query.get("driveId") != file.drive:
                continue
            if wanted is not None and file.name != wanted:
                continue
            if f"mimeType = '{FOLDER}'" in query and file.mime != FOLDER:
                continue
            if f"mimeType != '{FOLDER}'" in query and file.mime == FOLDER:
                continue
            rows.append(file.shown())
        start = int(self.query.get("pageToken", 0))
        page = rows[start : start + drive.page]
        more = {"nextPageToken": str(start + drive.page)} if len(rows) > start + drive.page else {}
        return 200, {"files": page, **more}, {}

    def made(
        self, about: dict[str, Any], data: bytes | None, ident: str | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        drive = self.server_of
        if ident is not None:
            if ident not in drive.files:
                return self.no(404, "notFound")
            drive.files[ident].data = data
            return 200, drive.files[ident].shown(), {}
        parents = [self.alias(parent) for parent in about.get("parents", ["root-id"])]
        above = [drive.files.get(parent) for parent in parents]
        if any(folder is None or folder.trashed for folder in above):
            return self.no(404, "notFound")
        mime = about.get("mimeType", "application/octet-stream")
        of = next((folder.drive for folder in above if folder is not None), None)
        if of and self.query.get("supportsAllDrives") != "true":
            return self.no(404, "notFound")
        made = drive.add(File("", about["name"], mime, parents, data, False, of))
        return 200, made.shown(), {}

    def item(self, ident: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        drive = self.server_of
        file = drive.files.get(self.alias(ident))
        if file is None or (file.drive and self.query.get("supportsAllDrives") != "true"):
            return self.no(404, "notFound")
        if self.command == "DELETE":
            del drive.files[file.id]
            return 204, b"", {}
        if self.command == "PATCH":
            file.trashed = json.loads(body)["trashed"]
            return 200, file.shown(), {}
        if self.query.get("alt") != "media":
            return 200, file.shown(), {}
        if file.name.startswith("abuse") and self.query.get("acknowledgeAbuse") != "true":
            return self.no(403, "cannotDownloadAbusiveFile")
        data = file.data or b""
        part = _PART.match(self.headers.get("Range", ""))
        if part is None:
            return 200, data, {}
        start, end = int(part[1]), min(int(part[2] or len(data) - 1), len(data) - 1)
        if start >= len(data):
            return self.no(416, "requestedRangeNotSatisfiable")
        return 206, data[start : end + 1], {"Content-Range": f"bytes {start}-{end}/{len(data)}"}

    def upload(self, ident: str | None, body: bytes) -> tuple[int, Any, dict[str, str]]:
        if self.query["uploadType"] == "resumable":
            number = str(next(self.server_of._numbers))
            self.server_of.sessions[number] = Session(json.loads(body), ident)
            return 200, {}, {"Location": f"http://{self.headers['Host']}/upload/session/{number}"}
        mark = self.headers["Content-Type"].partition("boundary=")[2].encode()
        _, head, data, _ = body.split(b"--" + mark, 3)
        about = json.loads(head.partition(b"\r\n\r\n")[2])
        return self.made(about, data.partition(b"\r\n\r\n")[2][:-2], ident)

    def session(self, number: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        session = self.server_of.sessions.get(number)
        if session is None or not session.alive:
            return self.no(410, "gone")
        if self.command == "DELETE":
            session.alive = False
            return 499, b"", {}
        said = _CONTENT.fullmatch(self.headers["Content-Range"])
        assert said is not None, self.headers["Content-Range"]
        if said[1] is not None:
            start, end, total = (int(number) for number in said.groups())
            if start != len(session.data) or len(body) != end - start + 1:
                return self.no(400, "badRange")
            if end + 1 != total and len(body) % (256 << 10):
                return self.no(400, "badChunk")
            session.data += body
        if len(session.data) == int(said[3]):
            session.alive = False
            return self.made(session.about, bytes(session.data), session.ident)
        have = len(session.data)
        return 308, b"", {"Range": f"bytes=0-{have - 1}"} if have else {}


def _plain(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
