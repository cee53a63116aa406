"""Big uploads to Google Cloud Storage: who sends them, and what of them is sent again.

The server is that of tests/servers/keeping.py; Drive's hands out the tokens.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pannier.core.errors import TransportError
from pannier.store.remote_config import RemoteConfig
from pannier.store.schemes import open_transport
from pannier.store.transport import Transport
from pannier.store.transports.gs import GsTransport
from pannier.store.transports.gs_parts import GsAsker
from pannier.store.transports.gs_tokens import client_for
from pannier.store.transports.web_options import WebOptions
from pannier.store.transports.xml_parts import XmlParts
from tests.contract.places import errors, nothing
from tests.servers import rclone
from tests.servers.drive import Drive
from tests.servers.keeping import KeepingGs, Upload

pytestmark = pytest.mark.xdist_group("drive")

MIB = 1 << 20
BIG = random.Random(1).randbytes(25 * MIB)
DIGEST = hashlib.md5(BIG).hexdigest()


@pytest.fixture
def server() -> Iterator[KeepingGs]:
    made = KeepingGs()
    yield made
    made.close()


def at(server: KeepingGs, local: Path, account: dict[str, Any] | None) -> GsTransport:
    given = {"endpointurl": server.endpoint}
    if account is not None:
        (local / "account.json").write_text(json.dumps(account))
        given["credentialpath"] = str(local / "account.json")
    config = RemoteConfig("far", f"gs://{server.bucket}/pre", given, frozenset(given))
    opened = open_transport(replace(config, scratch=str(local / "notes")))
    assert isinstance(opened, GsTransport)
    return opened


def send(
    transport: Transport, local: Path, tell: Callable[[int], None] = nothing
) -> dict[str, str]:
    return errors(transport.upload_many([(f"{local}/big", "a/big", DIGEST)], 1, tell))


def parts_sent(server: KeepingGs) -> list[int]:
    """Which parts came, by their numbers."""
    found = (
        r.path.partition("partNumber=")[2] for r in server.server.requests if r.method == "PUT"
    )
    return sorted(int(number.partition("&")[0]) for number in found if number)


@pytest.mark.parametrize("who", ["account", "none of Google's"])
def test_parts_are_sent_by_who_the_settings_name(
    server: KeepingGs, drive: Drive, local: Path, who: str
) -> None:
    server.tokens = drive.tokens if who == "account" else None
    (local / "big").write_bytes(BIG)
    transport = at(server, local, drive.account() if who == "account" else rclone.ACCOUNT)

    assert {} == send(transport, local)

    assert [1, 2, 3, 4] == parts_sent(server)
    assert BIG == transport.read("a/big")
    assert [] == os.listdir(local / "notes")
    scopes = {claim["scope"].rpartition("/")[2] for claim in drive.claims}
    assert ({"devstorage.read_write"} if who == "account" else set()) == scopes


def test_a_user_may_send_them(server: KeepingGs, drive: Drive, local: Path) -> None:
    """Not through a transport: obstore asks nobody but Google's server for a user's token."""
    server.tokens = drive.tokens
    user = {"type": "authorized_user", **drive.user()}
    (local / "user.json").write_text(json.dumps(user))
    options = WebOptions("far", "gs://bucket", server.endpoint, "bearer")
    client = client_for(options, str(local / "user.json"), False, {})

    XmlParts(GsAsker(client, f"{server.endpoint}/{server.bucket}", ""), "x").begin()

    assert ["x"] == [upload.name for upload in server.uploads.values()]


def test_a_machine_in_googles_cloud_has_an_account(
    server: KeepingGs, local: Path, monkeypatch: pytest.MonkeyPatch, clean_machine: Path
) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", server.endpoint.removeprefix("http://"))
    (local / "big").write_bytes(BIG)

    assert {} == send(at(server, local, None), local)

    assert BIG == server.names["pre/a/big"].versions[server.names["pre/a/big"].now or ""]
    assert 4 == len(parts_sent(server))


def test_a_part_is_left_out_only_where_it_is_proven_to_be_right(
    server: KeepingGs, drive: Drive, local: Path
) -> None:
    """The first run sent a damaged part; the file was repaired since (D2)."""
    (local / "big").write_bytes(b"damaged" + BIG[7:])
    transport = at(server, local, drive.account())

    def tell(count: int) -> None:
        raise TransportError("as if the line broke off")

    assert ["a/big"] == list(send(transport, local, tell))
    (local / "big").write_bytes(BIG)
    kept = {n for upload in server.uploads.values() for n in upload.parts}
    server.server.requests.clear()

    assert {} == send(transport, local)

    assert {1, 2, 3, 4} - (kept - {1}) == set(parts_sent(server))
    assert BIG == transport.read("a/big")
    assert {} == server.uploads


def test_what_only_obstore_can_read_is_left_to_it(
    server: KeepingGs, local: Path, monkeypatch: pytest.MonkeyPatch, clean_machine: Path
) -> None:
    (local / "account.json").write_text(json.dumps(rclone.ACCOUNT))
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_PATH", str(local / "account.json"))
    (local / "big").write_bytes(BIG)
    transport = at(server, local, None)

    assert {} == send(transport, local)

    assert BIG == transport.read("a/big")
    assert [] == os.listdir(local / "notes")


def test_what_a_dead_run_left_a_day_ago_is_given_up(
    server: KeepingGs, drive: Drive, local: Path
) -> None:
    server.uploads = {
        "old": Upload("pre/a/x", "2001-01-01T00:00:00.000Z"),
        "young": Upload("pre/a/y", "2999-01-01T00:00:00.000Z"),
        "elsewhere": Upload("other/z", "2001-01-01T00:00:00.000Z"),
    }

    assert 1 == at(server, local, drive.account()).give_up_uploads()

    assert {"young", "elsewhere"} == set(server.uploads)
