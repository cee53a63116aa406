"""A bucket on the S3 server of the tests, seen from outside the program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Bucket:
    """An empty bucket. endpoint: the server's URL. client: botocore's S3 client on it."""

    name: str
    endpoint: str
    key_id: str
    secret: str
    client: Any

    def keys(self) -> list[str]:
        """The names of all objects."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", ()))


def make_bucket(endpoint: str, key_id: str, secret: str, name: str) -> Bucket:
    import botocore.config
    import botocore.session

    client = botocore.session.Session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=botocore.config.Config(s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket=name)
    return Bucket(name, endpoint, key_id, secret, client)
