"""The Azure transport where it differs from others: who asks, and what goes wrong."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from pannier.core.errors import AccessDenied, ConfigError, TransportError, Unreachable
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import Transport
from pannier.store.transports.azure_config import read_azure_options, resolve_azure
from pannier.store.transports.object_cloud import CloudTransport
from tests.contract.places import Container, errors, failure, nothing
from tests.contract.test_s3 import every_call
from tests.servers.azurite import Azurite
from tests.servers.canned import Answer, CannedServer, Request
from tests.servers.proxy import FaultProxy

pytestmark = pytest.mark.xdist_group("azure")

MIB = 1 << 20
SECRET = base64.b64encode(b"SecretSecretSecret" * 4).decode()
Canned = Callable[[Callable[[Request], Answer]], CannedServer]
Proxied = Callable[[str], FaultProxy]


@pytest.fixture
def box(azure_place: Container) -> Container:
    return azure_place


def connection(endpoint: str, key: str = SECRET) -> str:
    return f"AccountName=devstoreaccount1;AccountKey={key};BlobEndpoint={endpoint}"


def at(endpoint: str, **options: str) -> Transport:
    given = {"connection_string": connection(endpoint), **options}
    return open_transport(RemoteConfig("far", "azure://things/pre", given))


def login(env: dict[str, str] | None = None, **options: str) -> object:
    """What obstore is told of who asks."""
    config = RemoteConfig("far", "azure://things/pre", options)
    settings = resolve_azure(
        read_azure_options(config), {"AZURE_CONFIG_DIR": "/none", **(env or {})}
    )
    return settings.account, settings.endpoint, settings.credential or settings.login


BLOB = "https://me.blob.core.windows.net"


@pytest.mark.parametrize(
    ("options", "env", "expected"),
    [
        ({"account_name": "me", "account_key": "k"}, {}, {"access_key": "k", "expires_at": None}),
        (
            {"account_name": "me", "sas_token": "?sv=1"},
            {},
            {"sas_token": "sv=1", "expires_at": None},
        ),
        (
            {"account_name": "me", "tenant_id": "t", "client_id": "c", "client_secret": "s"},
            {"AZURE_STORAGE_KEY": "k"},
            {"tenant_id": "t", "client_id": "c", "client_secret": "s"},
        ),
        ({}, {"AZURE_STORAGE_ACCOUNT": "me", "AZURE_STORAGE_KEY": "k"}, {"access_key": "k"}),
        (
            {},
            {"AZURE_STORAGE_CONNECTION_STRING": "AccountName=me;AccountKey=k"},
            {"access_key": "k"},
        ),
        (
            {"connection_string": "AccountName=me;SharedAccessSignature=sv=1&sig=a="},
            {"AZURE_STORAGE_KEY": "k"},
            {"sas_token": "sv=1&sig=a="},
        ),
        ({"account_name": "me", "allow_anonymous_login": "true"}, {}, {"skip_signature": True}),
        ({"account_name": "me"}, {}, {"use_azure_cli": True}),
        (
            {"account_name": "me"},
            {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"},
            {"tenant_id": "t", "client_id": "c", "client_secret": "s"},
        ),
        (
            {"account_name": "me", "exclude_environment_credential": "true"},
            {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"},
            {"use_azure_cli": True},
        ),
        (
            {"account_name": "me"},
            {"IDENTITY_ENDPOINT": "http://id"},
            {"msi_endpoint": "http://id"},
        ),
        (
            {"account_name": "me", "exclude_managed_identity_credential": "true"},
            {"IDENTITY_ENDPOINT": "http://id"},
            {"use_azure_cli": True},
        ),
    ],
)
def test_who_asks_is_found_in_the_order_of_dvc(
    options: dict[str, str], env: dict[str, str], expected: dict[str, object]
) -> None:
    account, endpoint, found = login(env, **options)  # type: ignore[misc]

    assert ("me", BLOB) == (account, endpoint)
    assert {"expires_at": None, **expected} == {"expires_at": None, **found}


def test_the_file_of_az_is_read(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[storage]\naccount = me\nkey = k\n")

    found = login({"AZURE_CONFIG_DIR": str(tmp_path)})

    assert ("me", BLOB, {"access_key": "k", "expires_at": None}) == found


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        (
            "AccountName=me;AccountKey=k;EndpointSuffix=core.example.cn",
            "https://me.blob.core.example.cn",
        ),
        (
            "AccountName=me;AccountKey=k;DefaultEndpointsProtocol=http",
            BLOB.replace("https", "http"),
        ),
        (
            "BlobEndpoint=https://me.blob.example.com/;SharedAccessSignature=s",
            "https://me.blob.example.com",
        ),
        ("UseDevelopmentStorage=true", "http://127.0.0.1:10000/devstoreaccount1"),
    ],
)
def test_a_connection_string_says_where(text: str, endpoint: str) -> None:
    assert endpoint == login(connection_string=text)[1]  # type: ignore[index]


def test_the_account_may_stand_in_the_url() -> None:
    config = RemoteConfig("far", "azure://box@me.dfs.core.windows.net/x", {"account_key": "k"})

    settings = resolve_azure(read_azure_options(config), {"AZURE_CONFIG_DIR": "/none"})

    assert ("me", "box") == (settings.account, settings.options.container)


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("azure:///x", {}, "must be like azure://container/path"),
        ("azure://box/x", {"timeout": "soon"}, "whole number of seconds"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    url: str, options: dict[str, str], words: str
) -> None:
    error = failure(lambda: open_transport(RemoteConfig("far", url, options)))

    assert isinstance(error, ConfigError)
    assert words in str(error)


@pytest.mark.parametrize("text", ["no", "AccountKey=k", "AccountName=a;BlobEndpoint=ftp://x"])
def test_a_connection_string_that_leads_nowhere_is_refused_and_not_shown(text: str) -> None:
    error = failure(lambda: login(connection_string=f"{text};X={SECRET}"))

    assert isinstance(error, ConfigError)
    assert SECRET not in str(error)


def test_without_an_account_it_says_so_in_dvcs_words(clean_machine: Path) -> None:
    error = failure(lambda: open_transport(RemoteConfig("far", "azure://box/x")).stat("a"))

    assert isinstance(error, ConfigError)
    assert "requires either account_name or connection_string" in str(error)


# -- no rights, no container ----


def test_a_wrong_key_is_one_clear_sentence(box: Container, local: Path) -> None:
    wrong = connection(box.server.endpoint)
    transport = open_transport(box.config_with(connection_string=wrong))

    shown = [repr(transport)]
    for error in every_call(transport, local):
        assert isinstance(error, AccessDenied)
        assert "\n" not in str(error)
        assert "account_key" in str(error.hint)
        shown += [str(error.hint), *traceback.format_exception(error)]
    assert SECRET not in "".join(shown)


def test_a_container_that_does_not_exist_is_named(azure_server: Azurite, local: Path) -> None:
    config = RemoteConfig(
        "far", "azure://none-such/x", {"connection_string": azure_server.connection_string}
    )

    transport = open_transport(config)
    (local / "x").write_bytes(b"x")
    (up,) = transport.upload_many([(f"{local}/x", "a/b", "")], 1, nothing)
    (down,) = transport.download_many([("a/b", f"{local}/y", "")], 1, nothing)

    for error in (
        failure(lambda: transport.stat("a/b")),
        failure(lambda: list(transport.list("a/"))),
        failure(lambda: transport.read("a/b")),
        failure(lambda: transport.write("a/b", b"x")),
        up.error,
        down.error,
    ):
        assert type(error) is TransportError
        assert "'none-such' does not exist on" in str(error)


def test_a_token_of_limited_rights_works_and_its_limits_are_told(
    box: Container, local: Path
) -> None:
    def with_rights(rights: str) -> Transport:
        token = box.server.sas_token(box.name, rights)
        text = f"BlobEndpoint={box.server.endpoint};SharedAccessSignature={token}"
        return open_transport(box.config_with(connection_string=text))

    with_rights("rcwdl").write("a/b", b"x")
    reader = with_rights("rl")
    error = failure(lambda: reader.write("a/c", b"x"))

    assert b"x" == reader.read("a/b")
    assert ["a/b"] == [entry.key for entry in reader.list("")]
    assert isinstance(error, AccessDenied)


@pytest.mark.parametrize("by", ["key", "token"])
def test_a_big_upload_is_made_of_blocks_that_are_named_by_their_digests(
    box: Container, local: Path, by: str
) -> None:
    """So that those of an upload that was killed need not be sent again, whoever began it."""
    token = box.server.sas_token(box.name)
    login = f"SharedAccessSignature={token}" if by == "token" else f"AccountKey={box.server.key}"
    text = f"AccountName={box.server.account};BlobEndpoint={box.server.endpoint};{login}"
    transport = open_transport(box.config_with(connection_string=text))
    data = os.urandom(8 * MIB) * 3 + b"end"
    (local / "big").write_bytes(data)

    assert {} == errors(transport.upload_many([(str(local / "big"), "a/big", "")], 1, nothing))

    assert data == transport.read("a/big")
    parts = [data[at : at + 8 * MIB] for at in range(0, len(data), 8 * MIB)]
    digests = [hashlib.md5(part).hexdigest() for part in parts]
    ids = [base64.b64encode(digest.rjust(48, "0").encode()).decode() for digest in digests]
    (name,) = box.server.keys(box.name)
    assert ids == box.server.block_ids(box.name, name)


@pytest.mark.parametrize("length", [2, 20, 32, 46, 48, 64])
def test_blocks_that_another_program_left_are_in_nobodys_way(
    box: Container, local: Path, length: int
) -> None:
    """The server takes ids of one length alone for all blocks that wait for one blob."""
    key = f"{box.prefix}/a/big"
    box.server.put_block(box.name, key, base64.b64encode(b"0" * length).decode())
    data = os.urandom(25 * MIB)
    (local / "big").write_bytes(data)
    transport = box.transport()

    assert {} == errors(transport.upload_many([(str(local / "big"), "a/big", "")], 1, nothing))

    assert data == transport.read("a/big")


def test_blocks_that_wait_are_in_no_other_programs_way(box: Container, local: Path) -> None:
    """Microsoft's own clients, with which DVC pushes, write ids of 48 bytes."""
    (local / "big").write_bytes(bytes(25 * MIB))
    sent = box.transport().upload_many([(str(local / "big"), "a/big", "0" * 32)], 1, nothing)
    assert ["a/big"] == list(errors(sent))
    key = f"{box.prefix}/a/big"
    assert [] != box.server.blocks(box.name, key)

    box.server.put_block(box.name, key, base64.b64encode(b"1" * 48).decode())


def test_who_may_not_delete_can_learn_whether_versions_are_kept(box: Container) -> None:
    token = box.server.sas_token(box.name, "rcwl")
    text = f"BlobEndpoint={box.server.endpoint};SharedAccessSignature={token}"
    transport = open_transport(box.config_with(connection_string=text))
    assert isinstance(transport, CloudTransport)

    assert not transport.keeps_versions()


def test_who_has_nothing_is_told_so(local: Path) -> None:
    transport = open_transport(
        RemoteConfig("far", "azure://box/x", {"account_name": "me", "timeout": "1"})
    )

    error = failure(lambda: transport.stat("a/b"))

    assert isinstance(error, AccessDenied)
    assert "no credentials" in str(error)
    assert "\n" not in str(error)
    assert "az login" in str(error.hint)


# -- the way there ----


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_overloaded_server_is_worth_another_try(canned_s3: Canned, status: int) -> None:
    transport = at(canned_s3(lambda request: Answer(status)).endpoint)

    error = failure(lambda: transport.write("a/b", b"x"))

    assert isinstance(error, TransportError)
    assert error.temporary


def test_a_server_that_is_not_there_is_worth_another_try(local: Path) -> None:
    for error in every_call(at("http://127.0.0.1:1"), local):
        assert isinstance(error, Unreachable)
        assert "cannot connect to http://127.0.0.1:1" in str(error)


def test_no_secret_is_in_any_error(canned_s3: Canned, local: Path) -> None:
    def echo(request: Request) -> Answer:
        said = f"{SECRET} {request.headers} {request.path}"
        body = f"<Error><Code>Odd</Code><Message>{said}</Message></Error>"
        return Answer(400, body.encode())

    shown = []
    for error in every_call(at(canned_s3(echo).endpoint), local):
        shown += [repr(error), str(error.hint), *traceback.format_exception(error)]

    assert SECRET not in "".join(shown)
    assert "SharedKey" not in "".join(shown)


def test_a_log_in_page_is_not_an_empty_container(canned_s3: Canned, local: Path) -> None:
    page = Answer(200, b"<html>Please log in</html>", {"ETag": '"e"'})
    transport = at(canned_s3(lambda request: page).endpoint)

    (result,) = transport.download_many([("a/b", f"{local}/x", "0" * 32)], 1, nothing)
    listed = failure(lambda: list(transport.list("")))

    assert result.error is not None
    assert [] == list(local.iterdir())
    assert isinstance(listed, TransportError)
    assert not listed.temporary


@pytest.mark.parametrize("cut_after", [100, 20 * MIB])
def test_a_connection_that_breaks_off_publishes_nothing(
    box: Container, fault_proxy: Proxied, local: Path, cut_after: int
) -> None:
    proxy = fault_proxy(f"http://127.0.0.1:{box.server.port}")
    there = box.server.connection_string_at(f"{proxy.endpoint}/{box.server.account}")
    transport = open_transport(box.config_with(connection_string=there))
    transport.write("other", b"x")
    source = local / "source"
    source.write_bytes(os.urandom(24 * MIB))

    proxy.cut_after(cut_after)
    (result,) = transport.upload_many([(str(source), "a/b", "")], 4, nothing)
    proxy.cut_after(None)

    assert isinstance(result.error, Unreachable)
    assert transport.stat("a/b") is None
    assert {} == errors(transport.upload_many([(str(source), "a/b", "")], 4, nothing))
    assert source.read_bytes() == transport.read("a/b")


def test_a_server_killed_in_the_middle_is_worth_another_try(
    box: Container, azure_server: Azurite, local: Path
) -> None:
    source = local / "source"
    source.write_bytes(os.urandom(64 * MIB))
    killed = threading.Event()

    def kill_once(_: int) -> None:
        if not killed.is_set():
            killed.set()
            azure_server.kill()

    transport = box.transport()
    (up,) = transport.upload_many([(str(source), "a/b", "")], 4, kill_once)
    azure_server.revive()

    # Azurite itself forgets then what it was told in the last seconds, the container included.
    assert isinstance(up.error, Unreachable)
