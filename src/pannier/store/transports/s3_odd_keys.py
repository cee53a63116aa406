"""What obstore cannot do, done through a client of botocore's: odd keys, access rights, versions.

obstore takes a key for a path: it raises on empty parts, '.', '..' and control characters, and
drops a slash at either end. Such keys exist in buckets that other programs wrote. It sends no
`x-amz-acl` or `x-amz-grant-*` that is signed, and cannot list versions.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator

from pannier.core.errors import CorruptObject, TransportError
from pannier.core.typed import Any
from pannier.disk import fsio
from pannier.disk.hashing import md5_of_fd
from pannier.store.transports.s3_bodies import Sink, open_source
from pannier.store.transports.s3_config import Options

_ODD = re.compile(r"(?:^|/)\.{0,2}(?:/|\Z)|[\0-\x1f\x7f]")
_BLOCK = 1 << 20
_WHOLE_MAX = 5 << 30
"""The protocol's limit for an upload in one request."""


def is_odd(key: str) -> bool:
    return _ODD.search(key) is not None


class OddKeys:
    """One bucket through a botocore client. Keys are full. Raises what botocore raises."""

    def __init__(self, client: Any, options: Options) -> None:
        self.client = client
        self._bucket = options.bucket
        self.customer: dict[str, Any] = {}
        self.extra: dict[str, Any] = {}
        if options.sse_customer_key:
            self.customer = {
                "SSECustomerAlgorithm": "AES256",
                "SSECustomerKey": base64.b64decode(options.sse_customer_key),
            }
        elif options.sse:
            self.extra = {"ServerSideEncryption": options.sse}
            if options.sse_kms_key_id:
                self.extra["SSEKMSKeyId"] = options.sse_kms_key_id
        self.extra |= options.access

    def _at(self, key: str, version: str) -> dict[str, Any]:
        """What says to botocore which object is meant."""
        at = {"Bucket": self._bucket, "Key": key, **self.customer}
        return {**at, "VersionId": version} if version else at

    def size_of(self, key: str, version: str = "") -> int:
        answer = self.client.head_object(**self._at(key, version))
        return int(answer["ContentLength"])

    def listed(self, prefix: str, start_after: str) -> Iterator[tuple[str, int, str | None]]:
        """Yields (key, size in bytes, ETag) in the server's order."""
        request = {"Bucket": self._bucket, "Prefix": prefix}
        if start_after:
            request["StartAfter"] = start_after
        for page in self.client.get_paginator("list_objects_v2").paginate(**request):
            for entry in page.get("Contents", ()):
                yield entry["Key"], int(entry["Size"]), entry.get("ETag")

    def read(self, key: str, version: str = "") -> bytes:
        answer = self.client.get_object(**self._at(key, version))
        data: bytes = answer["Body"].read()
        return data

    def read_range(self, key: str, start: int, end: int, version: str = "") -> bytes:
        if start >= min(end, self.size_of(key, version)):
            return b""
        at = self._at(key, version)
        answer = self.client.get_object(**at, Range=f"bytes={start}-{end - 1}")
        data: bytes = answer["Body"].read()
        return data

    def write(self, key: str, data: Any, md5: bytes) -> dict[str, Any]:
        """Writes bytes or an open file. The server checks them against md5. Returns its answer."""
        answer: dict[str, Any] = self.client.put_object(
            Bucket=self._bucket,
            Key=key,
            Body=data,
            ContentMD5=base64.b64encode(md5).decode(),
            **self.extra,
            **self.customer,
        )
        return answer

    def upload(self, key: str, path: str, expected: str) -> tuple[str, int, dict[str, Any]]:
        """Uploads a file that is read twice: once for its digest, once to send it."""
        with os.fdopen(open_source(path), "rb") as file:
            try:
                md5, size = md5_of_fd(file.fileno(), os.fstat(file.fileno()).st_size)
                file.seek(0)
            except OSError as error:
                fsio.fail(error, path)
            if expected and md5.hex() != expected:
                raise CorruptObject(expected, found=md5.hex(), where=f"'{path}'")
            if size > _WHOLE_MAX:
                raise TransportError(
                    f"'{path}' is bigger than 5 GiB, which cannot be sent with 'acl' or 'grant_*'"
                )
            answer = self.write(key, file, md5)
        return md5.hex(), size, answer

    def download(self, key: str, sink: Sink, expected: str, version: str) -> tuple[str, int]:
        """Downloads into a file; returns the digest of what came, and its size."""
        if sink.size:
            sink.restart()
        answer = self.client.get_object(**self._at(key, version))
        for block in answer["Body"].iter_chunks(_BLOCK):
            sink.add(block)
        return sink.finish(int(answer["ContentLength"]), expected, f"'{key}'")

    def keeps_versions(self) -> bool:
        answer = self.client.get_bucket_versioning(Bucket=self._bucket)
        return bool(answer.get("Status") == "Enabled")

    def versions(self, prefix: str) -> Iterator[tuple[str, int, str | None, str, bool]]:
        """Yields (key, size in bytes, ETag, version id, whether it is the latest)."""
        pages = self.client.get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
            for row in page.get("Versions", ()):
                told = row["Key"], int(row["Size"]), row.get("ETag")
                yield (*told, str(row["VersionId"]), bool(row["IsLatest"]))

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self._bucket, Key=key)
