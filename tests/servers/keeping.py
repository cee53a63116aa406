"""Azure Blob Storage and Google Cloud Storage with versions of objects: small servers of our own.

Neither Azurite nor rclone keeps versions. Of each interface there is what reading and writing whole
objects takes, in the words of Microsoft's and Google's descriptions: an upload is answered with the
new version, a version is asked for by `versionid` or `generation`, and stays when the name is
written again or deleted; in a bucket without versions it goes.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import threading
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from tests.servers.canned import Answer, CannedServer, Request

DATE = "Fri, 27 Nov 2026 00:00:00 GMT"


@dataclass
class Kept:
    """One name: its versions by their ids, and the one that it names now, None when deleted."""

    versions: dict[str, bytes] = field(default_factory=dict)
    now: str | None = None


class Keeping:
    """A server with one bucket. versions: False for one that keeps the last bytes alone. failing:
    names that it does not give, though they are there, and with which status. deletes: whether who
    asks may delete."""

    bucket = "bucket"

    def __init__(self) -> None:
        self.versions = self.deletes = True
        self.names: dict[str, Kept] = {}
        self.failing: dict[str, int] = {}
        self._numbers = itertools.count(1_700_000_000_000_001)
        self._lock = threading.Lock()
        self.server = CannedServer(self._answer)
        self.endpoint = self.server.endpoint

    def close(self) -> None:
        self.server.close()

    # -- from outside ----

    def put(self, name: str, data: bytes) -> str:
        """As somebody else does it. Returns the new version."""
        with self._lock:
            kept = self.names.setdefault(name, Kept())
            if not self.versions:
                kept.versions.clear()
            kept.now = str(next(self._numbers))
            kept.versions[kept.now] = data
            return kept.now

    def lose(self, name: str, version: str) -> None:
        """A version is removed for good."""
        kept = self.names[name]
        del kept.versions[version]
        kept.now = None if kept.now == version else kept.now

    # -- what is asked ----

    id_query = ""
    id_header = ""

    def _answer(self, request: Request) -> Answer:
        url = urlsplit(request.path)
        query = {name: found[0] for name, found in parse_qs(url.query).items()}
        name = self._name(unquote(url.path))
        if name is None and request.method == "POST":
            return self._batch(request.body.decode())
        if name is None:
            return self._listing(query.get("prefix", ""))
        if request.method == "PUT":
            if refusal := self._refused(request):
                return refusal
            return self._told(201, name, self.put(name, request.body))
        kept = self.names.get(name, Kept())
        if request.method == "GET" and name in self.failing:
            return Answer(self.failing[name], b"", {})
        version = query.get(self.id_query) or kept.now
        if request.method == "DELETE":
            if not self.deletes:
                return Answer(403, b"", {})
            self._delete(name)
            return Answer(204, b"", {})
        if version is None or version not in kept.versions:
            return self._missing()
        return self._body(request, name, version, kept.versions[version])

    def _delete(self, name: str) -> None:
        kept = self.names.get(name, Kept())
        kept.now = None
        if not self.versions:
            self.names.pop(name, None)

    def _batch(self, body: str) -> Answer:
        raise NotImplementedError

    def _body(self, request: Request, name: str, version: str, data: bytes) -> Answer:
        told = self._told(200, name, version)
        asked = request.headers.get("Range") or request.headers.get("range")
        if asked is None:
            return Answer(200, data, told.headers)
        first, _, last = asked.removeprefix("bytes=").partition("-")
        end = min(int(last or len(data)), len(data) - 1)
        if int(first) > end:
            return Answer(416, b"", {})
        part = {"Content-Range": f"bytes {first}-{end}/{len(data)}"}
        return Answer(206, data[int(first) : end + 1], {**told.headers, **part})

    def _told(self, status: int, name: str, version: str) -> Answer:
        etag = hashlib.md5(f"{name}{version}".encode(), usedforsecurity=False).hexdigest()
        headers = {"ETag": f'"{etag}"', "Last-Modified": DATE}
        if self._tells_version():
            headers[self.id_header] = version
        return Answer(status, b"", headers)

    def _tells_version(self) -> bool:
        return True

    def _name(self, path: str) -> str | None:
        """The object's name in a path; None for the bucket itself."""
        return path.partition(f"/{self.bucket}/")[2] or None

    def _refused(self, request: Request) -> Answer | None:
        return None

    def _there(self, prefix: str) -> list[tuple[str, int, str]]:
        return [
            (name, len(kept.versions[kept.now]), kept.now)
            for name, kept in sorted(self.names.items())
            if kept.now is not None and name.startswith(prefix)
        ]

    def _missing(self) -> Answer:
        raise NotImplementedError

    def _listing(self, prefix: str) -> Answer:
        raise NotImplementedError


class KeepingAzure(Keeping):
    id_query, id_header = "versionid", "x-ms-version-id"

    def _tells_version(self) -> bool:
        return self.versions

    def _refused(self, request: Request) -> Answer | None:
        names = {name.lower(): value for name, value in request.headers.items()}
        if names.get("x-ms-blob-type") == "BlockBlob":
            return None
        return self._error(400, "MissingRequiredHeader")

    def _batch(self, body: str) -> Answer:
        """Deletions come together, each as a request of its own in the body."""
        parts = []
        for number, path in enumerate(re.findall(r"^DELETE (\S+) HTTP", body, re.MULTILINE)):
            status = "202 Accepted" if self.deletes else "403 Forbidden"
            if self.deletes:
                self._delete(self._name(unquote(urlsplit(path).path)) or "")
            parts.append(
                f"--batch\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n"
                f"HTTP/1.1 {status}\r\nx-ms-request-id: 1\r\n\r\n\r\n"
            )
        text = "".join(parts) + "--batch--\r\n"
        return Answer(202, text.encode(), {"Content-Type": "multipart/mixed; boundary=batch"})

    def _missing(self) -> Answer:
        return self._error(404, "BlobNotFound")

    def _error(self, status: int, code: str) -> Answer:
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>no</Message></Error>'
        return Answer(status, body.encode(), {"x-ms-error-code": code})

    def _listing(self, prefix: str) -> Answer:
        rows = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{DATE}</Last-Modified>"
            f"<Etag>0x{version}</Etag><Content-Length>{size}</Content-Length>"
            "<Content-Type>application/octet-stream</Content-Type><BlobType>BlockBlob</BlobType>"
            "</Properties></Blob>"
            for name, size, version in self._there(prefix)
        )
        body = f"<EnumerationResults><Blobs>{rows}</Blobs><NextMarker/></EnumerationResults>"
        return Answer(200, body.encode(), {"Content-Type": "application/xml"})


@dataclass
class Upload:
    """An object that comes in parts, by their numbers; begun: when, as it is listed."""

    name: str
    begun: str = "2026-11-27T00:00:00.000Z"
    parts: dict[int, bytes] = field(default_factory=dict)

    def rows(self) -> str:
        return "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{_md5(data)}</ETag>"
            f"<Size>{len(data)}</Size></Part>"
            for number, data in sorted(self.parts.items())
        )


class KeepingGs(Keeping):
    """Every object has a generation there, also where only the last one is kept.

    uploads: what is not finished, by its id. tokens: of those who may send parts; None for anybody.
    tells: whether who asks may read the bucket's settings.
    """

    id_query, id_header = "generation", "x-goog-generation"

    def __init__(self) -> None:
        self.uploads: dict[str, Upload] = {}
        self.tokens: set[str] | None = None
        self.tells = True
        super().__init__()

    def kept(self) -> int:
        """Bytes of uploads that are not finished."""
        return sum(len(d) for up in list(self.uploads.values()) for d in list(up.parts.values()))

    def _answer(self, request: Request) -> Answer:
        url = urlsplit(request.path)
        if url.path.startswith("/computeMetadata/"):
            return self._account(request)
        query = {k: found[0] for k, found in parse_qs(url.query, keep_blank_values=True).items()}
        if "versioning" in query:
            status = "Enabled" if self.versions else "Suspended"
            text = f"<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>"
            refused = _xml("<Error><Code>AccessDenied</Code></Error>", 403)
            return _xml(text) if self.tells else refused
        if "uploads" not in query and "uploadId" not in query:
            return super()._answer(request)
        sent = {name.lower(): value for name, value in request.headers.items()}
        bearer = sent.get("authorization", "").removeprefix("Bearer ")
        if self.tokens is not None and bearer not in self.tokens:
            return _xml("<Error><Code>AccessDenied</Code></Error>", 401)
        return self._of_parts(request, self._name(unquote(url.path)), query, sent)

    def _of_parts(
        self, request: Request, name: str | None, query: dict[str, str], sent: dict[str, str]
    ) -> Answer:
        if name is None:
            rows = "".join(
                f"<Upload><Key>{escape(up.name)}</Key><UploadId>{ident}</UploadId>"
                f"<Initiated>{up.begun}</Initiated></Upload>"
                for ident, up in self.uploads.items()
                if up.name.startswith(query.get("prefix", ""))
            )
            return _xml(f"<ListMultipartUploadsResult>{rows}</ListMultipartUploadsResult>")
        ident = query.get("uploadId") or f"up/{next(self._numbers)}"
        if "uploads" in query:
            self.uploads[ident] = Upload(name)
            text = f"<UploadId>{ident}</UploadId>"
            return _xml(f"<InitiateMultipartUploadResult>{text}</InitiateMultipartUploadResult>")
        upload = self.uploads.get(ident)
        if upload is None or upload.name != name:
            return _xml("<Error><Code>NoSuchUpload</Code></Error>", 404)
        if request.method == "PUT":
            if sent.get("content-md5") not in (None, _md5_64(request.body)):
                return _xml("<Error><Code>BadDigest</Code></Error>", 400)
            upload.parts[int(query["partNumber"])] = request.body
            return Answer(200, b"", {"ETag": _md5(request.body)})
        if request.method == "GET":
            return _xml(f"<ListPartsResult>{self._page(upload, query)}</ListPartsResult>")
        del self.uploads[ident]
        if request.method == "DELETE":
            return Answer(204, b"", {})
        return self._joined(name, upload, request.body.decode())

    def _page(self, upload: Upload, query: dict[str, str]) -> str:
        """Two parts at a time."""
        after = int(query.get("part-number-marker", 0))
        numbers = sorted(number for number in upload.parts if number > after)
        page = Upload(upload.name, upload.begun, {n: upload.parts[n] for n in numbers[:2]})
        more = str(len(numbers) > 2).lower()
        last = max(page.parts, default=0)
        marks = f"<IsTruncated>{more}</IsTruncated>"
        return f"{marks}<NextPartNumberMarker>{last}</NextPartNumberMarker>{page.rows()}"

    def _joined(self, name: str, upload: Upload, body: str) -> Answer:
        asked = ElementTree.fromstring(body).findall("{*}Part")
        rows = [(int(r.findtext("{*}PartNumber") or 0), r.findtext("{*}ETag")) for r in asked]
        parts = [(upload.parts[number], etag) for number, etag in rows]
        assert all(_md5(data) == etag for data, etag in parts), rows
        told = self._told(200, name, self.put(name, b"".join(data for data, _ in parts)))
        etag = f"<ETag>{told.headers['ETag']}</ETag>"
        made = _xml(f"<CompleteMultipartUploadResult>{etag}</CompleteMultipartUploadResult>")
        return Answer(200, made.body, {**told.headers, **made.headers})

    def _account(self, request: Request) -> Answer:
        """The account of a machine in Google's cloud."""
        if request.headers.get("metadata-flavor", request.headers.get("Metadata-Flavor")) is None:
            return Answer(403)
        self.tokens = (self.tokens or set()) | {"of-the-machine"}
        text = json.dumps({"access_token": "of-the-machine", "expires_in": 3600})
        return Answer(200, text.encode(), {"Content-Type": "application/json"})

    def _missing(self) -> Answer:
        body = b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>"
        return Answer(404, body, {"Content-Type": "application/xml"})

    def _listing(self, prefix: str) -> Answer:
        rows = "".join(
            f"<Contents><Key>{escape(name)}</Key><Size>{size}</Size><ETag>{version}</ETag>"
            "<LastModified>2026-11-27T00:00:00.000Z</LastModified></Contents>"
            for name, size, version in self._there(prefix)
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"
        return Answer(200, body.encode(), {"Content-Type": "application/xml"})


def _xml(text: str, status: int = 200) -> Answer:
    return Answer(status, text.encode(), {"Content-Type": "application/xml"})


def _md5(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


def _md5_64(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
