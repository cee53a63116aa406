"""An S3 server as a test sees it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

_numbers = itertools.count(1)


@dataclass(slots=True)
class S3Server:
    """endpoint: the URL. key_id and secret: may do everything. page: keys in one listing."""

    endpoint: str
    key_id: str
    secret: str = field(repr=False)
    page: int = 1000
    _client: Any = field(default=None, repr=False)

    @property
    def port(self) -> int:
        return int(self.endpoint.rpartition(":")[2])

    @property
    def client(self) -> Any:
        """botocore's S3 client, as the owner: to look at what the program did."""
        if self._client is None:
            import botocore.config
            import botocore.session

            self._client = botocore.session.Session().create_client(
                "s3",
                region_name="us-east-1",
                endpoint_url=self.endpoint,
                aws_access_key_id=self.key_id,
                aws_secret_access_key=self.secret,
                config=botocore.config.Config(s3={"addressing_style": "path"}),
            )
        return self._client

    def make_bucket(self, name: str = "") -> str:
        """Makes an empty bucket and returns its name."""
        name = name or f"bucket-{next(_numbers)}"
        self.client.create_bucket(Bucket=name)
        return name

    def keys(self, bucket: str) -> dict[str, int]:
        """All keys and their sizes."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {e["Key"]: e["Size"] for page in pages for e in page.get("Contents", ())}

    def unfinished_uploads(self, bucket: str) -> list[str]:
        """Keys of multipart uploads that were neither completed nor aborted."""
        answer = self.client.list_multipart_uploads(Bucket=bucket)
        return [upload["Key"] for upload in answer.get("Uploads", ())]
