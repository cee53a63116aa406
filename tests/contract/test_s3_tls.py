"""S3 servers whose certificate a private authority signed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pannier.core.errors import ConfigError, TransportError, Unreachable
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import Transport
from pannier.store.transports.s3 import S3Transport
from tests.contract.places import failure
from tests.servers.canned import Answer, CannedServer

KEYS = pytest.mark.parametrize("key", ["a/b", "a//b"], ids=["obstore", "botocore"])


def openssl(*args: str, cwd: Path) -> None:
    subprocess.run(["openssl", *args], cwd=cwd, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, server.pem (signed by it, with its key) and other.pem (nobody's)."""
    folder = tmp_path_factory.mktemp("ca")
    for name in ("ca", "other"):
        new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        new += ["-subj", f"/CN={name}"]
        openssl(*new, "-keyout", f"{name}.key", "-out", f"{name}.pem", cwd=folder)
    new = ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    openssl(*new, "-keyout", "server.key", "-out", "server.csr", cwd=folder)
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    sign = ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2"]
    openssl(*sign, "-CAcreateserial", "-extfile", "names", "-out", "server.crt", cwd=folder)
    both = (folder / "server.crt").read_text() + (folder / "server.key").read_text()
    (folder / "server.pem").write_text(both)
    return folder


@pytest.fixture
def server(authority: Path) -> Iterator[CannedServer]:
    headers = {"ETag": '"e"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
    made = CannedServer(lambda request: Answer(200, b"x", headers), authority / "server.pem")
    yield made
    made.close()


def at(server: CannedServer, **options: str) -> Transport:
    given = {"endpointurl": server.endpoint, "access_key_id": "A", "secret_access_key": "s"}
    return open_transport(
        RemoteConfig("far", "s3://things/pre", given | options, frozenset({"ssl_verify"}))
    )


@KEYS
def test_a_private_authority_is_trusted_when_its_file_is_named(
    server: CannedServer, authority: Path, key: str
) -> None:
    assert b"x" == at(server, ssl_verify=str(authority / "ca.pem")).read(key)


@KEYS
def test_a_private_authority_may_be_named_in_the_environment(
    server: CannedServer, authority: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority / "ca.pem"))

    assert b"x" == at(server).read(key)


@KEYS
@pytest.mark.parametrize("trusted", [None, "other.pem"])
def test_an_authority_that_is_not_trusted_is_no_server(
    server: CannedServer, authority: Path, key: str, trusted: str | None
) -> None:
    options = {"ssl_verify": str(authority / trusted)} if trusted else {}

    error = failure(lambda: at(server, **options).read(key))

    assert isinstance(error, Unreachable | TransportError)
    assert "\n" not in str(error)
    assert [] == server.requests


@KEYS
def test_verification_may_be_switched_off(server: CannedServer, key: str) -> None:
    assert b"x" == at(server, ssl_verify="false").read(key)


def test_a_file_of_authorities_that_is_not_there_is_named(server: CannedServer) -> None:
    error = failure(lambda: at(server, ssl_verify="/none/ca.pem").read("a"))

    assert isinstance(error, ConfigError)
    assert "'/none/ca.pem'" in str(error)


@pytest.mark.parametrize("trusted", ["ca.pem", "other.pem"])
def test_requests_about_parts_of_objects_trust_the_same_authorities(
    server: CannedServer, authority: Path, trusted: str
) -> None:
    transport = at(server, ssl_verify=str(authority / trusted))
    assert isinstance(transport, S3Transport)

    error = failure(transport.give_up_uploads)  # what answers is no list of uploads

    assert isinstance(error, TransportError)
    assert "\n" not in str(error)
    assert (trusted == "ca.pem") == bool(server.requests)
