"""A bucket of a test's own on the S3 server of the tests."""

from __future__ import annotations

from dataclasses import dataclass

from tests.servers.s3 import S3Server


@dataclass(frozen=True, slots=True)
class Bucket:
    """An empty bucket, seen from outside the program."""

    name: str
    server: S3Server

    @property
    def endpoint(self) -> str:
        return self.server.endpoint

    @property
    def key_id(self) -> str:
        return self.server.key_id

    @property
    def secret(self) -> str:
        return self.server.secret

    def keys(self) -> list[str]:
        """The names of all objects."""
        return sorted(self.server.keys(self.name))
