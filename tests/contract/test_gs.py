"""Google Cloud Storage: the contract against a stand-in, and what its settings mean."""

from __future__ import annotations

import hashlib
import json
import os
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pannier.core.errors import AccessDenied, ConfigError, TransportError, Unreachable
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import Transport
from pannier.store.transports.gs import read_gs_options, resolve_gs
from tests.contract import test_transport
from tests.contract.places import GsBucket, errors, failure, nothing
from tests.contract.test_s3 import every_call
from tests.servers.canned import Answer, CannedServer, Request, s3_error
from tests.servers.proxy import FaultProxy
from tests.servers.rclone import Rclone

# The stand-in fails at deleting what it holds to be a folder; Google's has none.
ELSEWHERE = {"test_a_folder_is_not_a_key"}
globals().update(
    {
        name: test
        for name, test in vars(test_transport).items()
        if name.startswith("test_") and name not in ELSEWHERE
    }
)
pytestmark = pytest.mark.xdist_group("gs")

MIB = 1 << 20
SECRET = "SecretSecretSecret"
Canned = Callable[[Callable[[Request], Answer]], CannedServer]
Proxied = Callable[[str], FaultProxy]


@pytest.fixture
def place(gs_server: Rclone) -> GsBucket:
    return GsBucket(gs_server, gs_server.make_bucket())


@pytest.fixture
def account(tmp_path: Path) -> str:
    """A service account that needs no server for tokens."""
    path = tmp_path / "account.json"
    empty = {"client_email": "", "private_key": SECRET, "private_key_id": ""}
    path.write_text(json.dumps({"type": "service_account", "disable_oauth": True, **empty}))
    return str(path)


def at(endpoint: str, account: str) -> Transport:
    given = {"endpointurl": endpoint, "credentialpath": account}
    return open_transport(RemoteConfig("far", "gs://things/pre", given, frozenset(given)))


def settings(env: dict[str, str] | None = None, **options: str) -> dict[str, object]:
    config = RemoteConfig("far", "gs://things/pre", options, frozenset(options))
    return resolve_gs(read_gs_options(config), env or {})


def test_without_settings_google_is_asked_as_its_own_tools_do() -> None:
    assert {"base_url": "https://storage.googleapis.com"} == settings(projectname="any")


@pytest.mark.parametrize(
    ("options", "env", "base"),
    [
        ({"endpointurl": "http://127.0.0.1:1/"}, {}, "http://127.0.0.1:1"),
        ({}, {"STORAGE_EMULATOR_HOST": "127.0.0.1:2"}, "http://127.0.0.1:2"),
        ({"endpointurl": "https://x.com/y"}, {"STORAGE_EMULATOR_HOST": "z"}, "https://x.com/y"),
    ],
)
def test_another_endpoint_may_be_named(
    options: dict[str, str], env: dict[str, str], base: str
) -> None:
    assert base == settings(env, **options)["base_url"]


def test_anonymous_means_that_nothing_is_signed() -> None:
    assert settings(allow_anonymous_login="true")["skip_signature"] is True


@pytest.mark.parametrize(
    ("kind", "name"),
    [("service_account", "service_account"), ("authorized_user", "application_credentials")],
)
def test_a_file_of_credentials_is_known_by_its_kind(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps({"type": kind}))

    assert str(path) == settings(credentialpath=str(path))[name]


@pytest.mark.parametrize("text", ["", "no", "[]", '{"type": "external_account"}'])
def test_a_file_that_is_no_credentials_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key.json"
    path.write_text(text)

    error = failure(lambda: settings(credentialpath=str(path)))

    assert isinstance(error, ConfigError)
    assert str(path) in str(error)


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("gs:///x", {}, "must be like gs://bucket/path"),
        ("gs://b/x", {"credentialpath": "/some/where"}, "counts only in your own configuration"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    url: str, options: dict[str, str], words: str
) -> None:
    error = failure(lambda: open_transport(RemoteConfig("far", url, options)))

    assert isinstance(error, ConfigError)
    assert words in str(error)


def test_a_damaged_key_is_told_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    broken = {"client_email": "me", "private_key": SECRET, "private_key_id": "1"}
    path.write_text(json.dumps({"type": "service_account", **broken}))
    transport = at("http://127.0.0.1:1", str(path))

    error = failure(lambda: transport.read("a/b"))

    assert isinstance(error, ConfigError)
    assert "credentials for 'gs://things/pre' cannot be used" in str(error)
    assert SECRET not in "".join(traceback.format_exception(error))


def test_a_bucket_that_does_not_exist_is_named(gs_server: Rclone) -> None:
    config = GsBucket(gs_server, "none").config_with("no-such-bucket")
    transport = open_transport(config)

    for error in (
        failure(lambda: transport.stat("a/b")),
        failure(lambda: list(transport.list("a/"))),
        failure(lambda: transport.read("a/b")),
        failure(lambda: transport.write("a/b", b"x")),
    ):
        assert type(error) is TransportError
        assert "'no-such-bucket' does not exist on" in str(error)


@pytest.mark.parametrize("status", [401, 403])
def test_who_is_not_let_in_is_told_so_and_no_secret_is_shown(
    canned_s3: Canned, account: str, local: Path, status: int
) -> None:
    def answer(request: Request) -> Answer:
        return s3_error(status, "AccessDenied", f"{SECRET} {request.headers}")

    shown = []
    for error in every_call(at(canned_s3(answer).endpoint, account), local):
        assert isinstance(error, AccessDenied)
        assert "\n" not in str(error)
        assert "credentialpath" in str(error.hint)
        shown += [str(error.hint), *traceback.format_exception(error)]
    assert SECRET not in "".join(shown)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_overloaded_server_is_worth_another_try(
    canned_s3: Canned, account: str, status: int
) -> None:
    transport = at(canned_s3(lambda request: Answer(status)).endpoint, account)

    error = failure(lambda: transport.write("a/b", b"x"))

    assert isinstance(error, TransportError)
    assert error.temporary


def test_a_server_that_is_not_there_is_worth_another_try(account: str) -> None:
    error = failure(lambda: at("http://127.0.0.1:1", account).read("a/b"))

    assert isinstance(error, Unreachable)
    assert "cannot connect to http://127.0.0.1:1" in str(error)


def test_a_connection_that_breaks_off_publishes_nothing(
    place: GsBucket, fault_proxy: Proxied, local: Path
) -> None:
    proxy = fault_proxy(place.server.endpoint)
    transport = open_transport(place.config_with(endpointurl=proxy.endpoint))
    transport.write("other", b"x")
    source = local / "source"
    source.write_bytes(os.urandom(24 * MIB))

    proxy.cut_after(12 * MIB)
    (result,) = transport.upload_many([(str(source), "a/b", "")], 4, nothing)
    proxy.cut_after(None)

    assert isinstance(result.error, Unreachable)
    assert transport.stat("a/b") is None
    assert {} == errors(transport.upload_many([(str(source), "a/b", "")], 4, nothing))
    assert source.read_bytes() == transport.read("a/b")


def test_a_big_upload_that_broke_off_goes_on(place: GsBucket, local: Path) -> None:
    data = os.urandom(40 * MIB)
    (local / "big").write_bytes(data)
    config = replace(place.config, scratch=str(local / "notes"))
    transport = open_transport(config)
    items = [(str(local / "big"), "a/b", hashlib.md5(data).hexdigest())]

    def tell(count: int) -> None:
        raise TransportError("as if the line broke off")

    assert ["a/b"] == list(errors(transport.upload_many(items, 1, tell)))
    assert transport.stat("a/b") is None
    sent: list[int] = []
    assert {} == errors(transport.upload_many(items, 1, sent.append))

    assert sum(sent) < 40 * MIB
    assert data == transport.read("a/b")
    assert [] == os.listdir(local / "notes")
